"""Whether the difficulty that a completion announces is the one that its group shows.

tag easy | hard, group's accuracy ──> 1 it fits, 0 it does not, -1 no tag

Source: Huang et al., AdaCtrl (arXiv 2505.18822) and its code: a group is easy above an accuracy of 0.625; weight 0.5.
The tag is the first thing of a completion, learnt in a cold start; forcing it is the user's control.
"""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from trainer.group_view import Floats, GroupView
from trainer.terms.term import RewardTerm


class AdactrlTag(RewardTerm):
    by_length: ClassVar[bool] = False
    term: Literal["adactrl_tag"] = "adactrl_tag"

    weight: float = 0.5
    """As in the source, beside an outcome of 1."""
    easy_above: float = Field(default=0.625, ge=0, le=1)
    """Accuracy above which a group is easy."""

    def value(self, view: GroupView) -> Floats:
        shown = np.where(view.accuracy > self.easy_above, "easy", "hard")[:, None]
        tagged = np.isin(view.modes, ["easy", "hard"])
        return np.where(tagged, (view.modes == shown).astype(float), -1.0)
