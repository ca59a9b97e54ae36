"""From rewards of reasoning steps to credit of tokens: what the shapers with step scores share.

step rewards ──minus what the other rollouts earn──> sum from a step to the last ──> every token of that step

Scores are probabilities that a step is sound (`GroupView.step_scores`). Tokens behind the last step, and rollouts
whose steps nobody scored, get no credit from here.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np

from trainer.group_view import Floats, GroupView
from trainer.shapers.shaper import Shaper, per_token

Baseline = Literal["token", "step", "none"]
"""What a step is compared with: the other rollouts' reward per token times its tokens, their reward per step, nothing.
The first two are those of PURE's code."""


class StepCredit(Shaper):
    """Adds what is still to be earned from a token's step on; a method says what its steps earn."""

    weight: float = 1.0
    """Weight beside the advantage that comes in."""
    baseline: Baseline = "none"
    """What a step is compared with."""

    @property
    def needs_steps(self) -> bool:
        return True

    def shape(self, advantages: Floats, rewards: Floats, view: GroupView, mean_logps: Floats | None) -> Floats:
        return per_token(advantages, view) + self.weight * step_credit(view, self.step_rewards, self.baseline)

    def step_rewards(self, scores: Floats) -> Floats:
        """Rewards of one rollout's steps from the probabilities that they are sound."""
        raise NotImplementedError


def step_credit(view: GroupView, rewards_of: Callable[[Floats], Floats], baseline: Baseline) -> Floats:
    """[P, G, T] what is still to be earned from a token's step on, under `rewards_of(scores)`."""
    ends, scores = _steps(view)
    rewards = [rewards_of(np.array(of_rollout, dtype=float)) for of_rollout in scores]
    lengths = [np.diff([0, *of_rollout]) for of_rollout in ends]
    credit = np.zeros((view.correct.size, view.n_positions), dtype=np.float32)
    for index, (earned, n_tokens) in enumerate(zip(rewards, lengths, strict=True)):
        first = index - index % view.n_rollouts
        others = [i for i in range(first, first + view.n_rollouts) if i != index and len(rewards[i])]
        expected = _expected([rewards[i] for i in others], [lengths[i] for i in others], n_tokens, baseline)
        to_come = np.cumsum((earned - expected)[::-1])[::-1]
        credit[index, : int(n_tokens.sum())] = np.repeat(to_come, n_tokens)
    return credit.reshape(*view.correct.shape, -1)


def _expected(rewards: list[Floats], lengths: list[Floats], n_tokens: Floats, baseline: Baseline) -> Floats:
    """Reward of each step of a rollout, going by the other rollouts of its group."""
    if baseline == "none" or not rewards:
        return np.zeros(len(n_tokens))
    if baseline == "step":
        return np.full(len(n_tokens), np.mean([earned.mean() for earned in rewards]))
    n_others = sum(int(of_rollout.sum()) for of_rollout in lengths)
    return n_tokens * sum(float(earned.sum()) for earned in rewards) / max(n_others, 1)


def in_steps(view: GroupView, values_of: Callable[[Floats], Floats]) -> Floats:
    """[P, G, T] `values_of(scores)` at the tokens of their steps, 0 elsewhere."""
    ends, scores = _steps(view)
    values = np.zeros((view.correct.size, view.n_positions), dtype=np.float32)
    for row, of_rollout, judged in zip(values, ends, scores, strict=True):
        n_tokens = np.diff([0, *of_rollout])
        row[: int(n_tokens.sum())] = np.repeat(values_of(np.array(judged, dtype=float)), n_tokens)
    return values.reshape(*view.correct.shape, -1)


def _steps(view: GroupView) -> tuple[list[list[int]], list[list[float]]]:
    if view.step_ends is None or view.step_scores is None:
        raise ValueError("this shaper needs step_ends and step_scores: judge the steps before the shapers run")
    return [list(ends) for ends in view.step_ends], [list(scores) for scores in view.step_scores]
