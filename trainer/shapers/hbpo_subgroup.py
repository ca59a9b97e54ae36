"""Adds how well the rollouts with the same budget did, against what that budget promises.

advantage + factor * (mean reward of the subgroup - scale * cos(pi * b / C)); b is the cap for the free subgroup

Source: Lyu et al., HBPO (arXiv 2507.15844): the paper adds this once to the advantage normalised over the whole group
(`normalise: group` before it), the released code twice (`factor: 2`). Rewards should be those of the term `hbpo` alone:
what other terms pay counts as if it were part of the promise.
"""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, PositiveInt

from trainer.group_view import Floats, GroupView
from trainer.shapers.shaper import Shaper, added_to
from trainer.terms.hbpo import budget_value


class HbpoSubgroup(Shaper):
    needs_budget: ClassVar[tuple[str, ...]] = ("budget_set",)
    shaper: Literal["hbpo_subgroup"] = "hbpo_subgroup"

    factor: float = 1.0
    """1 as in the paper, 2 as in the released code."""
    cap_tokens: PositiveInt = 4096
    """As in the term `hbpo`."""
    scale: float = Field(default=4.0, gt=0)
    """As in the term `hbpo`."""

    def shape(self, advantages: Floats, rewards: Floats, view: GroupView, mean_logps: Floats | None) -> Floats:
        budgets = np.nan_to_num(view.budgets, nan=-1.0)
        same = budgets[:, :, None] == budgets[:, None, :]
        mean = (same * rewards[:, None, :]).sum(axis=2) / same.sum(axis=2)
        promised = budget_value(np.where(budgets < 0, self.cap_tokens, budgets), self.cap_tokens, self.scale)
        added = self.factor * (mean - promised)
        return added_to(advantages, added, view)
