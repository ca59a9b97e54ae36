"""Minus the share of n-grams that a completion repeats: the sparse penalty, one number per rollout.

token ids ──> 1 - distinct / all n-grams ──> its negative

Source: Yeo et al. (arXiv 2502.03373), there on words and within the cosine reward; here on tokens. The dense penalty,
on the repeated tokens alone, is the shaper `repetition`.
"""

from typing import ClassVar, Literal

import numpy as np
from pydantic import PositiveInt

from trainer.group_view import Floats, GroupView
from trainer.terms.term import RewardTerm


class Repetition(RewardTerm):
    by_length: ClassVar[bool] = False
    term: Literal["repetition"] = "repetition"

    n: PositiveInt = 20
    """Tokens per n-gram."""
    of: Literal["wrong", "all"] = "wrong"
    """Completions that are charged; the source charges wrong ones."""

    def value(self, view: GroupView) -> Floats:
        charged = ~view.correct if self.of == "wrong" else np.ones_like(view.correct)
        return np.where(charged, -view.repeated_share(self.n), 0.0)
