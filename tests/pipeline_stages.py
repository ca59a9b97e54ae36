"""Tiny stages of every shape, whose results are easy to work out by hand, and recipes and runs made of them.

Deal -> rows of small integers `x`, several per problem      Mix  -> a column from a column; refuses some values
Split, SplitBeside -> none to two new rows from a row        Sum  -> running sum within a problem
Rank -> place in the whole table                             Lines -> one file with all rows
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar

import polars as pl
import pyarrow as pa
from pydantic import Field

from pipeline.execution import ExecutionConfig
from pipeline.fingerprint import digest
from pipeline.recipe import Node, Recipe
from pipeline.run import Run, run
from pipeline.stage import NOT_IDENTITY, Artifact, Fan, Group, Location, Map, Row, Source, Table
from schemas.columns import PROBLEM_ID, Column, Level

BASE = Column("base", pa.int64(), "integer", "The same for all rows of a problem.", Level.PROBLEM)
X, Y, Z = (Column(name, pa.int64(), "integer", "One row's own value.") for name in "xyz")
COLUMNS = {column.name: column for column in (X, Y, Z)}


def problem_id(base: int) -> str:
    """16 hex digits that spread over all partitions."""
    return digest(["problem", base])[:16]


class Deal(Source):
    """Rows (base, x) as given; the pair's content is no part of the identity, as with a file. Negative x is bad."""

    version: ClassVar[int] = 1
    writes = (PROBLEM_ID, BASE, X)

    pairs: Annotated[tuple[tuple[int, int], ...], NOT_IDENTITY] = ()

    def digest(self) -> str:
        return digest(self.pairs)

    def run(self) -> Iterator[Row | Exception]:
        for base, x in self.pairs:
            yield ValueError(f"{x} is negative") if x < 0 else {"problem_id": problem_id(base), "base": base, "x": x}


class Mix(Map):
    version: ClassVar[int] = 1

    column: str = "x"
    to: str = "y"
    add: int = 1
    refused: int = -1
    """Remainder by 5 that is refused."""

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.column,)

    @property
    def writes(self) -> tuple[Column, ...]:  # type: ignore[override]
        return (COLUMNS[self.to],)

    def run(self, row: Row) -> Row:
        value = row[self.column] or 0
        if value % 5 == self.refused:
            raise ValueError(f"refuses {value}")
        return {self.to: value * 3 + self.add}


class Split(Fan):
    version: ClassVar[int] = 1
    beside: ClassVar[bool] = False
    reads = ("x",)

    to: str = "y"
    """A second column of the new rows."""
    refused: int = -1

    @property
    def writes(self) -> tuple[Column, ...]:  # type: ignore[override]
        return (X, COLUMNS[self.to])

    def run(self, row: Row) -> list[Row]:
        value = row["x"]
        if value % 5 == self.refused:
            raise ValueError(f"refuses {value}")
        return [{"x": value * 2 + child, self.to: child} for child in range(value % 3)]


class SplitBeside(Split):
    beside: ClassVar[bool] = True


class Sum(Group):
    version: ClassVar[int] = 1

    column: str = "x"
    refused: int = -1
    reads_more: bool = Field(default=False)
    """Whether `base` is read as well."""

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.column, "base") if self.reads_more else (self.column,)

    writes = (Z,)

    def run(self, rows: list[Row]) -> list[Row]:
        sums, total = [], 0
        for row in rows:
            total += row[self.column] or 0
            sums.append({"z": total})
        if total % 5 == self.refused:
            raise ValueError(f"refuses {total}")
        return sums


class Rank(Table):
    version: ClassVar[int] = 1
    reads = ("x",)
    writes = (Z,)

    def run(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.select(pl.int_range(pl.len(), dtype=pl.Int64).alias("z"))


class Lines(Artifact):
    version: ClassVar[int] = 1
    reads = ("problem_id", "x")
    reads_if_present = ("y", "z")

    def run(self, partitions: Iterator[pl.DataFrame], folder: Path, origin: dict[str, Any]) -> Row:
        folder.mkdir(parents=True)
        rows = [row for frame in partitions for row in frame.to_dicts()]
        (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (folder / "origin.json").write_text(json.dumps(origin))
        return {"n_rows": len(rows)}


class TraceLines(Lines):
    """The same for real traces."""

    reads = ("problem_id", "trace_id", "reasoning", "response", "outcome", "n_correct")
    reads_if_present = ()


class Words(Map):
    """Text in, text out, for values that a column may not be able to hold."""

    version: ClassVar[int] = 1
    reads = ("problem",)
    writes = (Column("answer_found", pa.string(), "text", "The problem in capitals."),)

    problems_file: Location = ""

    def run(self, row: Row) -> Row:
        return {"answer_found": row["problem"].upper()}


def recipe(**nodes: Any) -> Recipe:
    """A recipe of stages by name; a pair (stage, parents) names its parents."""
    lines = {
        name: Node(stage=line[0], after=line[1]) if isinstance(line, tuple) else Node(stage=line)
        for name, line in nodes.items()
    }
    return Recipe(name="tiny", max_bad_share=1, nodes=lines)


def run_inline(a_recipe: Recipe, store: Path | str, partitions: int = 2) -> Run:
    return run(a_recipe, str(store), ExecutionConfig(executor="inline", partitions=partitions))


def computed(finished: Run) -> dict[str, int]:
    """Units that each node had to compute."""
    return {name: entry["n_computed"] for name, entry in finished.manifest["nodes"].items()}


def calls_made(finished: Run) -> int:
    return sum(entry["calls"]["n_made"] for entry in finished.manifest["nodes"].values())


def files_of(finished: Run, node: str) -> dict[str, bytes]:
    """Every file of an Artifact, by its name inside the folder."""
    folder = Path(finished.store.path(finished.artifacts()[node]["folder"]))
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
