"""A budget that falls in steps of one factor: the long-to-short curriculum.

step ──> max(1, start * gamma^floor(step / interval))        256, 179.2, 125.4, 87.8 at steps 0, 150, 300, 450

Source: Hammoud et al., "Train Long, Think Short" (arXiv 2508.08940). The general form with n drops from `start` to
`end` has gamma = (end / start)^(1/n) and interval = steps / (n + 1); give either pair.
"""

from typing import Literal, Self

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from trainer.budgets.budget import Budget, State
from trainer.group_view import Floats, PromptBatch


class ExpSteps(Budget):
    budget: Literal["exp_steps"] = "exp_steps"

    start_tokens: PositiveFloat
    """Completion tokens at step 0."""
    gamma: float | None = Field(default=None, gt=0, le=1)
    """Factor of one drop (0.7 in the source)."""
    interval_steps: PositiveInt | None = None
    """Steps between drops (150 in the source)."""
    end_tokens: PositiveFloat | None = None
    """Completion tokens after the last of `n_drops`."""
    n_drops: PositiveInt | None = None
    """Drops in all, spread evenly over `total_steps`; none follows the last."""
    total_steps: PositiveInt | None = None
    """Steps of the whole run, with `n_drops`."""

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        by_factor = (self.gamma, self.interval_steps)
        by_end = (self.end_tokens, self.n_drops, self.total_steps)
        if (None not in by_factor and not any(by_end)) or (None not in by_end and not any(by_factor)):
            return self
        raise ValueError("exp_steps: give `gamma` and `interval_steps`, or `end_tokens`, `n_drops` and `total_steps`")

    def n_tokens(self, step: int) -> float:
        """Completion tokens at a step; not rounded."""
        if self.gamma and self.interval_steps:
            return max(1.0, self.start_tokens * self.gamma ** (step // self.interval_steps))
        end_tokens, n_drops, total_steps = self.end_tokens or 0, self.n_drops or 1, self.total_steps or 1
        n_done = min(step * (n_drops + 1) // total_steps, n_drops)
        return max(1.0, self.start_tokens * (end_tokens / self.start_tokens) ** (n_done / n_drops))

    def stated(self, prompts: PromptBatch, state: State) -> Floats:
        return np.full(prompts.shape, self.n_tokens(prompts.step))
