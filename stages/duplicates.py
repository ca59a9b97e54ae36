"""What both deduplications share: which texts are compared, which of them stays, and how rows are marked.

    all rows -> units -> (dedup_exact | dedup_minhash) -> {id: (id that stands for it, similarity)} -> marks

A *unit* is a problem, or one trace among those of its problem. Units come best first, so the first unit of a set of
duplicates is the one that stays: problems by `source_priority`, by `prefer`, by `arrival`, then by `problem_id`; traces
by `prefer`, then by their place in the table, where a parent precedes what was made from it. So earlier problems win
when a file grows at its end, and with an order of sources from old to new when others are added: the order is a
property of the rows, not of the runs that brought them, and a store that grew marks as one made at once. Rows that an
earlier node marked keep that mark and are not compared; the row that they point to may be marked in its turn.

    source_priority: [first_batch, second_batch]
    prefer: [{column: license, order: [MIT, Apache-2.0]}, {column: pass_rate, most: true}]
"""

from collections.abc import Mapping
from typing import Literal, Self

import polars as pl
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from schemas import columns
from schemas.columns import ARRIVAL, DUPLICATE_OF, PROBLEM_ID, SIMILARITY, SOURCE, TRACE_ID, Column, Level

Found = Mapping[str, tuple[str, float]]
MARKS = (DUPLICATE_OF, SIMILARITY)
_LEVELS = {column.name: column.level for column in vars(columns).values() if isinstance(column, Column)}


class Preference(BaseModel):
    """One rule of which duplicate stays: by named values from best to worst, by the greatest value, or by the least."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    order: tuple[str, ...] = ()
    most: bool = False
    least: bool = False

    @model_validator(mode="after")
    def _is_one_rule(self) -> Self:
        if [bool(self.order), self.most, self.least].count(True) != 1:
            raise ValueError(f"column {self.column!r} needs one of: order: [best, ..., worst], most: true, least: true")
        return self

    @property
    def key(self) -> pl.Expr:
        """What to sort by, ascending; values without a name in `order`, and nulls, come last."""
        column = pl.col(self.column)
        if self.order:
            ranks = {value: rank for rank, value in enumerate(self.order)}
            return column.replace_strict(ranks, default=len(ranks), return_dtype=pl.UInt32)
        value = column.cast(pl.Float64)
        return -value if self.most else value


class Comparison(BaseModel):
    """Settings and marking that `DedupExact` and `DedupMinhash` have in common."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    scope: Literal["problems", "traces"] = "problems"
    """`problems` marks all rows of a duplicate problem; `traces` compares the traces within each problem."""
    column: Literal["problem", "reasoning", "response"] = "problem"
    """The text to compare: `problem` for problems, `reasoning` or `response` for traces."""
    source_priority: tuple[str, ...] = ()
    """Sources from best to worst: the problem of the best source stays; unnamed sources come last."""
    prefer: tuple[Preference, ...] = ()
    """Which of several duplicates stays, after `source_priority`: {column, order: [best, ...] | most | least}, ..."""

    @field_validator("prefer")
    @classmethod
    def _columns_exist(cls, prefer: tuple[Preference, ...]) -> tuple[Preference, ...]:
        if unknown := [rule.column for rule in prefer if rule.column not in _LEVELS]:
            raise ValueError(f"there is no column {unknown[0]!r}; `prefer` names columns of schemas/columns.py")
        return prefer

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.scope == "problems") != (self.column == "problem"):
            fitting = "problem" if self.scope == "problems" else "reasoning or response"
            raise ValueError(f"scope {self.scope!r} compares the column {fitting}; set `column`, or another `scope`")
        if self.scope == "traces" and self.source_priority:
            raise ValueError("all traces of a problem share its source; remove `source_priority`")
        of_traces = [rule.column for rule in self.prefer if _LEVELS[rule.column] is Level.TRACE]
        if self.scope == "problems" and of_traces:
            raise ValueError(
                f"{of_traces[0]!r} describes a trace; to choose between problems prefer a problem's column"
            )
        return self

    @property
    def reads_if_present(self) -> tuple[str, ...]:
        return (*(column.name for column in MARKS), *((ARRIVAL.name,) if self.scope == "problems" else ()))

    @property
    def id_column(self) -> str:
        return PROBLEM_ID.name if self.scope == "problems" else TRACE_ID.name

    @property
    def reads(self) -> tuple[str, ...]:
        ids = (PROBLEM_ID.name,) if self.scope == "problems" else (PROBLEM_ID.name, TRACE_ID.name)
        source = [SOURCE.name] if self.source_priority else []
        return tuple(dict.fromkeys([*ids, self.column, *source, *(rule.column for rule in self.prefer)]))

    def units(self, rows: pl.DataFrame) -> pl.DataFrame:
        """One row per unmarked unit that has a text, best first."""
        if DUPLICATE_OF.name in rows.columns:
            rows = rows.filter(pl.col(DUPLICATE_OF.name).is_null())
        rows = rows.drop_nulls([self.id_column, self.column])
        units = rows.unique(self.id_column, keep="first", maintain_order=True)
        rules = self.prefer
        if self.source_priority:
            rules = (Preference(column=SOURCE.name, order=self.source_priority), *rules)
        keys = [rule.key for rule in rules]
        if self.scope == "problems":
            keys += [pl.col(name) for name in (ARRIVAL.name, PROBLEM_ID.name) if name in units.columns]
        return units.sort(*keys, maintain_order=True, nulls_last=True) if keys else units

    def scopes(self, units: pl.DataFrame) -> list[str]:
        """What must be equal for two units to be compared at all: nothing, or their problem."""
        return [""] * units.height if self.scope == "problems" else units[PROBLEM_ID.name].to_list()

    def marks(self, rows: pl.DataFrame, found: Found) -> pl.DataFrame:
        """A mark for each row, in order: the one it had, else what was found for its unit, else null."""
        stays = {unit_id: other for unit_id, (other, _) in found.items()}
        similarity = {unit_id: value for unit_id, (_, value) in found.items()}
        ids = rows[self.id_column]
        new = pl.DataFrame(
            {
                DUPLICATE_OF.name: ids.replace_strict(stays, default=None, return_dtype=pl.String),
                SIMILARITY.name: ids.replace_strict(similarity, default=None, return_dtype=pl.Float64),
            }
        )
        if DUPLICATE_OF.name not in rows.columns:
            return new
        is_marked = rows[DUPLICATE_OF.name].is_not_null()
        return new.with_columns(rows[name].zip_with(is_marked, new[name]) for name in new.columns)


def arrow_texts(texts: pl.Series) -> pa.LargeStringArray:
    """The texts as one Arrow array: offsets and bytes."""
    return texts.to_arrow().cast(pa.large_string())
