"""Correct, and charged for length as much as the level that the prompt asked for; holds correctness itself.

mode short | medium | long ──> alpha ──> c * (1 - alpha * sigmoid(z)), z as in `arora`

Source of the idea, levels of brevity chosen in the prompt: TLDR, "Making Small Language Models Efficient Reasoners"
(arXiv 2505.07961). Its formula was not at hand: this one is ours, as are the default charges.
"""

from typing import Literal

import numpy as np
from pydantic import Field

from trainer.group_view import Floats, GroupView
from trainer.terms.term import RewardTerm, sigmoid


class Tldr(RewardTerm):
    term: Literal["tldr"] = "tldr"

    alphas: dict[str, float] = Field(default={"short": 0.4, "medium": 0.2, "long": 0.05}, min_length=1)
    """Share of the reward that length decides, by mode; 0 for a mode that is not named."""

    def value(self, view: GroupView) -> Floats:
        alpha = np.zeros(view.correct.shape)
        for mode, of_mode in self.alphas.items():
            alpha = np.where(view.modes == mode, of_mode, alpha)
        return np.where(view.correct, 1 - alpha * sigmoid(view.length_z), 0.0)
