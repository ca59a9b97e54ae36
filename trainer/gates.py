"""Where a reward term counts (gate) and when (schedule).

    GroupView ──gate──> mask [P, G]; step ──schedule──> factor; reward += weight * factor * mask * value

In a configuration a gate without settings is its name, `gate: all_correct`; one with settings is an object,
`gate: {gate: min_acc, accuracy: 0.5}`.
"""

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from trainer.group_view import Bools, GroupView


class Gate(BaseModel):
    """A mask over rollouts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def mask(self, view: GroupView) -> Bools:
        """[P, G] where the term counts."""
        raise NotImplementedError


class Always(Gate):
    gate: Literal["always"] = "always"

    def mask(self, view: GroupView) -> Bools:
        return np.ones_like(view.correct)


class CorrectOnly(Gate):
    gate: Literal["correct_only"] = "correct_only"

    def mask(self, view: GroupView) -> Bools:
        return view.correct


class AllCorrect(Gate):
    """Only groups without a wrong rollout: ConciseR's second stage (arXiv 2505.21178)."""

    gate: Literal["all_correct"] = "all_correct"

    def mask(self, view: GroupView) -> Bools:
        return _over_groups(np.asarray(view.correct.all(axis=1)), view)


class MinAccuracy(Gate):
    """Only groups of some accuracy: GRPO-lambda takes length penalties away where a group fails (arXiv 2505.18086)."""

    gate: Literal["min_acc"] = "min_acc"
    accuracy: float = Field(default=0.5, ge=0, le=1)
    """Least share of a group's rollouts that are correct."""

    def mask(self, view: GroupView) -> Bools:
        return _over_groups(view.accuracy >= self.accuracy - 1e-9, view)


class Bucket(Gate):
    gate: Literal["bucket"] = "bucket"
    buckets: frozenset[Literal["easy", "medium", "hard"]] = Field(min_length=1)
    """Difficulties, by the group's accuracy, in which the term counts."""

    def mask(self, view: GroupView) -> Bools:
        return _over_groups(np.isin(view.bucket, sorted(self.buckets)), view)


class Mode(Gate):
    gate: Literal["mode"] = "mode"
    modes: frozenset[str] = Field(min_length=1)
    """Modes of a rollout in which the term counts; '' is a rollout without one."""

    def mask(self, view: GroupView) -> Bools:
        return np.isin(view.modes, sorted(self.modes))


class WrongAndNotRepetitive(Gate):
    """Wrong rollouts that do not go in circles: room to explore (LASER-DE, arXiv 2505.15612)."""

    gate: Literal["wrong_and_not_repetitive"] = "wrong_and_not_repetitive"

    def mask(self, view: GroupView) -> Bools:
        return ~view.correct & ~view.repetitive


def _over_groups(of_group: Bools, view: GroupView) -> Bools:
    return np.broadcast_to(of_group[:, None], view.correct.shape)


def _by_name(value: Any) -> Any:
    return {"gate": value} if isinstance(value, str) else value


AnyGate = Annotated[
    Annotated[
        Always | CorrectOnly | AllCorrect | MinAccuracy | Bucket | Mode | WrongAndNotRepetitive,
        Field(discriminator="gate"),
    ],
    BeforeValidator(_by_name),
]


class Schedule(BaseModel):
    """0 before `from_step`, then a straight line from `start` to `end` over `ramp_steps`, then `end`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    from_step: int = Field(default=0, ge=0)
    """Optimiser steps before the term counts at all (Kimi k1.5 warms up without its length reward)."""
    ramp_steps: int = Field(default=0, ge=0)
    """Steps from `start` to `end`; 0 jumps."""
    start: float = 0.0
    """Factor of the weight at `from_step`, where there is a ramp."""
    end: float = 1.0
    """Factor of the weight after the ramp."""

    def factor(self, step: int) -> float:
        done = step - self.from_step
        if done < 0:
            return 0.0
        return self.end if done >= self.ramp_steps else self.start + (self.end - self.start) * done / self.ramp_steps
