"""What all reward terms share: a weight, a gate, a schedule, and a value for every rollout.

GroupView ──value──> [P, G], without weight and gate; `trainer.reward` adds the terms up
"""

from typing import ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from trainer.gates import Always, AnyGate, Schedule
from trainer.group_view import Floats, GroupView


class RewardTerm(BaseModel):
    """A frozen configuration that is also the formula."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by_length: ClassVar[bool] = True
    """Whether rollouts of equal correctness get different values for their lengths."""
    needs_budget: ClassVar[tuple[str, ...]] = ()
    """Budgets (`trainer.budgets`) that the term can work with, by name; 'any' is any of them; empty needs none."""

    weight: float = 1.0
    """Factor of the term in the reward; a negative one turns it round."""
    gate: AnyGate = Always()
    """Rollouts for which the term counts; it is 0 for the others."""
    schedule: Schedule = Schedule()
    """Steps in which the term counts."""

    @property
    def name(self) -> str:
        """The term's name in configurations and logs."""
        return str(type(self).model_fields["term"].default)

    def value(self, view: GroupView) -> Floats:
        """[P, G] for every rollout, in units of the weight."""
        raise NotImplementedError


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + exp(-x)), without overflow."""
    return 1 / (1 + np.exp(-np.clip(x, -60, 60)))
