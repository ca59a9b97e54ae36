"""Only what is better than its baseline is learnt from; the rest gets no gradient.

advantage ──> max(advantage, 0)
"""

from typing import Literal

import numpy as np

from trainer.group_view import Floats, GroupView
from trainer.shapers.shaper import Shaper


class PositiveOnly(Shaper):
    shaper: Literal["positive_only"] = "positive_only"

    def shape(self, advantages: Floats, rewards: Floats, view: GroupView, mean_logps: Floats | None) -> Floats:
        return np.maximum(advantages, 0)
