"""Behaviour cloning on one correct rollout, a reshaped push away from one wrong one.

first correct and first wrong rollout of a group ──> factor * advantage * token weight; the others are dropped

Source: Lyu et al., OREAL (arXiv 2502.06781) and its code, with `normalise: rloo` before it. There a token reward model
gives p_t, the probability of success so far: correct tokens weigh clamp((p - 0.5) / 0.5, 0, 1), wrong ones likewise
from 1 - p. Here p is the step's score where `token_weights: steps`, otherwise all weigh 1, which their code has as a
variant too. What is kept is scaled up by G / kept, so that a mean over rollouts is one over those that were kept.
"""

from typing import Literal

import numpy as np

from trainer.group_view import Bools, Floats, GroupView
from trainer.shapers.shaper import Shaper, per_token, scaled
from trainer.shapers.steps import in_steps


class Oreal(Shaper):
    shaper: Literal["oreal"] = "oreal"

    right_factor: float = 1.0
    """Factor for correct rollouts."""
    wrong_factor: float = 0.5
    """Factor for wrong rollouts."""
    keep: Literal["first", "shortest", "all"] = "first"
    """Which rollout of each kind stays; rollouts come in no order, so that the first is a random one."""
    token_weights: Literal["none", "steps"] = "none"
    """`steps` weighs tokens by the scores of their steps."""

    @property
    def needs_steps(self) -> bool:
        return self.token_weights == "steps"

    def shape(self, advantages: Floats, rewards: Floats, view: GroupView, mean_logps: Floats | None) -> Floats:
        kept = self._kept(view, view.correct) | self._kept(view, ~view.correct)
        scale = view.n_rollouts / kept.sum(axis=1, keepdims=True)
        factor = kept * scale * np.where(view.correct, self.right_factor, self.wrong_factor)
        if self.token_weights == "none":
            return scaled(advantages, factor)
        return scaled(per_token(advantages, view), factor) * self._weights(view)

    def _kept(self, view: GroupView, kind: Bools) -> Bools:
        """[P, G] the rollouts of a kind that stay."""
        if self.keep == "all":
            return kind
        order = np.where(kind, view.n_tokens if self.keep == "shortest" else 0, np.iinfo(np.int64).max)
        return kind & (np.arange(view.n_rollouts) == order.argmin(axis=1)[:, None])

    def _weights(self, view: GroupView) -> Floats:
        right = in_steps(view, lambda scores: np.clip((scores - 0.5) / 0.5, 0, 1))
        wrong = in_steps(view, lambda scores: np.clip((0.5 - scores) / 0.5, 0, 1))
        return np.where(view.correct[:, :, None], right, wrong)
