"""Reads problems, or existing traces with their problems, from files or the Hub into our columns.

    records ── layout (preset, synonyms, `columns`) ──> items, one per trace ──> rows
                                                           └── a sentence per bad row

Texts are taken as they are. Two things are derived, and noted in `meta`: a gold answer that stands only inside a worked
solution (`answer_from`), and reasoning split off by its markup (`markup`, `flags`). `meta` also keeps every column that
was not mapped. Problems are told apart by `problem_id`: the first row of a problem wins; a later trace of it gets the
first row's gold (its own, if spelled differently, stays in `meta` as `answer_in_row`), so that all traces of a problem
are judged alike. What is held in memory is a few hundred bytes per row, never its text.
"""

import csv
import zlib
from collections.abc import Iterator
from itertools import islice
from typing import ClassVar, Literal

import pyarrow as pa
from pydantic import Field

from pipeline.stage import Location, Row, ShareOfSource, Source
from schemas import tokens
from schemas.columns import ARRIVAL, PROBLEM_COLUMNS, TRACE_COLUMNS, Column
from schemas.problem import stable_id
from stages.presets import (
    PRESETS,
    PROBLEM_NAMES,
    TRACE_NAMES,
    Layout,
    available,
    choose_layout,
    exists,
    explodes,
    look_up,
)  # fmt: skip
from stages.readers import Files, HubDataset, Record, open_location
from stages.rows import Import

_N_SAMPLE = 64


class Ingest(Source):
    """See the module. `mapping()` tells which source column became which of ours."""

    version: ClassVar[int] = 2

    path: Location
    """A file, a folder, an object-store URI or `hf://org/name`."""
    rows: Literal["problems", "traces"] = "problems"
    """What a row of the result is; traces bring their problems with them."""
    preset: str = "auto"
    """A convention of `stages.presets`, or `auto`: the first one whose columns are there."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Own name -> place in the source (see `stages.presets`); wins over the preset, and '' switches a name off."""
    kind: Literal["", "math", "code", "choice", "open"] = ""
    """Kind of all problems; empty detects it per row from options, tests and answer."""
    source: str = ""
    """Name of the data set in every row; empty takes the source's own column, else the name of the file."""
    license: str = ""
    """Licence of every row; empty takes the source's own column, else 'unknown'."""
    config: str = ""
    """Configuration of a Hub data set; empty takes its default."""
    split: str = ""
    """Split of a Hub data set; empty takes `train`."""
    revision: str = ""
    """Branch, tag or commit of a Hub data set; empty takes `main` as it is now."""
    limit: ShareOfSource = Field(default=0, ge=0)
    """Reading stops at the first problem beyond this many; 0 reads all. Later traces of the first ones are not read."""
    token_counter: str = tokens.ESTIMATE
    """Counts the tokens of traces: a tokenizer folder, a Hub id, or 'words*1.3'."""

    @property
    def writes(self) -> tuple[Column, ...]:  # type: ignore[override]
        return (*PROBLEM_COLUMNS, ARRIVAL, *(TRACE_COLUMNS if self.rows == "traces" else ()))

    def digest(self) -> str:
        """Content of the source; its file name too where that becomes the data set's name."""
        return stable_id(self.source or self._opened().name, self._opened().digest(), self.limit)

    def describe(self) -> str:
        mapped = ", ".join(f"{own} <- {place}" for own, place in self.mapping().items())
        return f"{self._opened().name}: {mapped}"

    def mapping(self) -> dict[str, str]:
        """Own name -> place in the source, as it will be used."""
        names = PROBLEM_NAMES if self.rows == "problems" else (*PROBLEM_NAMES, *TRACE_NAMES)
        return {own: place for own, place in self._layout(self._found()).mapping.items() if own in names}

    def problems(self) -> list[str]:
        unknown = [name for name in self.columns if name not in (*PROBLEM_NAMES, *TRACE_NAMES)]
        wrong = [
            f"columns: {name!r} is no column of Laconic; use {', '.join((*PROBLEM_NAMES, *TRACE_NAMES))}"
            for name in unknown
        ]
        if self.preset != "auto" and self.preset not in PRESETS:
            wrong.append(f"preset {self.preset!r} is unknown; use auto, {', '.join(PRESETS)}")
        return wrong or self._problems_of_source()

    def _problems_of_source(self) -> list[str]:
        try:
            sample = self._sample()
            found = self._found(sample)
            if self.rows == "traces":
                tokens.counter(self.token_counter)
        except (OSError, EOFError, ValueError, zlib.error, csv.Error, pa.ArrowException) as error:
            reason = str(error).strip().split("\n")[0]
            return [reason if reason.startswith((self.path, "hf://", "token_counter")) else f"{self.path}: {reason}"]
        if not sample:
            return [f"{self.path}: no readable row among the first {_N_SAMPLE}; {self._first_reason()}"]
        return self._problems_of_columns(found) or self._problems_of_types(sample, self._layout(found))

    def _problems_of_columns(self, found: dict[str, None]) -> list[str]:
        there = f"{self.path} has: {', '.join(found)}"
        missing = [
            f"columns: {own} is mapped to {place!r}, which does not exist; {there}"
            for own, place in self.columns.items()
            if place and not exists(place, found)
        ]
        marks = PRESETS[self.preset].marks if self.preset != "auto" else ()
        missing += [f"preset {self.preset!r} needs {mark!r}; {there}" for mark in marks if not exists(mark, found)]
        mapping = self._layout(found).mapping
        for own in ("problem",) if self.rows == "problems" else ("problem", "response"):
            if own not in mapping:
                missing.append(f"no {own} column was recognised; map it as `columns: {{{own}: NAME}}`; {there}")
        return missing

    def _problems_of_types(self, sample: list[Record], layout: Layout) -> list[str]:
        """Refuses a text column that holds no text in any sampled row; single rows are told while reading."""
        wrong = []
        for own in ("problem",) if self.rows == "problems" else ("problem", "response"):
            place = layout.mapping[own]
            values = [look_up(record, place) for record in sample]
            if explodes(place):
                values = [one for value in values if isinstance(value, list) for one in value]
            types = {type(value).__name__ for value in values if value is not None}
            if types and "str" not in types:
                wrong.append(
                    f"{self.path}: {own} is read from {place!r}, which is {', '.join(sorted(types))}, not text"
                )
        return wrong

    def run(self) -> Iterator[Row | Exception]:
        """Rows with every column of `writes`, or ValueError("row 17: ...") in place of a bad one."""
        opened = self._opened()
        imported = Import(
            layout=self._layout(self._found()),
            traces=self.rows == "traces",
            kind=self.kind,
            source=self.source,
            license=self.license,
            default_source=opened.name,
            limit=self.limit,
            counter_name=self.token_counter,
            count=tokens.counter(self.token_counter) if self.rows == "traces" else len,
        )
        for place, record in opened.records():
            yield from imported.rows(place, record)
            if imported.full:
                return

    def _opened(self) -> Files | HubDataset:
        return open_location(self.path, self.config, self.split, self.revision)

    def _sample(self) -> list[Record]:
        first = islice(self._opened().records(), _N_SAMPLE)
        return [record for _, record in first if not isinstance(record, ValueError)]

    def _first_reason(self) -> str:
        return next((f"{place}: {record}" for place, record in self._opened().records()), "it is empty")

    def _found(self, sample: list[Record] | None = None) -> dict[str, None]:
        return available(self._opened().column_names(), self._sample() if sample is None else sample)

    def _layout(self, found: dict[str, None]) -> Layout:
        return choose_layout(self.preset, self.columns, found)
