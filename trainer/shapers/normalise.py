"""Rewards minus a baseline, over a spread: the advantage of GRPO, Dr. GRPO and RLOO.

    rewards ──minus the group's mean──> over the spread of the group | of the batch | over nothing
    rewards ──minus the mean of the other rollouts──> rloo

Sources: group, Shao et al. (arXiv 2402.03300); none, Liu et al. (arXiv 2503.20783); rloo, Ahmadian et al. (arXiv
2402.14740). `batch` divides by one number for the whole batch, so that a weight stays a weight.
"""

from typing import Literal

from trainer.group_view import Floats, GroupView
from trainer.shapers.shaper import EPSILON, Shaper, spread


class Normalise(Shaper):
    shaper: Literal["normalise"] = "normalise"

    scale: Literal["group", "batch", "none", "rloo"] = "batch"
    """What the distance from the baseline is divided by; `rloo` divides by nothing and leaves the rollout itself out of
    its baseline, which makes it G/(G-1) times `none`."""
    allow_group_scaling: bool = False
    """Lets `scale: group` go together with a length term, as some papers do."""

    @property
    def cancels_weights(self) -> bool:
        return self.scale == "group" and not self.allow_group_scaling

    def shape(self, advantages: Floats, rewards: Floats, view: GroupView, mean_logps: Floats | None) -> Floats:
        centred = advantages - advantages.mean(axis=1, keepdims=True)
        if self.scale == "group":
            return centred / (spread(advantages, axis=1) + EPSILON)
        if self.scale == "batch":
            return centred / (spread(advantages) + EPSILON)
        return centred * view.n_rollouts / max(view.n_rollouts - 1, 1) if self.scale == "rloo" else centred
