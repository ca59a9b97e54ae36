"""Judges every trace by its final answer. Sees the response only, never the reasoning, and does not care who wrote it.

    gold answer, kind, response -> the kind's verifier -> outcome, answer found, reason, verifier and its versions

A kind without a verifier, and a problem without a gold answer, give `ungradable`: a statement, not an error.
"""

from typing import ClassVar

from pydantic import Field

from pipeline.stage import Map, Row
from schemas.columns import VERDICT_COLUMNS, Column
from schemas.verdict import Outcome
from verifiers import for_kind
from verifiers.math import MathVerifier


class Verify(Map):
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("answer", "kind", "response", "finish_reason")
    writes: ClassVar[tuple[Column, ...]] = VERDICT_COLUMNS

    timeout_s: float = Field(default=1.0, gt=0, le=60)
    """CPU seconds that one symbolic comparison may take."""
    retry_timeout_s: float = Field(default=3.0, ge=0, le=600)
    """CPU seconds of the second attempt after a time-out; 0 makes none. What exceeds it has the outcome `timeout`."""

    def code_identity(self) -> dict[str, str]:
        return {"math": MathVerifier().version}

    def run(self, row: Row) -> Row:
        judge = for_kind(row["kind"])
        if judge is None:
            return _verdict(Outcome.UNGRADABLE, None, f"kind `{row['kind']}` has no verifier", "none")
        verifier = judge(timeout_s=self.timeout_s, retry_timeout_s=self.retry_timeout_s)
        truncated = row["finish_reason"] == "length"
        verdict = verifier.verify({"answer": row["answer"]}, row["response"] or "", truncated=truncated)
        return _verdict(verdict.outcome, verdict.answer_found, verdict.reason, verdict.verifier)


def _verdict(outcome: Outcome, answer_found: str | None, reason: str, verifier: str) -> Row:
    return {
        "outcome": outcome.value,
        "answer_found": answer_found,
        "verdict_reason": reason,
        "verifier": verifier,
    }
