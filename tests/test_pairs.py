"""Preference pairs: which traces win and lose under each published rule, and why a problem gives no pair."""

import asyncio
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.engines.engine import EngineSpec, GenerateRequest
from pipeline.engines.scripted import ScriptedEngine
from schemas.columns import PAIR_FIELDS, TRACE_COLUMNS
from schemas.tokens import ESTIMATE
from stages.pair_adar1 import PairAdar1, Style, preference
from stages.pair_long2short import PairLong2short
from stages.pair_long_short import PairLongShort
from stages.pair_modes import PairModes
from stages.pair_redi import PairRedi
from stages.pair_step import PairStep
from stages.pair_step_siblings import PairStepSiblings
from stages.preferences import Contenders


def row(name, n_tokens, outcome="correct", **columns):
    """A first trace of the problem with so many tokens."""
    trace = dict.fromkeys(column.name for column in TRACE_COLUMNS)
    trace |= {"trace_id": name, "sample_index": 0, "token_counter": ESTIMATE, "finish_reason": "stop", "method": "m"}
    trace |= {"n_reasoning_tokens": n_tokens - 1, "n_response_tokens": 1, "reasoning": name, "response": "ok"}
    problem = {"problem_id": "p", "problem": "What is 2 + 3?", "answer": "5", "kind": "math"}
    return trace | problem | {"outcome": outcome, "first_false_step": None} | columns


def pairs(stage, rows):
    """(kind, chosen, rejected) of all pairs, in the order of the rows."""
    found = [line["pairs"] or [] for line in stage.run(rows)]
    assert all(set(pair) == {column.name for column in PAIR_FIELDS} for line in found for pair in line)
    return [(pair["pair_kind"], pair["chosen_id"], pair["rejected_id"]) for line in found for pair in line]


def why(stage, rows):
    (reason,) = {line["unpaired"][0] for line in stage.run(rows)}
    return reason


# Kimi long2short.


def test_the_shortest_correct_trace_beats_longer_wrong_ones_and_correct_ones_beyond_the_ratio():
    rows = [row("short", 100), row("at", 150), row("over", 151), row("wrong", 101, "incorrect")]
    rows += [row("brief_wrong", 99, "incorrect"), row("unread", 300, "unparsed")]
    expected = [("long2short_wrong", "short", "unread"), ("long2short_wrong", "short", "wrong")]
    assert pairs(PairLong2short(), rows) == [*expected, ("long2short_correct", "short", "over")]
    assert len(pairs(PairLong2short(max_pairs=1), rows)) == 1


@pytest.mark.parametrize(
    "loser",
    [
        row("cut", 900, "incorrect", finish_reason="length"),
        row("gone", 900, rejected_by="contaminated"),
        row("unjudged", 900, "timeout"),
        row("open", 900, "ungradable"),
    ],
    ids=lambda loser: loser["trace_id"],
)
def test_what_is_cut_off_rejected_or_not_judged_stands_in_no_pair(loser):
    assert pairs(PairLong2short(), [row("short", 100), loser]) == []


def test_a_problem_without_a_pair_says_why():
    assert why(PairLong2short(), [row("wrong", 9, "incorrect")]) == "pair_long2short: no correct trace"
    assert why(PairLong2short(), [row("a", 9)]) == "pair_long2short: nothing is long enough to lose"


def test_traces_counted_by_two_tokenizers_are_refused():
    with pytest.raises(ValueError, match="set one `token_counter`"):
        PairLong2short().run([row("a", 9), row("b", 99, token_counter="other")])


def test_pairs_of_an_earlier_stage_stay_in_front():
    rows = [row("short", 100), row("long", 300)]
    first = [one | line for one, line in zip(rows, PairLong2short().run(rows), strict=True)]
    assert [kind for kind, *_ in pairs(PairLongShort(), first)] == ["long2short_correct", "long_short"]


