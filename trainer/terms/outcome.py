"""Right or wrong, with a value of its own for a completion out of format.

correct, formatted ──> right | wrong | format_failure

Sources: LASER gives 1 and -0.5 (Liu et al., arXiv 2505.15612), most others 1 and 0.
"""

from typing import ClassVar, Literal

import numpy as np

from trainer.group_view import Floats, GroupView
from trainer.terms.term import RewardTerm


class Outcome(RewardTerm):
    by_length: ClassVar[bool] = False
    term: Literal["outcome"] = "outcome"

    right: float = 1.0
    """Value of a correct completion."""
    wrong: float = 0.0
    """Value of any other."""
    format_failure: float | None = None
    """Value where a format mark is missing, correct or not; None looks at correctness alone."""

    def value(self, view: GroupView) -> Floats:
        values = np.where(view.correct, self.right, self.wrong)
        return values if self.format_failure is None else np.where(view.formatted < 1, self.format_failure, values)
