"""Tells the model its token budget: in the user's message (Curriculum GRPO) or as the thought's first sentence (HBPO).

budgets [G] ──> a sentence with the number, in G openings; a rollout without a budget gets none

Sources: Hammoud et al., Train Long, Think Short (arXiv 2508.08940), section 3: the prompt asks for the budget of the
step. HBPO (arXiv 2507.15844): subgroups of one group start their thought with different budgets. The sentences are
ours; a model that has never seen them needs some steps before it follows.
"""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from trainer.group_view import Floats
from trainer.rollouts.rollout import Opening, RolloutPolicy, Row


class BudgetPrompt(RolloutPolicy):
    rollout: Literal["budget_prompt"] = "budget_prompt"
    is_heterogeneous: ClassVar[bool] = True

    place: Literal["message", "thought"] = "message"
    """`message`: behind the problem; `thought`: the thought begins with the sentence."""
    sentence: str = Field(default="", pattern=r"^$|\{n\}")
    """Sentence with `{n}` for the tokens; empty takes ours for the place."""

    def assign(self, row: Row, budgets: Floats) -> list[Opening]:
        return [Opening() if np.isnan(budget) else self._opening(int(budget)) for budget in budgets]

    def _opening(self, n: int) -> Opening:
        if self.place == "message":
            return Opening(note=(self.sentence or "Think for exactly {n} tokens.").replace("{n}", str(n)))
        sentence = (self.sentence or "I have {n} tokens for thinking about this.").replace("{n}", str(n))
        return Opening(prefix=f"{sentence}\n\n", in_thought=True)