def test_only_samples_take_part_if_asked():
    rows = [row("sample", 100), row("child", 10, parent_id="sample"), row("long", 400)]
    assert {chosen for _, chosen, _ in pairs(PairLong2short(), rows)} == {"child"}
    assert {chosen for _, chosen, _ in pairs(PairLong2short(first_only=True), rows)} == {"sample"}


@given(st.lists(st.tuples(st.integers(1, 900), st.sampled_from(["correct", "incorrect"])), max_size=8))
def test_a_winner_is_correct_and_shorter_and_never_meets_itself(lengths):
    rows = [row(str(number), n_tokens, outcome) for number, (n_tokens, outcome) in enumerate(lengths)]
    by_id = {one["trace_id"]: one for one in rows}
    for stage in (PairLong2short(), PairLongShort(short_wrong=False)):
        for line in stage.run(rows) if rows else []:
            for pair in line["pairs"] or []:
                assert by_id[pair["chosen_id"]]["outcome"] == "correct" and pair["chosen_id"] != pair["rejected_id"]
                assert pair["n_chosen_tokens"] <= pair["n_rejected_tokens"]


# Long against short.


def test_the_shortest_correct_meets_the_longest_and_a_short_wrong_one_loses_to_it():
    rows = [row("short", 100), row("middle", 200), row("long", 300), row("wrong", 50, "incorrect")]
    assert pairs(PairLongShort(), rows) == [("long_short", "short", "long")]
    assert ("short_wrong", "long", "wrong") in pairs(PairLongShort(short_wrong=True), rows)
    assert why(PairLongShort(), [row("a", 100), row("b", 119)]).endswith("its correct traces are equally long")


# REDI.


def test_redi_takes_the_first_of_each_kind_and_weighs_them():
    rows = [row("r1", 90, sample_index=1), row("w2", 10, "incorrect", sample_index=2)]
    rows += [row("r0", 95, sample_index=0), row("w5", 5, "unparsed", sample_index=5)]
    assert pairs(PairRedi(), rows) == [("redi", "r0", "w2")]
    assert [line["weight"] for line in PairRedi().run(rows)] == [None, -0.8, 1.0, None]


def test_redi_keeps_a_right_trace_without_a_wrong_one_and_leaves_out_what_is_too_long():
    (alone,) = PairRedi().run([row("r", 9)])
    assert alone == {"pairs": None, "unpaired": ["pair_redi: no wrong trace"], "weight": 1.0}
    assert why(PairRedi(max_tokens=8), [row("r", 9)]) == "pair_redi: no correct trace"
    assert why(PairRedi(max_problem_tokens=1), [row("r", 9)]) == "pair_redi: the problem is too long"


# AdaR1.


def style(name, accuracy, mean_tokens):
    return Style(name, accuracy, mean_tokens, 12, Contenders())


@pytest.mark.parametrize(
    ("long", "short", "gain", "preferred"),
    [
        ((0.9, 6000), (0.9, 2000), -0.00833, "short"),  # equally good: dL = 2, dA = -1/24
        ((1.0, 6000), (0.5, 2000), 0.229, "long"),
        ((0.9, 2000), (0.5, 6000), -0.0883, "long"),  # better and shorter: the released formula prefers short
        ((0.5, 2000), (0.5, 2000), -2.08e-6, "short"),  # the released formula divides by zero
        ((0.9, 2000), (0.5, 2000), 716.7, "long"),
    ],
)
def test_the_gain_of_adar1_on_worked_examples(long, short, gain, preferred):
    found, winner, _ = preference(style("long", *long), style("short", *short))
    assert found == pytest.approx(gain, rel=0.02, abs=0) and winner.name == preferred


