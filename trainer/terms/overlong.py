"""A slope down to -1 over the last tokens before the generation cap.

l ──> 0 up to cap - cache, then straight down to -1 at the cap

Source: Yu et al., DAPO (arXiv 2503.14476, section 3.4); the same as TRL's `get_soft_overlong_punishment`.
"""

from typing import Literal

import numpy as np
from pydantic import PositiveInt

from trainer.group_view import Floats, GroupView
from trainer.terms.term import RewardTerm


class Overlong(RewardTerm):
    term: Literal["overlong"] = "overlong"

    cache_tokens: PositiveInt
    """Length of the slope; DAPO takes 4,096 of 20,480."""

    def value(self, view: GroupView) -> Floats:
        return np.clip((view.max_tokens - self.cache_tokens - view.n_tokens) / self.cache_tokens, -1.0, 0.0)
