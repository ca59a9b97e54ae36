"""What ranks the traces of a problem: overthinking, failed steps, perplexity, and teachers by their traces."""

import asyncio
from math import exp

import polars as pl
import pytest

from pipeline.engines.engine import Completion, GenerateRequest
from pipeline.errors import RequestRefused
from schemas.tokens import ESTIMATE
from schemas.trace import segment
from stages.grade_teachers import GradeTeachers
from stages.judge_failed_steps import JudgeFailedSteps
from stages.score_failed_steps import ScoreFailedSteps, failed_steps, rejects
from stages.score_overthinking import ScoreOverthinking, marker_share
from stages.score_perplexity import ScorePerplexity
from tests.asap_scripts import Scorer, row

FIND, STATE, CHECK = "We add 2 and 3.", "So the answer is 5.", "Counting on fingers gives as much."


def overthinking(*steps: str, **columns) -> dict:
    return ScoreOverthinking().run(row(*steps, **columns))


def test_what_follows_the_first_solution_is_overthinking():
    found = overthinking(FIND, STATE, CHECK, CHECK)
    assert found == {"first_solution_step": 1, "overthinking": pytest.approx(0.9 * 0.5)}
    assert overthinking(FIND, STATE) == {"first_solution_step": 1, "overthinking": 0.0}


def test_a_trace_that_never_states_its_answer_has_markers_alone():
    found = overthinking(FIND, "Wait, hmm.")
    assert found["first_solution_step"] is None
    assert found["overthinking"] == pytest.approx(0.1 * marker_share(f"{FIND}\n\nWait, hmm.", "en", ESTIMATE))


def test_a_wrong_statement_is_no_solution_and_a_wrong_trace_has_no_score():
    assert overthinking("The answer is 6.", STATE, CHECK)["first_solution_step"] == 1
    assert overthinking(FIND, STATE, outcome="incorrect") == {"first_solution_step": None, "overthinking": None}


def test_markers_count_as_whole_words_and_the_longest_first():
    assert marker_share("waiting for a butter knife", "en", ESTIMATE) == 0
    assert marker_share("let me double-check that now", "en", ESTIMATE) == pytest.approx(4 / 7)


@pytest.mark.parametrize(
    "text",
    [
        "Wait, that's not right.",
        "This approach doesn't work.",
        "I made a mistake.",
        "Let me start over.",
        "A dead end.",
    ],
)
def test_words_that_take_something_back(text):
    assert rejects(text)


@pytest.mark.parametrize(
    "text",
    ["Let me check if that's wrong.", "Maybe I made a mistake?", "This works.", "Suppose this is impossible.", "Good."],
)
def test_words_that_take_nothing_back(text):
    assert rejects(text) == ""


def test_a_branch_fails_with_the_words_that_end_it():
    steps = ["We try x.", "Alternatively, use y.", "Then y = 3.", "No, that's not right.", "Wait, use z.", "So 5."]
    assert sorted(failed_steps(segment("\n\n".join(steps)))) == [1, 2, 3]
    found = ScoreFailedSteps().run(row(*steps))
    assert found["failed_step_fraction"] == 0.5 and found["failed_steps"] == [1, 2, 3]
    assert 0 < found["failed_token_fraction"] < 1


def test_a_thought_that_opens_with_a_rejection_fails_the_one_before():
    steps = ["We start.", "Alternatively, use y.", "Then y = 3.", "Wait, that's wrong.", "With z it is 5."]
    assert sorted(failed_steps(segment("\n\n".join(steps)))) == [1, 2, 3]


def test_the_last_step_never_fails_and_no_reasoning_has_no_fraction():
    assert failed_steps(segment("We see.\n\nThat's wrong.")) == {0}
    assert set(ScoreFailedSteps().run(row() | {"reasoning": None}).values()) == {None}


class Judge:
    """Gives its replies in turn; refuses where it has none left."""

    model, revision = "judge", ""

    def __init__(self, *replies: str) -> None:
        self.replies = list(replies)

    async def generate(self, request: GenerateRequest) -> Completion:
        if not self.replies:
            raise RequestRefused("longer than the context")
        return Completion(text=self.replies.pop(0), finish_reason="stop", n_prompt_tokens=1, n_completion_tokens=1)


def judged(*replies: str, votes: int = 1) -> dict:
    stage = JudgeFailedSteps(engine="judge", votes=votes, temperature=0.6)
    return asyncio.run(stage.run(row("One.", "Two.", "Three.", "Four."), Judge(*replies)))