@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_the_preferred_style_always_has_a_correct_trace(n_long, n_short, data):
    rows = [row(f"l{i}", data.draw(st.integers(1, 99)), data.draw(OUTCOMES), model="L") for i in range(n_long)]
    rows += [row(f"s{i}", data.draw(st.integers(1, 99)), data.draw(OUTCOMES), model="S") for i in range(n_short)]
    stage = PairAdar1(long=("L",), short=("S",))
    preferred = {line["preferred_style"] for line in stage.run(rows)}.pop()
    assert (preferred is None) == all(one["outcome"] != "correct" for one in rows)
    right = [one["trace_id"] for one in rows if one["outcome"] == "correct"]
    won = {chosen for _, chosen, _ in pairs(stage, rows)}
    assert won <= {name for name in right if preferred and name[0] == preferred[0]}
    assert not preferred or any(name[0] == preferred[0] for name in right)


OUTCOMES = st.sampled_from(["correct", "incorrect"])


def test_adar1_pairs_the_styles_and_the_lengths_within_one():
    rows = [row(f"l{i}", 600 + i, model="L") for i in range(4)]
    rows += [row("s0", 100, model="S"), row("s1", 110, model="S"), row("s2", 200, model="S"), row("s3", 300, model="S")]
    found = pairs(PairAdar1(long=("L",), short=("S",)), rows)
    across = [(won, lost) for kind, won, lost in found if kind == "adar1_style"]
    assert len(across) == 4 and set(across) <= set(product(["s0", "s1", "s2", "s3"], [f"l{i}" for i in range(4)]))
    assert [pair[1:] for pair in found if pair[0] == "adar1_brevity"] == [("s0", "s3"), ("s0", "s2")]
    assert {line["preferred_style"] for line in PairAdar1(long=("L",), short=("S",)).run(rows)} == {"short"}


def test_wrong_answers_of_the_other_style_lose_first():
    rows = [row("l", 900, model="L"), row("l_wrong", 950, "incorrect", model="L"), row("s", 100, model="S")]
    assert pairs(PairAdar1(long=("L",), short=("S",)), rows) == [("adar1_style", "s", "l_wrong")]


def test_adar1_needs_both_styles_and_something_correct():
    stage = PairAdar1(long=("L",), short=("S",))
    assert why(stage, [row("s", 9, model="S")]) == "pair_adar1: no long trace"
    both = [row("s", 9, "incorrect", model="S"), row("l", 9, "incorrect", model="L")]
    assert why(stage, both) == "pair_adar1: no correct trace"
    with pytest.raises(ValidationError, match="has one style"):
        PairAdar1(long=("L",), short=("L",))


# Modes.


def modes(stage, rows):
    return [(line["mode"], (line["counterpart"] or {}).get("trace_id")) for line in stage.run(rows)]


def test_the_long_trace_carries_the_texts_of_its_short_counterpart():
    rows = [row("long", 300), row("short", 100), row("middle", 200)]
    long, short, middle = PairModes().run(rows)
    assert long == {"mode": "long", "counterpart": {"trace_id": "short", "reasoning": "short", "response": "ok"}}
    assert short == {"mode": "short", "counterpart": {"trace_id": "long", "reasoning": None, "response": None}}
    assert middle == {"mode": None, "counterpart": None}


def test_a_single_length_is_called_long():
    assert modes(PairModes(), [row("a", 100), row("b", 110)]) == [(None, None), ("long", None)]
    assert modes(PairModes(), [row("wrong", 100, "incorrect")]) == [(None, None)]


def test_named_styles_take_the_shortest_of_each():
    stage = PairModes(long=("teacher",), short=("dap",))
    rows = [row("t1", 400, method="teacher"), row("t2", 300, method="teacher"), row("d", 90, method="dap")]
    assert modes(stage, rows) == [(None, None), ("long", "d"), ("short", "t2")]
    assert modes(stage, rows[2:]) == [("short", None)]
    with pytest.raises(ValidationError, match="both `long` and `short`"):
        PairModes(long=("teacher",))


# Steps.

RIGHT = "We add 2 and 3.\n\n2 + 3 = 5.\n\nSo it is 5."
WRONG = "We add 2 and 3.\n\n2 + 3 = 6.\n\nSo it is 6."


