"""One budget for every rollout of every step: LASER (arXiv 2505.15612), truncation, L1 with one target."""

from typing import Literal

import numpy as np
from pydantic import PositiveInt

from trainer.budgets.budget import Budget, State
from trainer.group_view import Floats, PromptBatch


class Constant(Budget):
    budget: Literal["constant"] = "constant"

    n_tokens: PositiveInt
    """Completion tokens."""

    def stated(self, prompts: PromptBatch, state: State) -> Floats:
        return np.full(prompts.shape, float(self.n_tokens))
