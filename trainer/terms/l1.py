"""How far a length is from the one asked for in the prompt (exact), or how far below it (max).

n - l ──exact──> -alpha * |n - l|                        beside `outcome`
      ──max_added──> (clip(alpha * (n - l), -1, 1) + 1) / 2    beside `outcome`
      ──max_multiplied──> the same, for correct ones only      in place of `outcome`
      ──max_paper──> clip(alpha * (n - l) + delta, 0, 1), for correct ones only

Source: Aggarwal and Welleck, L1 (arXiv 2503.04697): exact and the added and multiplied forms follow its code. The
constants 0.0003 and 0.5 and the paper's form of max come second-hand: check them before you cite them.
"""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from trainer.group_view import Floats, GroupView
from trainer.terms.term import RewardTerm


class L1(RewardTerm):
    needs_budget: ClassVar[tuple[str, ...]] = ("any",)
    term: Literal["l1"] = "l1"

    form: Literal["exact", "max_added", "max_multiplied", "max_paper"] = "exact"
    """Which of the forms above."""
    alpha: float = Field(default=0.0003, gt=0)
    """Value of one token."""
    delta: float = 0.5
    """Value exactly at the budget, with `max_paper`."""

    def value(self, view: GroupView) -> Floats:
        below = self.alpha * (view.budgets - view.n_tokens)
        return np.where(np.isnan(below), 0.0, self._value(below, view))

    def _value(self, below: Floats, view: GroupView) -> Floats:
        if self.form == "exact":
            return -np.abs(below)
        if self.form == "max_paper":
            return np.where(view.correct, np.clip(below + self.delta, 0, 1), 0.0)
        value = (np.clip(below, -1, 1) + 1) / 2
        return value if self.form == "max_added" else np.where(view.correct, value, 0.0)
