"""What both deduplications share: which texts are compared, which of them stays, and how rows are marked.

    all rows -> units -> (dedup_exact | dedup_minhash) -> {id: (id that stands for it, similarity)} -> marks

A *unit* is a problem, or one trace among those of its problem. Units come best first, so the first unit of a set of
duplicates is the one that stays: problems by `source_priority`, then by `problem_id`; traces by their place in the
table, where a parent precedes what was made from it. Rows that an earlier node marked keep that mark and are not
compared; the row that they point to may be marked in its turn.
"""

from collections.abc import Mapping
from typing import Literal, Self

import polars as pl
from pydantic import BaseModel, ConfigDict, model_validator

from schemas.columns import DUPLICATE_OF, PROBLEM_ID, SIMILARITY, SOURCE, TRACE_ID

Found = Mapping[str, tuple[str, float]]
MARKS = (DUPLICATE_OF, SIMILARITY)


class Comparison(BaseModel):
    """Settings and marking that `DedupExact` and `DedupMinhash` have in common."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    scope: Literal["problems", "traces"] = "problems"
    """`problems` marks all rows of a duplicate problem; `traces` compares the traces within each problem."""
    column: Literal["problem", "reasoning", "response"] = "problem"
    """The text to compare: `problem` for problems, `reasoning` or `response` for traces."""
    source_priority: tuple[str, ...] = ()
    """Sources from best to worst: the problem of the best source stays; unnamed sources come last."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.scope == "problems") != (self.column == "problem"):
            fitting = "problem" if self.scope == "problems" else "reasoning or response"
            raise ValueError(f"scope {self.scope!r} compares the column {fitting}; set `column`, or another `scope`")
        if self.scope == "traces" and self.source_priority:
            raise ValueError("all traces of a problem share its source; remove `source_priority`")
        return self

    @property
    def id_column(self) -> str:
        return PROBLEM_ID.name if self.scope == "problems" else TRACE_ID.name

    @property
    def reads(self) -> tuple[str, ...]:
        ids = (PROBLEM_ID.name,) if self.scope == "problems" else (PROBLEM_ID.name, TRACE_ID.name)
        return (*ids, self.column, *([SOURCE.name] if self.source_priority else []))

    def units(self, rows: pl.DataFrame) -> pl.DataFrame:
        """One row per unmarked unit that has a text, best first."""
        if DUPLICATE_OF.name in rows.columns:
            rows = rows.filter(pl.col(DUPLICATE_OF.name).is_null())
        rows = rows.drop_nulls([self.id_column, self.column])
        units = rows.unique(self.id_column, keep="first", maintain_order=True)
        if self.scope == "traces":
            return units
        ranks = {source: rank for rank, source in enumerate(self.source_priority)}
        if not ranks:
            return units.sort(PROBLEM_ID.name)
        rank = pl.col(SOURCE.name).replace_strict(ranks, default=len(ranks), return_dtype=pl.UInt32)
        return units.sort(rank, PROBLEM_ID.name)

    def scopes(self, units: pl.DataFrame) -> list[str]:
        """What must be equal for two units to be compared at all: nothing, or their problem."""
        return [""] * units.height if self.scope == "problems" else units[PROBLEM_ID.name].to_list()

    def marks(self, rows: pl.DataFrame, found: Found) -> pl.DataFrame:
        """A mark for each row, in order: the one it had, else what was found for its unit, else null."""
        pairs = [found.get(unit_id, (None, None)) for unit_id in rows[self.id_column]]
        schema = {DUPLICATE_OF.name: pl.String, SIMILARITY.name: pl.Float64}
        new = pl.DataFrame(pairs, schema=schema, orient="row")
        if DUPLICATE_OF.name not in rows.columns:
            return new
        is_marked = rows[DUPLICATE_OF.name].is_not_null()
        return new.with_columns(rows[name].zip_with(is_marked, new[name]) for name in schema)
