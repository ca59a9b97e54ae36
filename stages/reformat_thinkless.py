"""Two modes behind a control token, after Thinkless: `<think>` for long reasoning, `<short>` for a brief answer.

    mode long  ──> <think> reasoning </think> response        as every release
    mode short ──> <short> reasoning and response, without a thinking block      (`completion`)

Source: Thinkless (arXiv 2505.13379; code VainF/Thinkless): each prompt gives two rows, the token and a long answer of a
reasoning model, the token and a short answer of an instruct model, in equal numbers; the token is the first that the
model writes, which later lets RL weigh the choice of the mode by itself. Behind `pair_modes`. The control token stands
in `completion` only: `reasoning` and `response` stay as they are for verifiers, audits and counts.

The tokens must be added to the student's tokenizer to be single tokens. A template that opens the thought itself leaves
no room for `<short>`.
"""

from typing import ClassVar

from pydantic import Field

from pipeline.stage import Fan, Row
from schemas.columns import COMPLETION, MODE, REFORMAT_COLUMNS, SEGMENTS, Column
from schemas.markup import render_completion
from stages.candidates import CANDIDATE_COLUMNS, SOURCE_READS, candidate, refusal
from stages.pair_modes import LONG, SHORT

METHOD = "thinkless"


class ReformatThinkless(Fan):
    version: ClassVar[int] = 1
    beside: ClassVar[bool] = True
    reads: ClassVar[tuple[str, ...]] = (*SOURCE_READS, "mode", "counterpart")
    writes: ClassVar[tuple[Column, ...]] = (*CANDIDATE_COLUMNS, *REFORMAT_COLUMNS)

    short_token: str = Field(default="<short>", min_length=1)
    """First text of a short answer."""
    long_token: str = Field(default="<think>", min_length=1)
    """First text of a long answer; another one than `<think>` stands in front of the thinking block."""
    paired: bool = True
    """Only problems that have both modes, so that there are as many of one as of the other."""

    def run(self, row: Row) -> list[Row]:
        if row["mode"] not in (LONG, SHORT):
            return []
        columns: Row = {MODE.name: row["mode"], COMPLETION.name: None, SEGMENTS.name: None}
        if reason := self._why_not(row):
            return [refusal(row, METHOD, reason, **columns)]
        columns[COMPLETION.name] = self.completion(row)
        return [candidate(row, METHOD, row["reasoning"], row["response"], **columns)]

    def _why_not(self, row: Row) -> str:
        if self.paired and not row["counterpart"]:
            return f"no {SHORT if row['mode'] == LONG else LONG} counterpart"
        text = row["reasoning"] + row["response"]
        return "its text holds a control token" if self.short_token in text or self.long_token in text else ""

    def completion(self, row: Row) -> str | None:
        """The whole turn; None where that is the standard form."""
        if row["mode"] == SHORT:
            parts = "\n\n".join(part for part in (row["reasoning"], row["response"]) if part)
            return f"{self.short_token}\n{parts}"
        standard = render_completion(row["reasoning"], row["response"])
        return None if standard.startswith(self.long_token) else f"{self.long_token}\n{standard}"
