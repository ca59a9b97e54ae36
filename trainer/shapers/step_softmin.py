"""Credit by the worst step: extra good steps earn nothing.

p = P(good) - P(bad) per step ──> r = softmax(-p / temperature) * p ──> what is still to come from each step on

Source: Cheng et al., PURE, "Stop Summation" (arXiv 2504.15275) and its code; the sum of r comes close to the least p
(0.9, 0.8, -0.6, 0.7 -> -0.6). It is added to what stands before it, the verifiable part, and works best where a tenth
of the prompts can be verified.
"""

from typing import Literal

import numpy as np
from pydantic import Field

from trainer.group_view import Floats
from trainer.shapers.steps import Baseline, StepCredit


class StepSoftmin(StepCredit):
    shaper: Literal["step_softmin"] = "step_softmin"

    temperature: float = Field(default=0.1, gt=0)
    """Small ones come closer to the least step."""
    baseline: Baseline = "token"
    """What a step is compared with."""

    def step_rewards(self, scores: Floats) -> Floats:
        p = 2 * scores - 1
        weights = np.exp(-(p - p.min(initial=1.0)) / self.temperature)
        return weights / max(weights.sum(), 1.0) * p
