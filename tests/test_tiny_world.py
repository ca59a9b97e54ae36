"""The tiny world: gold answers, determinism, and the wall between training problems and shipped ones."""

import json
import random
import re
from fractions import Fraction

import pytest

from tiny.examples import STAGES, draw_trace_text
from tiny.make_problems import PROBLEMS_PATH, make_rows, render
from tiny.traces import response, write_trace
from tiny.world import LEVELS, TAGS, WORDS, sample_problem

SYMBOLS = {word: symbol for by_symbol in WORDS.values() for symbol, words in by_symbol.items() for word in words}
TAG_WORDS = "|".join(tag for tags in TAGS.values() for tag in tags)
SHIPPED = [json.loads(line) for line in PROBLEMS_PATH.read_text(encoding="utf-8").splitlines()]


def gold_from_text(text: str) -> Fraction:
    """The answer, read from the words of a list problem alone."""
    text = re.sub(r" +", " ", text).replace(" \n", "\n")
    value = Fraction(re.search(r"\d+", text)[0])
    words = "|".join(SYMBOLS)
    for word, operand in re.findall(rf"^(?:{TAG_WORDS}) ({words}) (\d+)$", text, re.MULTILINE | re.IGNORECASE):
        value = apply(value, SYMBOLS[word.lower()], int(operand))
    return value


def apply(value: Fraction, symbol: str, operand: int) -> Fraction:
    return {"+": value + operand, "-": value - operand, "*": value * operand, "/": value / operand}[symbol]


@pytest.mark.parametrize("level", LEVELS)
def test_gold_answers_follow_from_the_text(level: int) -> None:
    rng = random.Random(level)
    for _ in range(200):
        problem = sample_problem(rng, level, held_out=False)
        assert gold_from_text(problem.text) == problem.answer


def test_shipped_list_problems_have_the_answer_that_their_text_gives() -> None:
    rows = [row for row in SHIPPED if row["meta"]["topic"] in TAGS]
    assert len(rows) > 250
    assert [row["answer"] for row in rows] == [str(gold_from_text(row["problem"])) for row in rows]


def test_values_stay_within_the_level() -> None:
    rng = random.Random(0)
    for level, bounds in LEVELS.items():
        problems = [sample_problem(rng, level, held_out=True) for _ in range(100)]
        assert all(problem.fits(bounds.value_max) for problem in problems)


def test_the_shipped_file_is_what_the_script_writes() -> None:
    assert PROBLEMS_PATH.read_text(encoding="utf-8") == render(make_rows())


def test_training_never_draws_a_shipped_problem() -> None:
    rng = random.Random(3)
    shipped = {row["problem"] for row in SHIPPED}
    for _ in range(2000):
        text, _ = draw_trace_text(rng, STAGES[-1])
        problem = re.search(r"<\|im_start\|>user\n(.*?)(?:\nPlease reason.*)?<\|im_end\|>", text, re.DOTALL)[1]
        assert problem not in shipped


def test_shipped_rows_have_one_schema_and_unique_ids() -> None:
    assert len({row["source_id"] for row in SHIPPED}) == len(SHIPPED)
    assert len({tuple((key, type(value)) for key, value in row.items()) for row in SHIPPED}) == 1
    assert len({tuple((key, type(value)) for key, value in row["meta"].items()) for row in SHIPPED}) == 1


def test_relatives_point_to_an_earlier_row() -> None:
    by_id = {row["source_id"]: (at, row) for at, row in enumerate(SHIPPED)}
    for at, row in enumerate(SHIPPED):
        if row["meta"]["relation"] == "original":
            continue
        original_at, original = by_id[row["meta"]["relative"]]
        assert original_at < at
        assert (row["problem"] == original["problem"]) == (row["meta"]["relation"] == "exact_copy")


@pytest.mark.parametrize("level", LEVELS)
def test_traces_are_repeatable_and_state_the_answer_before_they_end(level: int) -> None:
    problem = sample_problem(random.Random(level), level, held_out=False)
    for seed in range(50):
        trace = write_trace(problem, random.Random(seed), verbosity=0.8)
        assert trace == write_trace(problem, random.Random(seed), verbosity=0.8)
        stated = re.search(rf"answer is (\\boxed{{)?{problem.answer}\b", trace.thinking)
        assert stated is not None
        assert response(trace, problem).endswith(f"\\boxed{{{problem.answer}}}.")


def test_true_equations_but_for_marked_slips() -> None:
    rng = random.Random(5)
    for _ in range(300):
        problem = sample_problem(rng, 4, held_out=False)
        trace = write_trace(problem, rng, verbosity=0.9)
        slips = set(trace.slip_spans())
        for match in re.finditer(r"(\d+) ([-+*/]) (\d+) = (\d+)", trace.thinking):
            right = apply(Fraction(match[1]), match[2], int(match[3])) == int(match[4])
            assert right != (match.span(4) in slips)