def wrong(**columns):
    return row("wrong", 20, "incorrect", reasoning=WRONG, response=r"\boxed{6}", **columns)


def test_the_audited_step_loses_to_the_step_of_a_sibling_with_the_same_beginning():
    rows = [wrong(first_false_step=1), row("right", 20, reasoning=RIGHT), row("other", 5, reasoning="Five.\n\nYes.")]
    (pair,) = PairStepSiblings().run(rows)[0]["pairs"]
    assert pair["prefix"] == "<think>\nWe add 2 and 3.\n\n"
    assert (pair["chosen_text"], pair["rejected_text"]) == ("2 + 3 = 5.", "2 + 3 = 6.")
    assert (pair["chosen_id"], pair["rejected_id"], pair["n_rejected_tokens"]) == ("right", "wrong", 7)


def test_a_sibling_step_that_is_false_itself_or_the_same_is_no_better():
    lies = row("lies", 20, reasoning="We add 2 and 3.\n\n2 + 3 = 7.\n\nNo matter, 5.")
    same = row("same", 20, reasoning="We add 2 and 3.\n\n2 + 3  = 6.\n\nWait, 5.")
    rows = [wrong(first_false_step=1), lies, same]
    assert why(PairStepSiblings(), rows) == "pair_step_siblings: no correct trace begins in the same way"
    for step in (None, 3):  # the third step is the response
        assert why(PairStepSiblings(), [wrong(first_false_step=step)]).endswith("no false statement in its reasoning")


def recovers(request: GenerateRequest) -> str:
    """Goes on correctly as long as nothing false stands before it."""
    if "= 6" in request.prefill:
        return "So it is 6.\n</think>\n\n\\boxed{6}"
    start = "" if request.prefill == "<think>\n" else "2 + 3 = 5, by counting.\n\n"
    return f"{start}It is five.\n</think>\n\n\\boxed{{5}}"


def run_step(rows, script="recovers", **settings):
    spec = EngineSpec(model=f"scripted:tests.test_pairs:{script}")
    stage = PairStep(engine="student", n_rollouts=2, n_continuations=3, **settings)
    return asyncio.run(stage.run(rows, ScriptedEngine(spec)))


@pytest.mark.parametrize("settings", [{"error_by": "value"}, {"error_by": "audit"}], ids=lambda one: one["error_by"])
def test_the_model_goes_on_in_place_of_the_wrong_step(settings):
    (line,) = run_step([wrong(first_false_step=1)], **settings)
    (pair,) = line["pairs"]
    assert pair["chosen_text"] == "2 + 3 = 5, by counting." and pair["rejected_text"] == "2 + 3 = 6."
    assert pair["chosen_id"] is None and pair["pair_kind"] == "step"


def test_a_sibling_is_asked_before_the_model():
    line = run_step([wrong(), row("right", 20, reasoning=RIGHT)])[0]
    assert [pair["chosen_id"] for pair in line["pairs"]] == ["right"]
    line = run_step([wrong(), row("right", 20, reasoning=RIGHT)], siblings=False)[0]
    assert [pair["chosen_id"] for pair in line["pairs"]] == [None]


def always_six(request: GenerateRequest) -> str:
    return "It is 6.\n</think>\n\n\\boxed{6}"


def always_five(request: GenerateRequest) -> str:
    return "No, it is 5.\n</think>\n\n\\boxed{5}"


@pytest.mark.parametrize(
    ("script", "settings", "reason"),
    [
        ("always_six", {}, "the model cannot solve it from the start"),
        ("always_five", {}, "its whole reasoning can still end correct"),
        ("always_six", {"error_by": "audit"}, "no continuation of its right steps is correct"),
    ],
)
def test_a_wrong_trace_without_a_step_pair_says_why(script, settings, reason):
    (line,) = run_step([wrong(first_false_step=1)], script, **settings)
    assert line == {"pairs": None, "unpaired": [f"pair_step: {reason}"]}
