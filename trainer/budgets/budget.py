"""What all token budgets share: a budget before generation, a target after it, and a state in between.

    PromptBatch, state ──stated──> [P, G] that may stand in the prompt
    GroupView,   state ──targets──> [P, G] that terms read as `view.budgets`
    GroupView,   state ──observed──> the state of the next step (JSON; saved with a checkpoint)

A state is a plain JSON object, never changed in place, so that a resumed run equals an uninterrupted one.
"""

from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from trainer.group_view import BUCKETS, Floats, GroupView, PromptBatch, Strings

State = dict[str, Any]


class Budget(BaseModel):
    """A frozen configuration that is also the rule."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def name(self) -> str:
        """The rule's name in configurations."""
        return str(type(self).model_fields["budget"].default)

    def stated(self, prompts: PromptBatch, state: State) -> Floats:
        """[P, G] tokens before generation; nan for a rollout without a budget. Round them for a prompt."""
        raise NotImplementedError

    def targets(self, view: GroupView, state: State) -> Floats:
        """[P, G] tokens by which terms judge; what was stated, unless the rule looks at the group's accuracy."""
        return view.budgets

    def observed(self, view: GroupView, state: State) -> State:
        """The state after a step; rules without memory leave it."""
        return state

    def problems(self, n_rollouts: int) -> list[str]:
        """What does not go together with G rollouts per prompt, a sentence each."""
        return []


def by_bucket(buckets: Strings, tokens: dict[str, float], n_rollouts: int) -> Floats:
    """[P, G] each prompt's number of tokens by its difficulty; nan for a bucket without one."""
    per_prompt = np.array([tokens.get(bucket, np.nan) for bucket in buckets.tolist()], dtype=float)
    return np.repeat(per_prompt[:, None], n_rollouts, axis=1)


def lengths_by_bucket(view: GroupView, *, correct_only: bool) -> dict[str, list[int]]:
    """Lengths of a step's completions by the difficulty that their groups show."""
    lengths: dict[str, list[int]] = {bucket: [] for bucket in BUCKETS}
    for bucket, n_tokens, correct in zip(view.bucket.tolist(), view.n_tokens, view.correct, strict=True):
        lengths[bucket] += (n_tokens[correct] if correct_only else n_tokens).tolist()
    return lengths
