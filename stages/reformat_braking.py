r"""Ends an overthinking trace with a braking sentence behind a masked stretch of its surplus: Self-Braking Tuning.

    steps ── which state the gold answer ──> kept part ── start of the surplus, masked ── braking sentence ── response
      exact    kept: through the second statement of the answer; masked: the next two sentences
      dynamic  kept: while the score of what is used stays below tau; masked: from there until tau + margin

Source: Self-Braking Tuning (arXiv 2505.14604; code ZJU-REAL/Self-Braking-Tuning), SBT-E and SBT-D: 30 to 60 % fewer
tokens. The model sees surplus begin and brakes, and the surplus gets no loss: `segments` of kind `masked` span it in
the assistant's turn. Behind `score_overthinking`, whose rule takes the place of the two judges. Changed: one
well-formed turn with its closing tag (the released exact variant keeps the masked sentences beside the text, and both
may lack the tag); markers are whole words; where no second statement follows, the first one counts. As there,
score = 0.9 (1 - first / used) + 0.1 marker share of what follows, tau 0.2, margin 0.05.

A candidate keeps the old response: verify it. The braking sentence is English, so other scripts are left alone.
"""

import re
from collections.abc import Iterator
from typing import ClassVar, Literal, NamedTuple

from pydantic import Field

from pipeline.stage import Fan, Row
from schemas import tokens
from schemas.columns import COMPLETION, MODE, REFORMAT_COLUMNS, SEGMENTS, Column
from schemas.problem import Kind
from schemas.trace import Step, segment
from stages.candidates import CANDIDATE_COLUMNS, SOURCE_READS, candidate, refusal, unfit_reason
from stages.score_overthinking import marker_share
from stages.stated_answer import states_answer
from stages.surprisal import PREFILL
from stages.thoughts import language_of
from verifiers.math import MathVerifier

METHOD = "braking"
_SENTENCE_END = re.compile(r"[.!?](?=\s)|\n\s*\n")
_BRAKES = {
    "exact": "I have come to the same answer twice now, so there is nothing left to check and I stop here.",
    "dynamic": "Going on would only repeat what I already have, so I stop thinking here.",
}


class Cut(NamedTuple):
    """Offsets in the reasoning: what is kept ends at `kept`, what is masked at `masked`."""

    kept: int
    masked: int


class ReformatBraking(Fan):
    version: ClassVar[int] = 1
    beside: ClassVar[bool] = True
    reads: ClassVar[tuple[str, ...]] = (*SOURCE_READS, "first_solution_step", "overthinking")
    writes: ClassVar[tuple[Column, ...]] = (*CANDIDATE_COLUMNS, *REFORMAT_COLUMNS)

    variant: Literal["exact", "dynamic"] = "exact"
    """SBT-E, which cuts by solutions, or SBT-D, which cuts by the score of what is used."""
    tau: float = Field(default=0.2, gt=0, lt=1)
    """A trace overthinks above this score."""
    margin: float = Field(default=0.05, gt=0, lt=1)
    """How far above tau the masked stretch goes on, with `variant: dynamic`."""
    masked_sentences: int = Field(default=2, ge=1, le=20)
    """Sentences of the surplus that are shown and masked, with `variant: exact`."""
    efficiency_weight: float = Field(default=0.9, ge=0, le=1)
    """Weight of what follows the first solution, as in `score_overthinking`; the rest is that of the markers."""
    braking: str = ""
    """The braking sentence; empty takes the one of the variant."""
    first_only: bool = True
    """Leaves alone what other methods made."""
    timeout_s: float = Field(default=1.0, gt=0, le=60)
    """CPU seconds that judging one stated answer may take; what takes longer does not count as correct."""

    def code_identity(self) -> dict[str, str]:
        return {"math": MathVerifier().version}

    def run(self, row: Row) -> list[Row]:
        if self.first_only and row["parent_id"] is not None:
            return []
        columns: Row = {MODE.name: None, COMPLETION.name: None, SEGMENTS.name: None}
        reason, cut = self.cut(row)
        if cut is None:
            return [refusal(row, METHOD, reason, **columns)]
        shown, brake = row["reasoning"][: cut.masked].rstrip(), self.braking or _BRAKES[self.variant]
        start, end = len(PREFILL) + cut.kept, len(PREFILL) + len(shown)
        behind = end + len("\n\n")
        columns[SEGMENTS.name] = [
            {"start": start, "end": end, "kind": "masked"},
            {"start": behind, "end": behind + len(brake), "kind": "braking"},
        ]
        return [candidate(row, METHOD, f"{shown}\n\n{brake}", row["response"], **columns)]

    def cut(self, row: Row) -> tuple[str, Cut | None]:
        """(why the trace stays as it is, where it is cut)."""
        if unfit := unfit_reason(row) or ("" if row["kind"] == Kind.MATH else "no math problem"):
            return unfit, None
        if language_of(row["reasoning"]) != "en":
            return "not in a Latin script", None
        if row["first_solution_step"] is None:
            return "no step states the answer", None
        if row["overthinking"] <= self.tau:
            return "does not overthink", None
        steps = segment(row["reasoning"])
        found = (self._exact if self.variant == "exact" else self._dynamic)(row, steps)
        if found is None or found.masked >= len(row["reasoning"].rstrip()):
            return "nothing would be saved", None
        return "", found

    def _exact(self, row: Row, steps: list[Step]) -> Cut | None:
        verifier = MathVerifier(timeout_s=self.timeout_s, retry_timeout_s=0)
        first = row["first_solution_step"]
        rest = range(first + 1, len(steps))
        second = next((i for i in rest if states_answer(steps[i].text, row["answer"], verifier)), first)
        if second + 1 == len(steps):
            return None
        kept = steps[second + 1].start
        return Cut(kept, kept + _sentences(row["reasoning"][kept:], self.masked_sentences))

    def _dynamic(self, row: Row, steps: list[Step]) -> Cut | None:
        """The first step that lifts the score to tau is the first one masked."""
        kept: int | None = None
        for last, score in zip(steps, self._scores(row, steps), strict=True):
            if score < self.tau and kept is None:
                continue
            kept = last.start if kept is None else kept
            if score > self.tau + self.margin:
                return Cut(kept, last.start + len(last.text))
        return None if kept is None else Cut(kept, len(row["reasoning"]))

    def _scores(self, row: Row, steps: list[Step]) -> Iterator[float]:
        """The score of the steps up to each one: markers are counted behind the first solution, against all tokens."""
        n_first, counter, language = row["first_solution_step"] + 1, row["token_counter"], language_of(row["problem"])
        count, n_tokens, n_marked = tokens.counter(counter), 0, 0.0
        for used, step in enumerate(steps, 1):
            n_here = count(step.text)
            n_tokens += n_here
            if used <= n_first:
                yield 0.0
                continue
            n_marked += marker_share(step.text, language, counter) * n_here
            rest = self.efficiency_weight * (1 - n_first / used)
            yield rest + (1 - self.efficiency_weight) * n_marked / max(n_tokens, 1)


def _sentences(text: str, n: int) -> int:
    """Characters of the first `n` sentences; all of a text that has fewer."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    return ends[n - 1] if len(ends) >= n else len(text)
