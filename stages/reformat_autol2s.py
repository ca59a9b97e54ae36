"""Long and short reasoning in one row with an `<EASY>` marker, after AutoL2S: the model learns when short will do.

    long trace with a short counterpart ──> <EASY> short reasoning, <LONG> long reasoning, response     mode easy
    long trace without one              ──> <LONG> long reasoning, response                             mode long

Source: AutoL2S (arXiv 2505.22662): a problem with a verified short path is marked easy and its row holds both paths;
any other holds the long one only. After the marker the model may answer briefly. The paper's markup was not readable to
us: where the markers stand (inside the thought), the order and the marker of the long path are ours. Behind
`pair_modes`. At inference, stop at the long marker once `<EASY>` was written. `layout: one` leaves the long path out of
an easy row, so that nothing has to be stopped. `segments` name the two paths.
"""

from typing import ClassVar, Literal

from pydantic import Field

from pipeline.stage import Fan, Row
from schemas.columns import COMPLETION, MODE, REFORMAT_COLUMNS, SEGMENTS, Column
from stages.candidates import CANDIDATE_COLUMNS, SOURCE_READS, candidate, refusal
from stages.pair_modes import LONG, SHORT
from stages.surprisal import PREFILL

METHOD = "autol2s"
_EASY = "easy"


class ReformatAutol2s(Fan):
    version: ClassVar[int] = 1
    beside: ClassVar[bool] = True
    reads: ClassVar[tuple[str, ...]] = (*SOURCE_READS, "mode", "counterpart")
    writes: ClassVar[tuple[Column, ...]] = (*CANDIDATE_COLUMNS, *REFORMAT_COLUMNS)

    easy_marker: str = Field(default="<EASY>", min_length=1)
    """What opens the thought of an easy problem."""
    long_marker: str = Field(default="<LONG>", min_length=1)
    """What opens the long path."""
    layout: Literal["both", "one"] = "both"
    """An easy row holds both paths, or the short one alone."""

    def run(self, row: Row) -> list[Row]:
        if row["mode"] != LONG:
            return []
        paths, response = self._paths(row)
        columns: Row = {MODE.name: paths[0][0], COMPLETION.name: None, SEGMENTS.name: None}
        if not all(text.strip() for _, _, text in paths):
            return [refusal(row, METHOD, "a path without reasoning", **columns)]
        if any(marker in text for _, _, text in paths for marker in (self.easy_marker, self.long_marker)):
            return [refusal(row, METHOD, "its text holds a marker", **columns)]
        reasoning = "\n\n".join(f"{marker}\n{text}" for _, marker, text in paths)
        columns[SEGMENTS.name] = _segments(reasoning, paths)
        return [candidate(row, METHOD, reasoning, response, **columns)]

    def _paths(self, row: Row) -> tuple[list[tuple[str, str, str]], str]:
        """(mode, marker, text) of each path, and the response: that of the first path.

        An instruct model thinks in its response: that is then the short path, and the long one's response ends it all.
        """
        long, short = (LONG, self.long_marker, row["reasoning"]), row["counterpart"]
        if not short:
            return [long], row["response"]
        easy = (_EASY, self.easy_marker, short["reasoning"] or short["response"])
        response = short["response"] if short["reasoning"] else row["response"]
        return ([easy, long] if self.layout == "both" else [easy]), response


def _segments(reasoning: str, paths: list[tuple[str, str, str]]) -> list[Row]:
    """Spans of the paths' texts in the whole turn."""
    found, at = [], 0
    for mode, marker, text in paths:
        start = at + len(f"{marker}\n")
        at = start + len(text) + len("\n\n")
        kind = SHORT if mode == _EASY else LONG
        found.append({"start": len(PREFILL) + start, "end": len(PREFILL) + start + len(text), "kind": kind})
    assert found[-1]["end"] == len(PREFILL) + len(reasoning)
    return found
