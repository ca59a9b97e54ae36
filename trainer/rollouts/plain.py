"""The problem and nothing else: G equal prompts.

row ──> G empty openings
"""

from typing import Literal

from trainer.group_view import Floats
from trainer.rollouts.rollout import Opening, RolloutPolicy, Row


class Plain(RolloutPolicy):
    rollout: Literal["plain"] = "plain"

    def assign(self, row: Row, budgets: Floats) -> list[Opening]:
        return [Opening()] * len(budgets)
