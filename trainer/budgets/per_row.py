"""A budget of its own for each problem: a share of the length of its reference trace, stored with the row.

reference_n_tokens ──factor──> budget; a row without a reference has none
"""

from typing import Literal

import numpy as np
from pydantic import PositiveFloat, PositiveInt

from trainer.budgets.budget import Budget, State
from trainer.group_view import Floats, PromptBatch


class PerRow(Budget):
    budget: Literal["per_row"] = "per_row"

    factor: PositiveFloat = 1.0
    """Budget in reference lengths."""
    min_tokens: PositiveInt = 1
    """Least budget, in completion tokens, of a row that has a reference."""

    def stated(self, prompts: PromptBatch, state: State) -> Floats:
        tokens = np.maximum(self.factor * prompts.reference_n_tokens, self.min_tokens)
        return np.repeat(tokens[:, None], prompts.n_rollouts, axis=1)
