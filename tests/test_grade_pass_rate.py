"""Pass rates: what counts as a rollout, and the interval and cv against hand-worked values."""

import pytest

from schemas.wilson import wilson_interval
from stages.grade_pass_rate import GradePassRate


def grade(*outcomes, parent_id=None):
    return GradePassRate().run([{"outcome": outcome, "parent_id": parent_id} for outcome in outcomes])


def test_every_row_of_a_problem_gets_the_same_grade():
    first, second = grade("correct", "incorrect")
    assert first == second and first["pass_rate"] == 0.5 and first["cv"] == 1.0


def test_statements_about_the_checker_are_no_rollouts():
    row = grade("correct", "timeout", "crashed", "ungradable", "unparsed")[0]
    assert (row["n_rollouts"], row["n_correct"]) == (2, 1)


def test_shortened_traces_do_not_count():
    rows = [{"outcome": "correct", "parent_id": "t0"}, {"outcome": "incorrect", "parent_id": None}]
    assert GradePassRate().run(rows)[0]["pass_rate"] == 0.0


def test_without_rollouts_there_is_no_rate():
    row = grade("timeout")[0]
    assert row["n_rollouts"] == 0 and row["pass_rate"] is row["pass_rate_low"] is row["cv"] is None


def test_cv_is_null_when_nothing_is_correct():
    assert grade("incorrect", "incorrect")[0]["cv"] is None


@pytest.mark.parametrize(("n_correct", "cv"), [(1, 1.7320508), (2, 1.0), (3, 0.5773503), (4, 0.0)])
def test_cv_of_four_rollouts_takes_the_published_values(n_correct, cv):
    outcomes = ["correct"] * n_correct + ["incorrect"] * (4 - n_correct)
    assert grade(*outcomes)[0]["cv"] == pytest.approx(cv)


@pytest.mark.parametrize(
    ("n_correct", "n", "low", "high"), [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0)]
)
def test_the_wilson_interval_is_the_textbook_one(n_correct, n, low, high):
    assert wilson_interval(n_correct / n, n) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(("outcomes", "cv"), [(("correct", "incorrect"), 2**0.5), (("correct",), None)])
def test_the_variance_may_be_divided_by_one_less(outcomes, cv):
    rows = [{"outcome": outcome, "parent_id": None} for outcome in outcomes]
    assert GradePassRate(ddof=1).run(rows)[0]["cv"] == (cv and pytest.approx(cv))
