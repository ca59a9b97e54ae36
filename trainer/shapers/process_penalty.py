"""The reward, minus a penalty at the tokens of steps that a judge found wrong, centred over the tokens of a group.

2 * outcome - penalty * [token in a wrong step] ──minus the group's mean over tokens, over their spread──> [P, G, T]

Source: Xie et al., CAPO (arXiv 2508.02298), read through others: wrong steps come from a generative judge that is asked
four times; here from cached labels (`step_scores`). It normalises by itself and stands first: give `outcome` the
weight 2.
"""

from typing import Literal

import numpy as np
from pydantic import Field

from trainer.group_view import Floats, GroupView
from trainer.shapers.shaper import EPSILON, Shaper, is_token, per_token
from trainer.shapers.steps import in_steps


class ProcessPenalty(Shaper):
    shaper: Literal["process_penalty"] = "process_penalty"

    penalty: float = Field(default=1.0, ge=0)
    """Taken from every token of a wrong step."""
    wrong_below: float = Field(default=0.5, ge=0, le=1)
    """Score below which a step is wrong."""
    scale: Literal["group", "none"] = "group"
    """Whether what is left is divided by its spread over the tokens of the group."""
    allow_group_scaling: bool = False
    """Lets `scale: group` go together with a length term."""

    @property
    def needs_steps(self) -> bool:
        return True

    @property
    def cancels_weights(self) -> bool:
        return self.scale == "group" and not self.allow_group_scaling

    def shape(self, advantages: Floats, rewards: Floats, view: GroupView, mean_logps: Floats | None) -> Floats:
        wrong = in_steps(view, lambda scores: (scores < self.wrong_below).astype(float))
        values, there = per_token(advantages, view) - self.penalty * wrong, is_token(view)
        n_tokens = np.maximum(there.sum(axis=(1, 2), keepdims=True), 1)
        centred = np.where(there, values - values.sum(axis=(1, 2), keepdims=True, where=there) / n_tokens, 0.0)
        if self.scale == "none":
            return centred
        return centred / ((centred**2).sum(axis=(1, 2), keepdims=True) / n_tokens + EPSILON**2) ** 0.5
