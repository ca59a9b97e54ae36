"""Pass rate of a problem over its graded first traces, with its uncertainty (DeepDistill, arXiv 2504.17565).

    outcomes of all traces of a problem -> n rollouts, n correct, pass rate, 95 % Wilson interval, cv of the 0/1 scores

Rollouts are first traces (no parent): a shortened trace is correct because its parent was. `timeout`, `crashed` and
`ungradable` say nothing about the model and are left out; `unparsed` counts as not correct. For 0/1 scores the cv is
sqrt((1 - p) / p), so a threshold t on it is the threshold p < 1 / (1 + t^2) on the pass rate. The paper's formula
divides the variance by n; `ddof` 1 divides by n - 1.

Traces from `generate_adaptive` stop at a rule, which makes the rate of a problem look a little higher than it is.
"""

from math import sqrt
from typing import ClassVar, Literal

from pydantic import Field

from pipeline.stage import Group, Row
from schemas.columns import GRADE_COLUMNS, Column
from schemas.verdict import Outcome
from schemas.wilson import wilson_interval

COUNTED = (Outcome.CORRECT, Outcome.INCORRECT, Outcome.UNPARSED)


class GradePassRate(Group):
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("outcome", "parent_id")
    writes: ClassVar[tuple[Column, ...]] = GRADE_COLUMNS

    ddof: Literal[0, 1] = Field(default=0)
    """The variance in the cv is a sum over n rollouts divided by n - `ddof`."""

    def run(self, rows: list[Row]) -> list[Row]:
        outcomes = [row["outcome"] for row in rows if row["parent_id"] is None and row["outcome"] in COUNTED]
        grade = self._grade(len(outcomes), outcomes.count(Outcome.CORRECT))
        return [dict(grade) for _ in rows]

    def _grade(self, n_rollouts: int, n_correct: int) -> Row:
        low, high = wilson_interval(n_correct / n_rollouts, n_rollouts) if n_rollouts else (None, None)
        return {
            "n_rollouts": n_rollouts,
            "n_correct": n_correct,
            "pass_rate": n_correct / n_rollouts if n_rollouts else None,
            "pass_rate_low": low,
            "pass_rate_high": high,
            "cv": self._cv(n_rollouts, n_correct),
        }

    def _cv(self, n_rollouts: int, n_correct: int) -> float | None:
        """Standard deviation over mean of `n_correct` ones among `n_rollouts` scores; None where that has no value."""
        if not n_correct or n_rollouts <= self.ddof:
            return None
        pass_rate = n_correct / n_rollouts
        return sqrt((1 - pass_rate) / pass_rate * n_rollouts / (n_rollouts - self.ddof))
