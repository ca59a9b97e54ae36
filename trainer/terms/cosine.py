"""A value that slides with length along half a cosine, one slope for right and one for wrong; holds correctness itself.

length / cap ──> at_max + (at_zero - at_max) / 2 * (1 + cos(pi * share)); over the cap or cut ──> exceed

Source: Yeo et al., "Demystifying Long Chain-of-Thought Reasoning" (arXiv 2502.03373); the defaults are those of its
code. They keep lengths from exploding; to shorten, take a smaller range for wrong answers, e.g. -0.5 and 0. TRL's own
cosine reward verifies answers anew and clamps beyond the cap, which is why the formula stands here.
"""

from typing import Literal

import numpy as np
from pydantic import PositiveInt

from trainer.group_view import Floats, GroupView
from trainer.terms.term import RewardTerm


class Cosine(RewardTerm):
    term: Literal["cosine"] = "cosine"

    right_at_zero: float = 2.0
    """Value of a correct completion without length."""
    right_at_max: float = 1.0
    """Value of a correct completion at the cap."""
    wrong_at_zero: float = -10.0
    """Value of a wrong completion without length."""
    wrong_at_max: float = 0.0
    """Value of a wrong completion at the cap: a long search costs less than a blunder."""
    exceed: float = -10.0
    """Value of whatever was cut or is longer than the cap."""
    cap_tokens: PositiveInt | None = None
    """Length at which the slope ends; None takes the generation cap. The source stays a little under the context."""

    def value(self, view: GroupView) -> Floats:
        cap = self.cap_tokens or view.max_tokens
        swing = (1 + np.cos(np.pi * np.minimum(view.n_tokens / cap, 1.0))) / 2
        right = self.right_at_max + (self.right_at_zero - self.right_at_max) * swing
        wrong = self.wrong_at_max + (self.wrong_at_zero - self.wrong_at_max) * swing
        return np.where(view.truncated | (view.n_tokens > cap), self.exceed, np.where(view.correct, right, wrong))
