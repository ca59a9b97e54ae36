"""Step rewards that pay nothing for more steps: only bad steps count, and only once.

score p ──clip──> min(p - eta, 0) ──delta──> p_k - p_(k+1), the last step keeps its own; from a step on they sum to p_k

Source: Gao et al., "On Designing Effective RL Reward at Training Time for LLM Reasoning" (arXiv 2410.15115), read
through others; there with a critic, here added to the advantage that comes in.
"""

from typing import Literal

import numpy as np
from pydantic import Field

from trainer.group_view import Floats
from trainer.shapers.steps import StepCredit


class ClipDelta(StepCredit):
    shaper: Literal["clip_delta"] = "clip_delta"

    form: Literal["both", "clip", "delta"] = "both"
    """Which of the two is applied; the source gets most from both."""
    eta: float = Field(default=0.5, ge=0, le=1)
    """Score from which on a step is good enough; choose it so that most steps are."""

    def step_rewards(self, scores: Floats) -> Floats:
        p = scores if self.form == "delta" else np.minimum(scores - self.eta, 0.0)
        return p if self.form == "clip" else p - np.append(p[1:], 0.0)[: len(p)]
