"""Shorter than what recently solved problems of this difficulty, on a soft step around their median; correct ones only.

median m of the bucket's last steps (budget `rolling_median`) ──> sigmoid((m - l) / (softness * m))

Source: Singh et al., TRAAC (arXiv 2510.01581) and its code, where correctness weighs 4, format up to 1, and the length
part 1, 0.75 or 0.5 for easy, medium and hard problems (three terms with `gate: bucket` here). There a straight line
between the shortest and the longest length counts where it is higher; that part is left out, as is the pruning of
traces by attention.
"""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from trainer.group_view import Floats, GroupView
from trainer.terms.term import RewardTerm, sigmoid


class RollingMedian(RewardTerm):
    needs_budget: ClassVar[tuple[str, ...]] = ("rolling_median",)
    term: Literal["rolling_median"] = "rolling_median"

    softness: float = Field(default=0.1, gt=0)
    """Width of the step, in medians; at one width below the median the value is 0.73."""

    def value(self, view: GroupView) -> Floats:
        median = np.maximum(view.budgets, 1.0)
        value = sigmoid((median - view.n_tokens) / (self.softness * median))
        return np.where(view.correct & ~np.isnan(median), value, 0.0)
