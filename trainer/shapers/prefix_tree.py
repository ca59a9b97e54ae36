"""Credit where rollouts part: what a token adds to the mean reward of those that share the text so far.

V(prefix) = mean reward of the group's rollouts with that prefix        advantage_t + (V(t+1) - V(t)) / spread

Source: Tran et al., TEMPO, "Exploiting Tree Structure for Credit Assignment in RL Training of LLMs" (arXiv 2509.18314),
read through others; with `normalise: group` before it. No model and no rollout more; only tokens at which a group
branches get something, so that it fades for long samples: one more fit for concise ones.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

import numpy as np

from trainer.group_view import Floats, GroupView
from trainer.shapers.shaper import EPSILON, Shaper, per_token, spread


class PrefixTree(Shaper):
    shaper: Literal["prefix_tree"] = "prefix_tree"

    weight: float = 1.0
    """Weight beside the advantage that comes in."""
    scale: Literal["group", "none"] = "group"
    """Whether the gain is divided by the spread of the group's rewards."""
    allow_group_scaling: bool = False
    """Lets `scale: group` go together with a length term."""

    @property
    def cancels_weights(self) -> bool:
        return self.scale == "group" and not self.allow_group_scaling

    def shape(self, advantages: Floats, rewards: Floats, view: GroupView, mean_logps: Floats | None) -> Floats:
        n_rollouts, gains = view.n_rollouts, np.zeros((*view.correct.shape, view.n_positions), dtype=np.float32)
        for group, of_group in enumerate(rewards):
            token_ids = view.token_ids[group * n_rollouts : (group + 1) * n_rollouts]
            for rollout, position, gain in branch_gains(token_ids, of_group):
                gains[group, rollout, position] = gain
        scale = spread(rewards, axis=1)[:, :, None] + EPSILON if self.scale == "group" else 1.0
        return per_token(advantages, view) + self.weight * gains / scale


def branch_gains(token_ids: Sequence[Sequence[int]], rewards: Floats) -> list[tuple[int, int, float]]:
    """(rollout, position, V behind the token - V before it) wherever rollouts with a common prefix part."""
    gains = []
    open_nodes = [(0, list(range(len(token_ids))))]
    while open_nodes:
        position, shared = open_nodes.pop()
        children: dict[int, list[int]] = defaultdict(list)
        for rollout in shared:
            if position < len(token_ids[rollout]):
                children[token_ids[rollout][position]].append(rollout)
        before = rewards[shared].mean()
        for child in children.values():
            if len(child) < len(shared):
                gains += [(rollout, position, float(rewards[child].mean() - before)) for rollout in child]
            if len(child) > 1:
                open_nodes.append((position + 1, child))
    return gains