def test_a_judge_names_the_failed_steps_by_number():
    found = judged("<think>\nFAILED: 1\n</think>\n\nFAILED: 2-3")
    assert found["failed_steps"] == [1, 2] and found["failed_step_fraction"] == 0.5
    assert found["failed_steps_reason"] is None
    assert judged("FAILED: none")["failed_step_fraction"] == 0
    assert judged("**FAILED: 3-4**")["failed_steps"] == [2]


def test_most_of_the_usable_votes_decide():
    assert judged("FAILED: 1, 2", "FAILED: 2", "I cannot say.", votes=3)["failed_steps"] == [1]


@pytest.mark.parametrize(
    ("replies", "reason"),
    [
        (["I think most of it."], "the reply names no steps"),
        (["FAILED: 2-9"], "the reply names steps 2-9 of 4"),
        (["<think>\nhm"], "the reply is cut off"),
        ([], "cannot be asked: longer than the context"),
    ],
)
def test_a_trace_without_a_usable_vote_says_why(replies, reason):
    found = judged(*replies)
    assert found["failed_steps_reason"] == reason and found["failed_step_fraction"] is None


def test_the_perplexity_is_that_of_reasoning_and_response_together():
    scorer = Scorer()
    found = asyncio.run(ScorePerplexity(engine="scorer").run(row("So (0.5)"), scorer))
    (request,) = scorer.requests
    assert request.prefill + request.continuation == "<think>\nSo (0.5)\n</think>\n\nThe answer is \\boxed{5}."
    assert found["perplexity"] > 1 and found["perplexity_model"] == "scorer" and found["perplexity_reason"] is None


def test_the_template_may_open_the_thought_itself():
    scorer = Scorer()
    asyncio.run(ScorePerplexity(engine="scorer", opening="").run(row("So (0.5)"), scorer))
    (request,) = scorer.requests
    assert request.prefill == "" and request.continuation.startswith("So (0.5)\n</think>")


def test_a_trace_beyond_the_context_says_why_it_has_no_perplexity():
    found = asyncio.run(ScorePerplexity(engine="scorer").run(row("so " * 4000), Scorer()))
    assert found["perplexity"] is None and "more tokens than the context" in found["perplexity_reason"]


def teachers(*lines: tuple, **fields) -> pl.DataFrame:
    """Lines of (problem, model, tokens, perplexity), all correct first traces."""
    names = ["problem_id", "model", "n_reasoning_tokens", "perplexity"]
    rows = pl.DataFrame(lines, schema=names, orient="row").with_columns(
        outcome=pl.lit("correct"), parent_id=pl.lit(None, pl.String)
    )
    return GradeTeachers.model_validate(fields).run(rows)


def test_teachers_are_compared_over_the_problems_that_all_of_them_solved():
    lines = [("p", "a", 100, 2.0), ("p", "b", 300, 4.0), ("q", "a", 900, 9.0)]
    common = teachers(*lines)
    assert common["teacher_tokens_mean"].to_list() == [100, 300, 100]
    assert common["teacher_perplexity"].to_list() == [2, 4, 2] and common["teacher_n_traces"].to_list() == [1, 1, 1]
    assert teachers(*lines, common_problems=False)["teacher_tokens_mean"].to_list() == [500, 300, 500]


def test_the_spread_is_the_middle_eighty_percent_over_the_median():
    found = teachers(*[(f"p{i}", "a", 100 * i, 2.0) for i in range(11)])
    assert found["teacher_length_spread"][0] == pytest.approx((900 - 100) / 500)


def test_a_trace_ranks_by_perplexity_within_its_teacher_and_length_within_its_problem():
    lines = [("p", "a", 100, 2.0), ("p", "b", 300, 40.0), ("q", "a", 200, exp(1)), ("q", "b", 200, 40.0)]
    scores = teachers(*lines)["trace_rank_score"].to_list()
    assert scores == pytest.approx([-2, 1, 1, 0])
    assert teachers(*lines, length_weight=0)["trace_rank_score"].to_list() == pytest.approx([-1, 0, 1, 0])


def test_teachers_without_perplexity_are_compared_by_length():
    rows = pl.DataFrame(
        {
            "problem_id": ["p", "p"],
            "model": ["a", "b"],
            "n_reasoning_tokens": [1, 2],
            "outcome": ["correct", "incorrect"],
        }
    ).with_columns(parent_id=pl.lit(None, pl.String))
    found = GradeTeachers().run(rows)
    assert found["teacher_perplexity"].to_list() == [None, None]
    assert found["teacher_n_traces"].to_list() == [1, None] and found["trace_rank_score"].to_list() == [0, None]
