"""Length decides among the correct rollouts only: a long correct answer is never pushed down.

correct: w = softmax((1 - l / cap) / temperature)        wrong: -softmax(s / tau), s = mean log-prob, or -1 / n_wrong
advantage = G * coefficient, so that a group's coefficients sum to 0; groups all right or all wrong get 0

Source: Li et al., DRPO, "Decoupled Reward Policy Optimization" (arXiv 2510.04474) and its code. The advantage gives the
gradient of their objective, sum_right w*s - tau * log mean_wrong exp(s / tau), averaged over all prompts, under a loss
that takes the mean over a rollout's tokens (`loss_type: grpo`). With tau = 10 the softmax over wrong rollouts is all
but even, so that `-1 / n_wrong` needs no log-probs and loses nothing. Their penalty on the KL divergence is left to
TRL's clipping. Rewards are not read: what correctness and length say stands in the formula.
"""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from trainer.group_view import Bools, Floats, GroupView
from trainer.shapers.shaper import Shaper


class Drpo(Shaper):
    loss_type: ClassVar[str] = "grpo"
    reads_rewards: ClassVar[bool] = False
    shaper: Literal["drpo"] = "drpo"

    temperature: float = Field(default=0.1, gt=0)
    """The source's lambda: small ones favour the shortest; 0.1 gives 500, 1,000, 2,000 and 4,000 tokens of 8,192 the
    weights 0.58, 0.32, 0.09 and 0.008."""
    tau: float = Field(default=10.0, gt=0)
    """Temperature among wrong rollouts, in nats per token."""
    log_probs: bool = False
    """Weighs wrong rollouts by their mean log-prob; otherwise evenly."""

    @property
    def needs_logps(self) -> bool:
        return self.log_probs

    def shape(self, advantages: Floats, rewards: Floats, view: GroupView, mean_logps: Floats | None) -> Floats:
        return view.n_rollouts * self.coefficients(view, mean_logps)

    def coefficients(self, view: GroupView, mean_logps: Floats | None) -> Floats:
        """[P, G] weights of the rollouts' mean log-probs; they sum to 0 in every group."""
        mixed = view.correct.any(axis=1, keepdims=True) & ~view.correct.all(axis=1, keepdims=True)
        brevity = (1 - view.n_tokens / view.max_tokens) / self.temperature
        wrong = self._wrong_logits(view, mean_logps)
        return np.where(mixed, _softmax(brevity, view.correct) - _softmax(wrong, ~view.correct), 0.0)

    def _wrong_logits(self, view: GroupView, mean_logps: Floats | None) -> Floats:
        if not self.log_probs:
            return np.zeros(view.correct.shape)
        if mean_logps is None:
            raise ValueError("drpo: log_probs is true and no log-probs were given")
        return mean_logps / self.tau


def _softmax(logits: Floats, among: Bools) -> Floats:
    """[P, G] over the marked rollouts of each group; 0 for the others, and where none is marked."""
    shifted = np.where(among, logits, -np.inf)
    highest = np.where(among.any(axis=1), shifted.max(axis=1), 0.0)[:, None]
    weights = np.exp(shifted - highest)
    return weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-300)
