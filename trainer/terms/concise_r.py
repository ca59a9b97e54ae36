"""Shorter is better once a problem is solved: only in groups where every rollout is correct.

all correct ──> 1 - l / cap

Source: Song and Zheng, ConciseR (arXiv 2505.21178), second stage. The principle is theirs; their formula was not
at hand, and any falling function would do. Such groups have no other signal, so that dividing by the group's
spread would make every weight the same (`trainer.advantages`).
"""

from typing import Literal

from trainer.gates import AllCorrect, AnyGate
from trainer.group_view import Floats, GroupView
from trainer.terms.term import RewardTerm


class ConciseR(RewardTerm):
    term: Literal["concise_r"] = "concise_r"

    gate: AnyGate = AllCorrect()
    """Rollouts for which the term counts; the source's rule unless another is named."""

    def value(self, view: GroupView) -> Floats:
        return 1 - view.n_tokens / view.max_tokens
