"""The least budget that still lets a problem of its difficulty be solved: one number per difficulty, found anew.

lengths of the last 20 steps, by the accuracy of their groups: easy, medium, hard
  ──> least l on a grid for which share(length <= l) * expected correct rollouts >= 1 ──> that difficulty's budget

Source: LASER-D, Liu et al. (arXiv 2505.15612) and its code: expected correct rollouts are 2/3 and 1/3 of the group for
easy and medium, 1 for hard, so that easy problems get a tight budget and hard ones are covered whole. There a set of
500 problems is generated for this every 20 steps (3.5 % of the cost); here the training groups of those steps serve.
A group is judged by the budget of the difficulty that it shows itself; before generation the stored pass rate decides.
"""

import math
from typing import Literal

from pydantic import PositiveInt

from trainer.budgets.budget import Budget, State, by_bucket, lengths_by_bucket
from trainer.group_view import BUCKETS, Floats, GroupView, PromptBatch, buckets


class AdaptiveBucket(Budget):
    budget: Literal["adaptive_bucket"] = "adaptive_bucket"

    lower_tokens: PositiveInt = 1024
    """Least budget; 4,096, 2,048 or 1,024 in the source."""
    interval_tokens: PositiveInt = 1024
    """Grid above it."""
    every_steps: PositiveInt = 20
    """Steps between two looks, and steps that a look takes in."""
    start_tokens: PositiveInt | None = None
    """Budget of all before the first look; None is the generation cap."""

    def stated(self, prompts: PromptBatch, state: State) -> Floats:
        return by_bucket(buckets(prompts.pass_rates), self._tokens(state, prompts.max_tokens), prompts.n_rollouts)

    def targets(self, view: GroupView, state: State) -> Floats:
        return by_bucket(view.bucket, self._tokens(state, view.max_tokens), view.n_rollouts)

    def observed(self, view: GroupView, state: State) -> State:
        since = state.get("since", view.step)
        seen, new = state.get("lengths", {}), lengths_by_bucket(view, correct_only=False)
        lengths = {bucket: [*seen.get(bucket, []), *new[bucket]] for bucket in BUCKETS}
        if view.step + 1 - since < self.every_steps:
            return {**state, "since": since, "lengths": lengths}
        found = {
            bucket: self.cover(lengths[bucket], expected_correct(bucket, view.n_rollouts), view.max_tokens)
            for bucket in BUCKETS
            if lengths[bucket]
        }
        return {"since": view.step + 1, "lengths": {}, "tokens": {**state.get("tokens", {}), **found}}

    def _tokens(self, state: State, max_tokens: int) -> dict[str, float]:
        start = float(self.start_tokens or max_tokens)
        return {bucket: float(state.get("tokens", {}).get(bucket, start)) for bucket in BUCKETS}

    def cover(self, lengths: list[int], n_correct: int, max_tokens: int) -> int:
        """Least grid point l with share(length <= l) * n_correct >= 1; the longest length where none is in the cap."""
        n_needed = -(-len(lengths) // n_correct)
        above = max(sorted(lengths)[n_needed - 1] - self.lower_tokens, 0)
        found = self.lower_tokens + math.ceil(above / self.interval_tokens) * self.interval_tokens
        return found if found <= max_tokens else max(lengths)


def expected_correct(bucket: str, n_rollouts: int) -> int:
    """Rollouts of a group that are taken to be correct: 5, 3 and 1 of 8."""
    share = {"easy": 2 / 3, "medium": 1 / 3}.get(bucket, 0.0)
    return max(round(share * n_rollouts), 1)
