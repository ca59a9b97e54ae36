"""Credit for the marks of the expected format: one share for each mark that is there.

formatted ──> 0..1

Source: Curriculum GRPO gives one credit each for the thinking and the answer tags (Hammoud et al., arXiv 2508.08940).
"""

from typing import ClassVar, Literal

from trainer.group_view import Floats, GroupView
from trainer.terms.term import RewardTerm


class Format(RewardTerm):
    by_length: ClassVar[bool] = False
    term: Literal["format"] = "format"

    def value(self, view: GroupView) -> Floats:
        return view.formatted
