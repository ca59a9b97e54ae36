"""A bonus for correct rollouts of the mode that serves the prompt better: short if it is as good, otherwise long.

accuracy of the rollouts told to be short, and of those told to be long ──> the winning half's correct ones get 1

Source of the idea: Wang et al., "Adaptive Deep Reasoning" (arXiv 2505.20101), where half of a group is instructed to
think long and half short. Its constants and its exact comparison were not at hand: the rule, the margin and the default
weight are ours. Its loss on the logits of the first token is replaced by the shaper `control_token`.
"""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from trainer.group_view import Bools, Floats, GroupView
from trainer.terms.term import RewardTerm


class AdaptiveMode(RewardTerm):
    by_length: ClassVar[bool] = False
    term: Literal["adaptive_mode"] = "adaptive_mode"

    weight: float = 0.5
    """The bonus."""
    margin: float = Field(default=0.0, ge=0, le=1)
    """Accuracy that the short half may be behind and still win."""

    def value(self, view: GroupView) -> Floats:
        short, long = view.modes == "short", view.modes == "long"
        both = short.any(axis=1) & long.any(axis=1)
        short_wins = _accuracy(view, short) + self.margin >= _accuracy(view, long) - 1e-9
        winning = np.where(short_wins[:, None], short, long)
        return (view.correct & winning & both[:, None]).astype(float)


def _accuracy(view: GroupView, half: Bools) -> Floats:
    """[P] share of a half that is correct."""
    return (view.correct & half).sum(axis=1) / np.maximum(half.sum(axis=1), 1)
