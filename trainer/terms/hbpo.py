"""Correct and near the stated budget, on a cosine that pays more for less; holds correctness itself.

free:     scale * cos(pi*l/C)        with C = 2 * cap; 0 for wrong or longer than the cap
budget b: min(scale * cos(pi*l/C) - |b - l| / cap, scale * cos(pi*b/C))

Source: Lyu et al., "Hierarchical Budget Policy Optimization" (arXiv 2507.15844) and its code; with the budget rule
`budget_set` and the shaper `hbpo_subgroup`.
"""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, PositiveInt

from trainer.group_view import Floats, GroupView, Ints
from trainer.terms.term import RewardTerm


class Hbpo(RewardTerm):
    needs_budget: ClassVar[tuple[str, ...]] = ("any",)
    term: Literal["hbpo"] = "hbpo"

    cap_tokens: PositiveInt = 4096
    """Length from which on nothing is paid."""
    scale: float = Field(default=4.0, gt=0)
    """Value of a correct free completion without length."""

    def value(self, view: GroupView) -> Floats:
        by_length = budget_value(view.n_tokens, self.cap_tokens, self.scale)
        distance = np.abs(view.budgets - view.n_tokens) / self.cap_tokens
        bound = np.minimum(by_length - distance, budget_value(view.budgets, self.cap_tokens, self.scale))
        paid = view.correct & (view.n_tokens <= self.cap_tokens)
        return np.where(paid, np.where(np.isnan(view.budgets), by_length, bound), 0.0)


def budget_value(n_tokens: Floats | Ints, cap_tokens: int, scale: float) -> Floats:
    """scale * cos(pi*l / (2 * cap)): `scale` for nothing, 0 at the cap."""
    return scale * np.cos(np.pi * n_tokens / (2 * cap_tokens))
