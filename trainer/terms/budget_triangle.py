"""How close a length comes to its budget: a triangle with its apex there, or a band that is flat below it.

l / B ──triangle──> l/B up to 1, then 2 - l/B, 0 from 2B on        ──band──> 1 up to B, then the same tail

Source: Hammoud et al., "Train Long, Think Short" (arXiv 2508.08940), with the budget schedule `exp_steps` and the
budget stated in the prompt; mixes of (outcome, length) weights there: (0.3, 0.6) short, (0.6, 0.3) accurate. It counts
for wrong answers too, as there; `gate: correct_only` is the safer choice.
"""

from typing import ClassVar, Literal

import numpy as np

from trainer.group_view import Floats, GroupView
from trainer.terms.term import RewardTerm


class BudgetTriangle(RewardTerm):
    needs_budget: ClassVar[tuple[str, ...]] = ("any",)
    term: Literal["budget_triangle"] = "budget_triangle"

    form: Literal["triangle", "band"] = "triangle"
    """`triangle` keeps more accuracy, `band` gets shorter (135 against 94 tokens on average in the source)."""

    def value(self, view: GroupView) -> Floats:
        used = view.n_tokens / np.maximum(view.budgets, 1.0)
        rising = used if self.form == "triangle" else np.ones_like(used)
        return np.where(np.isnan(used), 0.0, np.where(used <= 1, rising, np.maximum(2 - used, 0.0)))
