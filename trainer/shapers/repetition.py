"""A penalty on exactly the tokens that repeat what stood before: the dense penalty.

advantage_t - penalty * [token in an n-gram seen before]

Source: Yeo et al., "Demystifying Long Chain-of-Thought Reasoning" (arXiv 2502.03373): 0.05 and 40-grams, there as a
reward per token; here at the advantage, after normalising. The sparse one is the reward term `repetition`.
"""

from typing import Literal

import numpy as np
from pydantic import Field, PositiveInt

from trainer.group_view import Floats, GroupView
from trainer.n_grams import repeated_positions
from trainer.shapers.shaper import Shaper, per_token


class Repetition(Shaper):
    shaper: Literal["repetition"] = "repetition"

    n: PositiveInt = 40
    """Tokens per n-gram."""
    penalty: float = Field(default=0.05, ge=0)
    """Taken from the advantage of every repeated token."""

    def shape(self, advantages: Floats, rewards: Floats, view: GroupView, mean_logps: Floats | None) -> Floats:
        repeated = np.zeros((view.correct.size, view.n_positions), dtype=np.float32)
        for row, token_ids in zip(repeated, view.token_ids, strict=True):
            row[: len(token_ids)] = repeated_positions(token_ids, self.n)
        return per_token(advantages, view) - self.penalty * repeated.reshape(*view.correct.shape, -1)
