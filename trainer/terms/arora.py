"""Correct, and less so the longer it is for a correct answer of its group; holds correctness itself.

c * (1 - alpha * sigmoid(z)), z = (l - mean of the correct) / their standard deviation

Source: Arora and Zanette, "Training Language Models to Reason Efficiently" (arXiv 2502.04463) and its code. A
completion that was cut counts as wrong there.
"""

from typing import Literal

import numpy as np
from pydantic import Field

from trainer.group_view import Floats, GroupView
from trainer.terms.term import RewardTerm, sigmoid


class Arora(RewardTerm):
    term: Literal["arora"] = "arora"

    alpha: float = Field(default=0.1, ge=0, lt=1)
    """Share of the reward that length decides."""

    def value(self, view: GroupView) -> Floats:
        return np.where(view.correct & ~view.truncated, 1 - self.alpha * sigmoid(view.length_z), 0.0)
