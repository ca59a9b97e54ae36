"""The whole contract between a method and the engine room.

A stage is a frozen pydantic model: its fields are its configuration, checked when the recipe is read. It declares
`reads` (column names), `writes` (columns) and an integer `version`; it is given exactly what it reads, as a plain dict
per row, and returns exactly what it writes. Five shapes, told apart by base class:

    Source   nothing          -> rows            ingest
    Map      row              -> new columns     verify, sign_minhash
    Fan      row              -> new rows        generate, every shortener
    Group    rows of a problem-> new columns     pass rate, select
    Table    all rows         -> new columns     dedup, decontaminate
    Artifact all rows         -> files           shard

An exception out of `run` makes that row (that problem, for a Group) a bad row with its reason; it never stops a run,
except in a `Source`, `Table` or `Artifact`, which have no row to blame. A stage with an `engine` field calls a model:
its `run` is `async` and takes the engine as its second argument. `version` is raised whenever the code changes what is
written for the same input; that, the fields that differ from their defaults, `reads` and `writes` are the identity.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar

import polars as pl
from pydantic import BaseModel, ConfigDict

from schemas.columns import Column

Row = dict[str, Any]


class _NotIdentity:
    """Marks a field that may not change what is written, such as a path: it stays out of the fingerprint."""


NOT_IDENTITY = _NotIdentity()
Location = Annotated[str, NOT_IDENTITY]
"""Where something lies. Its *content* enters identities (see `Source.digest`), the place never does."""
ShareOfSource = Annotated[int, NOT_IDENTITY]
"""How much of a source is read. It enters the source's digest; no single row depends on it."""


class Stage(BaseModel):
    """Common part of all shapes. `reads_if_present` names columns that are used where an earlier node wrote them."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    version: ClassVar[int]
    reads: ClassVar[tuple[str, ...]] = ()
    reads_if_present: ClassVar[tuple[str, ...]] = ()
    writes: ClassVar[tuple[Column, ...]] = ()

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """The method itself; each shape says what it is given and what it returns."""
        raise NotImplementedError

    def prompts(self) -> dict[str, str]:
        """Texts that shape what a model sees, by name; their digests enter the identity."""
        return {}

    def code_identity(self) -> dict[str, str]:
        """Versions of what this stage delegates to (a verifier, a tokenizer); they enter the identity."""
        return {}

    def problems(self) -> list[str]:
        """What is wrong with this configuration on this machine, a sentence each; asked before any work starts."""
        return []


class Source(Stage):
    """Rows from outside. `digest` names the content, so that an unchanged source costs one hash."""

    def digest(self) -> str:
        raise NotImplementedError

    def describe(self) -> str:
        """One line for people: what is read and how it was understood."""
        return type(self).__name__

    def run(self) -> Iterator[Row | Exception]:
        """Yields rows with every column of `writes` (`problem_id` among them), or the reason why a row is bad."""
        raise NotImplementedError


class Map(Stage):
    def run(self, row: Row) -> Row:
        raise NotImplementedError


class Fan(Stage):
    """`beside=True`: the new rows stand beside the row they came from; otherwise they take its place."""

    beside: ClassVar[bool]

    def run(self, row: Row) -> list[Row]:
        raise NotImplementedError


class Group(Stage):
    def run(self, rows: list[Row]) -> list[Row]:
        """All rows of one problem in, one dict of new columns per row out, in the same order."""
        raise NotImplementedError


class Table(Stage):
    def run(self, rows: pl.DataFrame) -> pl.DataFrame:
        """All rows with `reads` in; a frame of `writes`, one row per row in and in the same order, out."""
        raise NotImplementedError


class Artifact(Stage):
    def run(self, partitions: Iterator[pl.DataFrame], folder: Path, origin: dict[str, Any]) -> Row:
        """Writes files under `folder` from frames that come in `problem_id` order; returns counts to print.

        `origin` is the provenance to write beside the files: recipe, fingerprints, digest of the input.
        """
        raise NotImplementedError
