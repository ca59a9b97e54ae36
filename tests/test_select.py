"""Selection: which rule rejects a row, who stays, and that nothing is dropped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stages.select import Rule, Select


def rejected_by(select: dict, rows: list[dict]) -> list[str | None]:
    return [row["rejected_by"] for row in Select.model_validate(select).run(rows)]


RULES = [
    ({"is": "correct"}, {"correct": True, "incorrect": False, None: False}),
    ({"is_not": "length"}, {"stop": True, "length": False, None: False}),
    ({"is_not": "length", None: "keep"}, {None: True, "length": False}),
    ({"in": ["a", "b"]}, {"a": True, "c": False, None: False}),
    ({"at_most": 8000}, {7999: True, 8000: True, 8001: False, None: False}),
    ({"at_most": 0.95, "null": "keep"}, {0.9: True, 1.0: False, None: True}),
    ({"at_least": 0}, {0: True, -0.1: False, float("nan"): False}),
    ({"at_least": 0.1, "at_most": 0.9}, {0.05: False, 0.5: True, 0.95: False}),
    ({"is_null": True}, {None: True, "id": False}),
    ({"is_null": False}, {None: False, "id": True, 0: True, "": True}),
    ({"is": 0}, {0: True, 1: False, None: False}),
]


@pytest.mark.parametrize(("body", "cases"), RULES)
def test_a_rule_says_which_values_stay(body, cases):
    rule = Rule.model_validate({"named": {"column": "x", **body}})
    assert {value: rule.passes(value) for value in cases} == cases


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        ([{"empty": {"column": "x"}}], "asks nothing"),
        ([{"both": {"column": "x", "is_null": True, "is": 1}}], "stands alone"),
        ([{"typo": {"column": "x", "at_mots": 1}}], "at_mots"),
        ([{"bare": "correct"}], "needs a mapping"),
        ([{"text": {"column": "x", "at_most": "many"}}], "valid number"),
        ([{"a": {"column": "x", "is": 1}}, {"a": {"column": "y", "is": 1}}], "two rules are called 'a'"),
    ],
)
def test_a_wrong_rule_is_refused_in_one_sentence(rules, sentence):
    with pytest.raises(ValidationError, match=sentence):
        Select.model_validate({"rules": rules})


@pytest.mark.parametrize(
    "select",
    [{"keep": 1}, {"keep": 1, "order_by": ["x"], "rules": [{"shortest": {"column": "x", "is": 1}}]}, {"keep": -1}],
)
def test_keeping_needs_an_order_and_a_name_of_its_own(select):
    with pytest.raises(ValidationError):
        Select.model_validate(select)


def test_a_row_carries_the_first_rule_that_it_failed():
    rules = [{"correct": {"column": "ok", "is": True}}, {"short": {"column": "n", "at_most": 5}}]
    rows = [{"ok": False, "n": 9}, {"ok": True, "n": 9}, {"ok": True, "n": 5}]
    assert rejected_by({"rules": rules}, rows) == ["correct", "short", None]


@pytest.mark.parametrize(
    ("order_by", "keep", "expected"),
    [
        (["n", "id"], 1, [2]),
        (["n", "id"], 2, [2, 1]),
        (["-n", "id"], 1, [1]),
        (["n", "-id"], 2, [2, 0]),
        (["missing"], 2, [3, 0]),
        (["-missing", "n"], 2, [3, 2]),
        (["n"], 9, [0, 1, 2, 3]),
    ],
)
def test_the_best_of_a_problem_stay(order_by, keep, expected):
    rows = [
        {"n": 7, "id": "d", "missing": None},
        {"n": 7, "id": "a", "missing": None},
        {"n": 3, "id": "c", "missing": None},
        {"n": None, "id": "b", "missing": 1},
    ]
    rejected = rejected_by({"keep": keep, "order_by": order_by, "keep_name": "best"}, rows)
    assert {place for place, reason in enumerate(rejected) if reason is None} == set(expected)
    assert set(rejected) <= {None, "best"}


def test_a_rejected_row_takes_no_place():
    rows = [{"n": 1, "ok": False}, {"n": 2, "ok": True}, {"n": 3, "ok": True}]
    select = {"rules": [{"correct": {"column": "ok", "is": True}}], "keep": 1, "order_by": ["n"]}
    assert rejected_by(select, rows) == ["correct", None, "shortest"]


def test_an_earlier_rejection_stays():
    rows = [{"n": 1, "rejected_by": "earlier"}, {"n": 2, "rejected_by": None}]
    assert rejected_by({"keep": 1, "order_by": ["n"]}, rows) == ["earlier", None]


def test_a_selection_reads_the_columns_of_its_rules_and_order_once():
    rules = [{"a": {"column": "outcome", "is": "correct"}}, {"b": {"column": "n_reasoning_tokens", "at_most": 9}}]
    select = Select.model_validate({"rules": rules, "keep": 1, "order_by": ["-n_reasoning_tokens", "trace_id"]})
    assert select.reads == ("outcome", "n_reasoning_tokens", "trace_id")


def test_a_selection_is_written_as_it_is_read():
    line = {"rules": [{"a": {"column": "x", "in": ["b", 1], "null": "keep"}}], "keep": 2, "order_by": ["x"]}
    select = Select.model_validate(line)
    assert select.model_dump(mode="json", exclude_unset=True) == line
    assert Select.model_validate(select.model_dump()) == select


@given(st.lists(st.integers(0, 5), min_size=1), st.integers(1, 4))
def test_as_many_stay_as_asked_and_none_of_the_others_is_better(values, keep):
    rejected = rejected_by({"keep": keep, "order_by": ["n"]}, [{"n": value} for value in values])
    kept = [value for value, reason in zip(values, rejected, strict=True) if reason is None]
    assert sorted(kept) == sorted(values)[:keep]
