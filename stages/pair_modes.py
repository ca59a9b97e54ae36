"""Picks a long and a short trace of each problem, for training a model that has two modes of reasoning.

    correct traces of a problem ── long style, short style ──> the shortest of each ──> `mode`, `counterpart`
                                └─ no styles named: shortest and longest, at least `min_ratio` apart

The long trace carries the texts of its counterpart, so that a `reformat_*` stage finds both in one row. A problem with
a single length has a long trace only: what cannot be compared is not called short. Paired modes are what AutoL2S
(arXiv 2505.22662), Thinkless (2505.13379) and AdaCtrl (2505.18822) begin with; each has its own stage behind this one.
"""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from pipeline.stage import Group, Row
from schemas.columns import COUNTERPART, MODE, MODE_COLUMNS, Column
from stages.preferences import PAIR_READS, contenders, n_tokens

LONG, SHORT = "long", "short"


class PairModes(Group):
    version: ClassVar[int] = 1
    reads_if_present: ClassVar[tuple[str, ...]] = ("rejected_by",)
    writes: ClassVar[tuple[Column, ...]] = MODE_COLUMNS

    long: tuple[str, ...] = ()
    """Models or methods of the long style; empty goes by length alone."""
    short: tuple[str, ...] = ()
    """Models or methods of the short style."""
    style_column: Literal["model", "method"] = "method"
    """Column that tells the styles apart."""
    min_ratio: float = Field(default=1.2, ge=1)
    """The long trace must have at least this many times the tokens of the short one."""

    @model_validator(mode="after")
    def _both_styles_or_none(self) -> Self:
        if bool(self.long) != bool(self.short):
            raise ValueError("give both `long` and `short`, or neither")
        if both := sorted(set(self.long) & set(self.short)):
            raise ValueError(f"{both[0]!r} stands in `long` and in `short`; a {self.style_column} has one style")
        return self

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*PAIR_READS, "reasoning", "response", self.style_column)

    def run(self, rows: list[Row]) -> list[Row]:
        correct = contenders(rows).correct
        long, short = self._of_styles(correct) if self.long else _by_length(correct)
        if long and short and n_tokens(long) < self.min_ratio * n_tokens(short):
            short = None
        found = {}
        if long:
            found[long["trace_id"]] = {MODE.name: LONG, COUNTERPART.name: _texts(short) if short else None}
        if short:
            found[short["trace_id"]] = {MODE.name: SHORT, COUNTERPART.name: _named(long) if long else None}
        nothing = {MODE.name: None, COUNTERPART.name: None}
        return [dict(found.get(row["trace_id"], nothing)) for row in rows]

    def _of_styles(self, correct: list[Row]) -> tuple[Row | None, Row | None]:
        """The shortest of each style."""
        long = (row for row in correct if row[self.style_column] in self.long)
        short = (row for row in correct if row[self.style_column] in self.short)
        return next(long, None), next(short, None)


def _by_length(correct: list[Row]) -> tuple[Row | None, Row | None]:
    return (correct[-1] if correct else None), (correct[0] if len(correct) > 1 else None)


def _texts(row: Row) -> Row:
    return {name: row[name] for name in ("trace_id", "reasoning", "response")}


def _named(row: Row) -> Row:
    return {"trace_id": row["trace_id"], "reasoning": None, "response": None}
