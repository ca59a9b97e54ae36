"""Shorter than the longest of the group, for correct completions that announce an easy problem.

tag easy and correct ──> 1 - (1 - cos(pi * l / longest)) / 2: 1 without length, 0 for the longest of the group

Source: Huang et al., AdaCtrl (arXiv 2505.18822) and its code; weight 0.5.
"""

from typing import Literal

import numpy as np

from trainer.group_view import Floats, GroupView
from trainer.terms.term import RewardTerm


class AdactrlLength(RewardTerm):
    term: Literal["adactrl_length"] = "adactrl_length"

    weight: float = 0.5
    """As in the source, beside an outcome of 1."""

    def value(self, view: GroupView) -> Floats:
        longest = np.maximum(view.n_tokens.max(axis=1, keepdims=True), 1)
        value = (1 + np.cos(np.pi * view.n_tokens / longest)) / 2
        return np.where(view.correct & (view.modes == "easy"), value, 0.0)
