"""Shorter than the rest of the group, from +0.5 for the shortest to -0.5 for the longest; nothing gained when wrong.

lengths of a group ──> lambda = 0.5 - (l - min) / (max - min) ──> lambda if correct else min(0, lambda)

Source: Kimi k1.5 (arXiv 2501.12599, section 2.3.3). Long wrong answers are charged too. It is switched on after a
warm-up (`schedule: {from_step: ...}`); the weight used there is undisclosed, LASER's reproduction takes 0.4.
"""

from typing import Literal

import numpy as np

from trainer.group_view import Floats, GroupView
from trainer.terms.term import RewardTerm


class KimiLength(RewardTerm):
    term: Literal["kimi_length"] = "kimi_length"

    def value(self, view: GroupView) -> Floats:
        shortest = view.n_tokens.min(axis=1, keepdims=True)
        span = view.n_tokens.max(axis=1, keepdims=True) - shortest
        share = np.where(span > 0, 0.5 - (view.n_tokens - shortest) / np.maximum(span, 1), 0.0)
        return np.where(view.correct, share, np.minimum(share, 0.0))
