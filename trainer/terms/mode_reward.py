"""Correct in the short mode pays more than correct in the long one; holds correctness itself.

mode short | long (the control token a completion opens with), correct ──> short_right | long_right | wrong

Source: Fang et al., Thinkless (arXiv 2505.13379) and its code; with `normalise: none` and the shaper `control_token`.
"""

from typing import ClassVar, Literal

import numpy as np

from trainer.group_view import Floats, GroupView
from trainer.terms.term import RewardTerm


class ModeReward(RewardTerm):
    by_length: ClassVar[bool] = False
    term: Literal["mode_reward"] = "mode_reward"

    short_right: float = 1.0
    """Correct after the short control token."""
    long_right: float = 0.5
    """Correct after the thinking control token."""
    wrong: float = -1.0
    """Wrong in either mode."""
    no_mode: float = -1.0
    """Opens with neither token, right or wrong."""

    def value(self, view: GroupView) -> Floats:
        right = np.select([view.modes == "short", view.modes == "long"], [self.short_right, self.long_right])
        with_mode = np.isin(view.modes, ["short", "long"])
        return np.where(with_mode, np.where(view.correct, right, self.wrong), self.no_mode)
