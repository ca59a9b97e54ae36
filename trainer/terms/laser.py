"""A bonus for being correct within the budget; with `explore`, also for a wrong search that goes beyond it.

correct and l <= L ──> 1; with `explore` (DE): wrong, l > L and not repetitive ──> 1

Source: Liu et al., "Learn to Reason Efficiently with Adaptive Length-based Reward Shaping" (arXiv 2505.15612) and its
code: L is one number (LASER: budget `constant`) or one per difficulty (LASER-D: budget `adaptive_bucket`), the bonus
0.5 beside an outcome of 1 and -0.5. Whether a search is repetitive is told by its 20-grams; the code looks at 4-grams
that recur close together.
"""

from typing import ClassVar, Literal

from trainer.group_view import Floats, GroupView
from trainer.terms.term import RewardTerm


class Laser(RewardTerm):
    needs_budget: ClassVar[tuple[str, ...]] = ("any",)
    term: Literal["laser"] = "laser"

    weight: float = 0.5
    """The bonus."""
    explore: bool = False
    """Leaves room for hard problems: LASER-DE."""

    def value(self, view: GroupView) -> Floats:
        within = view.correct & (view.n_tokens <= view.budgets)  # no budget (nan): never within, never beyond
        beyond = ~view.correct & (view.n_tokens > view.budgets)
        return (within | beyond & ~view.repetitive if self.explore else within).astype(float)
