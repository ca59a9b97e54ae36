"""Step pairs without a model: the first false step of a wrong trace against the step that a correct sibling took.

    wrong trace ── `first_false_step` (audit_steps) ──> fork ── shortest correct trace with the same beginning ──> step

Step-DPO (arXiv 2406.18629) without its judge and its continuations: the audit finds the step by arithmetic, siblings
give the better one. Free, and rare: samples part within a few words, so most pairs fork at the first step or come from
candidates that share their parent's beginning. `pair_step` asks a model where no sibling fits.
"""

from typing import ClassVar

from pydantic import Field

from pipeline.stage import Group, Row
from schemas.columns import PAIR_COLUMNS, Column
from schemas.trace import segment
from stages.preferences import PAIR_READS, PAIR_READS_IF_PRESENT, contenders, written
from stages.step_pairs import Fork
from verifiers.audit import version


class PairStepSiblings(Group):
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = (*PAIR_READS, "reasoning", "first_false_step")
    reads_if_present: ClassVar[tuple[str, ...]] = PAIR_READS_IF_PRESENT
    writes: ClassVar[tuple[Column, ...]] = PAIR_COLUMNS

    max_pairs: int = Field(default=1, ge=1)
    """Wrong traces of a problem that get a pair, shortest first; the paper takes one."""

    def code_identity(self) -> dict[str, str]:
        return {"audit": version()}

    def run(self, rows: list[Row]) -> list[Row]:
        field, made, reason = contenders(rows), [], "no wrong trace"
        for row in field.wrong:
            fork = audited_fork(row)
            found = fork.step_of_sibling(field.correct) if fork else None
            if fork and found:
                made.append((row["trace_id"], fork.pair(found[0], found[1]["trace_id"])))
            reason = "no correct trace begins in the same way" if fork else "no false statement in its reasoning"
        return written(rows, made[: self.max_pairs], f"pair_step_siblings: {reason}")


def audited_fork(row: Row) -> Fork | None:
    """The fork at the first false statement; none if there is none, or only in the response."""
    step = row["first_false_step"]
    return Fork(row, step) if step is not None and step < len(segment(row["reasoning"] or "")) else None
