"""An `[Easy]` or `[Hard]` tag in front of each answer, after AdaCtrl: brief where it suffices, long where it pays.

    pass rate above `easy_above` ──> the short trace of the problem behind [Easy]
    else                         ──> the long one behind [Hard]                      (`completion`)

Source: AdaCtrl (arXiv 2505.18822; code JoeYing1019/AdaCtrl): the cold start teaches concise solutions to easy problems
and long traces for hard ones, each opened by its tag, which a user can also force. How its cold-start set is divided is
not published; the limit here is that of its RL label, which calls a problem easy above 0.625. Behind `pair_modes` and
`grade_pass_rate`. The tag stands in `completion` only, in front of the thinking block.
"""

from typing import ClassVar

from pydantic import Field

from pipeline.stage import Fan, Row
from schemas.columns import COMPLETION, MODE, REFORMAT_COLUMNS, SEGMENTS, Column
from schemas.markup import render_completion
from stages.candidates import CANDIDATE_COLUMNS, SOURCE_READS, candidate, refusal
from stages.pair_modes import LONG, SHORT

METHOD = "adactrl"
_EASY, _HARD = "easy", "hard"


class ReformatAdactrl(Fan):
    version: ClassVar[int] = 1
    beside: ClassVar[bool] = True
    reads: ClassVar[tuple[str, ...]] = (*SOURCE_READS, "mode", "counterpart", "pass_rate")
    writes: ClassVar[tuple[Column, ...]] = (*CANDIDATE_COLUMNS, *REFORMAT_COLUMNS)

    easy_above: float = Field(default=0.625, ge=0, le=1)
    """A problem is easy if its pass rate is greater."""
    easy_tag: str = Field(default="[Easy]", min_length=1)
    """First text of the answer to an easy problem."""
    hard_tag: str = Field(default="[Hard]", min_length=1)
    """First text of the answer to a hard problem."""

    def run(self, row: Row) -> list[Row]:
        if row["mode"] not in (LONG, SHORT):
            return []
        columns: Row = {MODE.name: None, COMPLETION.name: None, SEGMENTS.name: None}
        if row["pass_rate"] is None:
            return [refusal(row, METHOD, "no pass rate", **columns)]
        is_easy = row["pass_rate"] > self.easy_above
        columns[MODE.name] = _EASY if is_easy else _HARD
        if is_easy and row["mode"] == LONG:
            return [] if row["counterpart"] else [refusal(row, METHOD, "no short trace of an easy problem", **columns)]
        if not is_easy and row["mode"] == SHORT:
            return [] if row["counterpart"] else [refusal(row, METHOD, "no long trace of a hard problem", **columns)]
        if any(tag in row["reasoning"] + row["response"] for tag in (self.easy_tag, self.hard_tag)):
            return [refusal(row, METHOD, "its text holds a tag", **columns)]
        tag = self.easy_tag if is_easy else self.hard_tag
        columns[COMPLETION.name] = f"{tag}\n{render_completion(row['reasoning'], row['response'])}"
        return [candidate(row, METHOD, row["reasoning"], row["response"], **columns)]
