"""The median length of recent correct completions on problems of the same difficulty.

correct lengths of the last 10 steps, by the accuracy of their groups ──> median per difficulty; none before the first

Source: Singh et al., TRAAC (arXiv 2510.01581) and its code, where problems are easy from a pass rate of 0.8 and hard
below 0.3; here from 2/3 and below 1/3, as everywhere in this trainer. A group is judged by the steps before its own.
"""

from typing import Literal

import numpy as np
from pydantic import PositiveInt

from trainer.budgets.budget import Budget, State, by_bucket, lengths_by_bucket
from trainer.group_view import BUCKETS, Floats, GroupView, PromptBatch, buckets


class RollingMedian(Budget):
    budget: Literal["rolling_median"] = "rolling_median"

    window_steps: PositiveInt = 10
    """Steps that the median takes in."""

    def stated(self, prompts: PromptBatch, state: State) -> Floats:
        return by_bucket(buckets(prompts.pass_rates), _medians(state), prompts.n_rollouts)

    def targets(self, view: GroupView, state: State) -> Floats:
        return by_bucket(view.bucket, _medians(state), view.n_rollouts)

    def observed(self, view: GroupView, state: State) -> State:
        entry = {"step": view.step, "lengths": lengths_by_bucket(view, correct_only=True)}
        recent = [old for old in state.get("steps", []) if old["step"] > view.step - self.window_steps]
        return {"steps": [*recent, entry]}


def _medians(state: State) -> dict[str, float]:
    lengths = {bucket: [n for step in state.get("steps", []) for n in step["lengths"][bucket]] for bucket in BUCKETS}
    return {bucket: float(np.median(seen)) for bucket, seen in lengths.items() if seen}
