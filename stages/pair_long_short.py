"""Preference pairs with one outcome and two lengths: the shortest correct trace against the longest correct one.

    correct traces ── shortest, longest, at least `min_ratio` apart ──────────────> long_short
    short_wrong:      longest correct one against a wrong one that is shorter ────> short_wrong

Source: Sky-T1-Flash (NovaSky-AI/SkyThought), which cuts the shortest of eight samples at its first correct solution and
pairs it with the longest correct one, beside pairs of a long right answer against a short wrong one: without those a
model learns that short is good even if it is wrong. Two traces of nearly the same length teach nothing; `min_ratio` is
ours, and so is its value.
"""

from typing import ClassVar

from pydantic import Field

from pipeline.stage import Group, Row
from schemas.columns import PAIR_COLUMNS, Column
from stages.preferences import PAIR_READS, PAIR_READS_IF_PRESENT, contenders, n_tokens, whole_pair, written


class PairLongShort(Group):
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = PAIR_READS
    reads_if_present: ClassVar[tuple[str, ...]] = PAIR_READS_IF_PRESENT
    writes: ClassVar[tuple[Column, ...]] = PAIR_COLUMNS

    min_ratio: float = Field(default=1.2, ge=1)
    """The longest must have at least this many times the tokens of the shortest."""
    short_wrong: bool = False
    """Also pairs the longest correct trace with the longest wrong one that is shorter."""

    def run(self, rows: list[Row]) -> list[Row]:
        field = contenders(rows)
        if not field.correct:
            return written(rows, (), "pair_long_short: no correct trace")
        shortest, longest = field.correct[0], field.correct[-1]
        made = []
        if longest is not shortest and n_tokens(longest) >= self.min_ratio * n_tokens(shortest):
            made.append((shortest["trace_id"], whole_pair("long_short", shortest, longest)))
        shorter = [row for row in field.wrong if n_tokens(row) < n_tokens(longest)]
        if self.short_wrong and shorter:
            made.append((longest["trace_id"], whole_pair("short_wrong", longest, shorter[-1])))
        return written(rows, made, "pair_long_short: its correct traces are equally long")
