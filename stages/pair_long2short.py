"""Preference pairs for brevity after Kimi k1.5: the shortest correct trace against what is longer (long2short DPO).

    correct traces ── shortest ──> chosen ──┬── wrong and longer ─────────────> long2short_wrong
                                            └── correct, over `ratio` x longer ─> long2short_correct

Source: Kimi k1.5 (arXiv 2501.12599), section on long2short: eight samples of a problem; wrong answers that are longer
than the chosen one, and correct ones longer than 1.5 times it, lose. Lengths are tokens of thinking and response.
Candidates of shorteners take part like samples; `first_only` keeps to samples, as there.

Not covered: wrong answers that are shorter. Put `pair_long_short` with `short_wrong` beside it, so that brevity alone
is not what the model learns.
"""

from typing import ClassVar

from pydantic import Field

from pipeline.stage import Group, Row
from schemas.columns import PAIR_COLUMNS, Column
from stages.preferences import PAIR_READS, PAIR_READS_IF_PRESENT, contenders, n_tokens, whole_pair, written


class PairLong2short(Group):
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = (*PAIR_READS, "parent_id")
    reads_if_present: ClassVar[tuple[str, ...]] = PAIR_READS_IF_PRESENT
    writes: ClassVar[tuple[Column, ...]] = PAIR_COLUMNS

    ratio: float = Field(default=1.5, ge=1)
    """A correct trace loses if it is longer than this many times the chosen one."""
    max_pairs: int = Field(default=0, ge=0)
    """Pairs per problem, wrong traces first, then the longest; 0 takes all."""
    first_only: bool = False
    """Leaves out what shorteners made."""

    def run(self, rows: list[Row]) -> list[Row]:
        field = contenders([row for row in rows if not (self.first_only and row["parent_id"])])
        if not field.correct:
            return written(rows, (), "pair_long2short: no correct trace")
        chosen = field.correct[0]
        limit = self.ratio * n_tokens(chosen)
        wrong = [row for row in reversed(field.wrong) if n_tokens(row) > n_tokens(chosen)]
        verbose = [row for row in reversed(field.correct) if n_tokens(row) > limit]
        pairs = [whole_pair("long2short_wrong", chosen, row) for row in wrong]
        pairs += [whole_pair("long2short_correct", chosen, row) for row in verbose]
        made = [(chosen["trace_id"], pair) for pair in pairs[: self.max_pairs or None]]
        return written(rows, made, "pair_long2short: nothing is long enough to lose")
