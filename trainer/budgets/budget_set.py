"""Fixed budgets side by side in every group: rollouts are split evenly over a set, in order.

G rollouts, set of n ──> rollout i has budget number floor(i * n / G); null is a rollout without one

Source: Lyu et al., HBPO (arXiv 2507.15844): 512, 1,024, 2,048, 2,560 and none, 16 rollouts.
"""

from typing import Literal

import numpy as np
from pydantic import Field, PositiveInt

from trainer.budgets.budget import Budget, State
from trainer.group_view import Floats, PromptBatch


class BudgetSet(Budget):
    budget: Literal["budget_set"] = "budget_set"

    n_tokens: tuple[PositiveInt | None, ...] = Field(default=(512, 1024, 2048, 2560, None), min_length=1)
    """Completion tokens of each subgroup; null for the free one."""

    def problems(self, n_rollouts: int) -> list[str]:
        if n_rollouts >= len(self.n_tokens):
            return []
        return [
            f"budget.n_tokens: {len(self.n_tokens)} budgets for {n_rollouts} rollouts per prompt; name at most "
            f"{n_rollouts}, or generate more rollouts"
        ]

    def stated(self, prompts: PromptBatch, state: State) -> Floats:
        tokens = np.array([np.nan if budget is None else budget for budget in self.n_tokens], dtype=float)
        of_rollout = tokens[np.arange(prompts.n_rollouts) * len(tokens) // prompts.n_rollouts]
        return np.repeat(of_rollout[None, :], len(prompts.row_ids), axis=0)
