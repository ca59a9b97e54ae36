"""The one reward function that TRL gets: judges this process's completions, and values whole gathered groups.

    completions of this process ──verifiers──> Rollouts ──gathered──> GroupView [P, G] ──GroupReward──> rewards [P, G]
                                                                                     └──> this process's slice ──> TRL

Every process builds the same view, so that pass rates, budgets and the reward log need no further exchange.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainer.group_view import Floats, GroupView
from trainer.outcome import Completion, Judged, OutcomeJudge
from trainer.pass_rates import PassRateStore
from trainer.reward import GroupReward
from trainer.rollouts.rollout import Opening, RolloutPolicy
from trainer.step_scores import StepScores

Row = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """One rollout that is asked for."""

    row: Row
    prompt: str
    opened: str
    """The part of the answer that stands in the prompt already."""
    opening: Opening
    budget: float
    """Tokens; nan for none."""


@dataclass(frozen=True)
class Rollout:
    """One rollout that came back, as plain values that can be sent between processes."""

    row_id: str
    judged: Judged
    n_tokens: int
    truncated: bool
    budget: float
    mode: str
    reference_n_tokens: float
    token_ids: list[int]
    steps: StepScores | None = None
    """Ends and scores of its reasoning steps, where a shaper asks for them."""


@dataclass(frozen=True)
class Scored:
    """One generation batch of all processes."""

    view: GroupView
    rewards: Floats
    """[P, G]"""
    parts: dict[str, Floats]
    """Each term's share in it, [P, G]."""
    judged: list[Judged]


class RewardOfGroups:
    """Callable with TRL's reward interface; keeps the last batch as `scored`."""

    __name__ = "total"

    def __init__(
        self,
        *,
        reward: GroupReward,
        store: PassRateStore,
        judge: OutcomeJudge,
        rollout: RolloutPolicy,
        decode: Callable[[Sequence[int]], str],
        end_ids: frozenset[int],
        n_rollouts: int,
        max_tokens: int,
        gather: Callable[[list[Rollout]], list[Rollout]],
        process_index: int,
        score_steps: Callable[[Sequence[int]], StepScores] | None = None,
    ) -> None:
        self.reward, self.store, self.judge, self.rollout = reward, store, judge, rollout
        self.decode, self.end_ids, self.gather, self.process_index = decode, end_ids, gather, process_index
        self.n_rollouts, self.max_tokens, self.score_steps = n_rollouts, max_tokens, score_steps
        self.tasks: list[Task] = []
        """What was asked of this process, set before generation."""
        self.scored: Scored | None = None

    def __call__(
        self,
        *,
        completion_ids: list[list[int]],
        trainer_state: Any,
        n_trained: list[int] | None = None,
        **_: Any,
    ) -> list[float]:
        """Rewards of this process's completions. `n_trained`: tokens without those that a policy injected."""
        n_tokens = n_trained or [len(ids) for ids in completion_ids]
        mine = self._rollouts(completion_ids, n_tokens)
        everyone = self.gather(mine)
        self.scored = self._scored(everyone, trainer_state.global_step)
        values = self.scored.rewards.reshape(-1)
        start = self.process_index * len(mine)
        return values[start : start + len(mine)].tolist()

    def _rollouts(self, completion_ids: list[list[int]], n_tokens: list[int]) -> list[Rollout]:
        truncated = [not ids or ids[-1] not in self.end_ids for ids in completion_ids]
        texts = [self.decode(self._without_end(ids)) for ids in completion_ids]
        completions = [
            Completion(task.row, task.opened + text, cut)
            for task, text, cut in zip(self.tasks, texts, truncated, strict=True)
        ]
        judged = self.judge.judge(completions)
        return [
            Rollout(
                row_id=task.row["problem_id"],
                judged=judged[place],
                n_tokens=n_tokens[place],
                truncated=truncated[place],
                budget=task.budget,
                mode=self.rollout.mode_of(task.opening, texts[place]),
                reference_n_tokens=reference_n_tokens(task.row),
                token_ids=list(completion_ids[place]),
                steps=self.score_steps(self._without_end(completion_ids[place])) if self.score_steps else None,
            )
            for place, task in enumerate(self.tasks)
        ]

    def _without_end(self, ids: Sequence[int]) -> Sequence[int]:
        return ids[:-1] if ids and ids[-1] in self.end_ids else ids

    def _scored(self, rollouts: list[Rollout], step: int) -> Scored:
        view = view_of(rollouts, self.n_rollouts, self.store, step, self.max_tokens)
        rewards, parts = self.reward.rewards(view)
        return Scored(view, rewards, parts, [rollout.judged for rollout in rollouts])


def view_of(rollouts: list[Rollout], n_rollouts: int, store: PassRateStore, step: int, max_tokens: int) -> GroupView:
    """The arrays of a gathered batch. Raises ValueError where groups do not stand side by side."""
    first = rollouts[::n_rollouts]
    row_ids = tuple(rollout.row_id for rollout in first)
    expected = [row_id for row_id in row_ids for _ in range(n_rollouts)]
    if [rollout.row_id for rollout in rollouts] != expected:
        raise ValueError("the rollouts of a problem do not stand side by side; groups were split or mixed")
    shape = (len(first), n_rollouts)

    def grid(values: list[Any], kind: type) -> Any:
        return np.array(values, dtype=kind).reshape(shape)

    return GroupView(
        row_ids=row_ids,
        correct=grid([rollout.judged.correct for rollout in rollouts], bool),
        n_tokens=grid([rollout.n_tokens for rollout in rollouts], np.int64),
        truncated=grid([rollout.truncated for rollout in rollouts], bool),
        budgets=grid([rollout.budget for rollout in rollouts], float),
        modes=grid([rollout.mode for rollout in rollouts], str),
        formatted=grid([rollout.judged.formatted for rollout in rollouts], float),
        pass_rates=store.rates_of(row_ids),
        reference_n_tokens=np.array([rollout.reference_n_tokens for rollout in first], dtype=float),
        token_ids=[rollout.token_ids for rollout in rollouts],
        step_ends=None if rollouts[0].steps is None else [rollout.steps[0] for rollout in rollouts if rollout.steps],
        step_scores=None if rollouts[0].steps is None else [rollout.steps[1] for rollout in rollouts if rollout.steps],
        step=step,
        max_tokens=max_tokens,
    )


def reference_n_tokens(row: Row) -> float:
    return float(row.get("ref_len_p50") or row.get("ref_len") or np.nan)
