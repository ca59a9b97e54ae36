"""Shards: the selected rows as Parquet files that trainers and the Hub read as they are.

    rows of a problem ─┬─> `rejected_by` null ────> rows of the format ──> data/train-*.parquet ───────┐
                       └─> a rule of `excluded` ──> the same, and why ──> excluded/train-*.parquet ─┴─> README.md,
                                                                                                        dataset.json

A format makes one row of a selected trace (`sft`), of each pair that a selected trace carries (`preference`), or of a
problem with a selected row (`rl`). It may look at the rejected rows of the same problem: the trace that loses a pair is
rarely selected, and a pass rate counts wrong answers.

`dataset.json` comes last and exists only when everything else does: schema, counts, checksum of every file, one
`digest` over them, and the origin. A row that cannot be rendered is left out and named there with its reason; it never
stops a run.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import Field

from pipeline.stage import Artifact, Row
from schemas.columns import CONTAMINATION_COLUMNS, REJECTED_BY
from schemas.release import FORMATS, ReleaseFormat
from stages.dataset_card import dataset_card
from stages.shard_files import ShardFiles

EXCLUDED = "excluded"
WHY_EXCLUDED = (REJECTED_BY, *CONTAMINATION_COLUMNS)

TOTALS = (
    "n_rows", "n_problems", "n_rows_with_both_lengths",
    "n_source_reasoning_tokens", "n_reasoning_tokens", "n_response_tokens",
)  # fmt: skip
PAIR_TOTALS = ("n_chosen_tokens", "n_rejected_tokens")
NEGATIVE = "n_negative_rows"


class Shard(Artifact):
    version = 4

    format: Literal["sft", "preference", "rl"] = "sft"
    """Layout of a row: a trace with rendered `messages` (`sft`), a pair of `pair_*` stages with `prompt`, `chosen` and
    `rejected` (`preference`), or a problem with what its verifier needs and its pass rate (`rl`)."""
    split: str = Field(default="train", pattern=r"^[a-z][a-z0-9_]*$")
    """Name of the split, the first part of every file name."""
    max_shard_mb: int = Field(default=256, ge=1)
    """Size at which a shard ends, in megabytes (10^6) of uncompressed Arrow data."""
    excluded: tuple[str, ...] = ("contaminated",)
    """Rules of `select` whose rows go to the configuration `excluded`, with the reason, for others to check."""

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(sorted(FORMATS[self.format].needed))

    @property
    def reads_if_present(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*sorted(FORMATS[self.format].used), *(column.name for column in WHY_EXCLUDED))

    def run(self, partitions: Iterator[pl.DataFrame], folder: Path, origin: dict[str, Any]) -> Row:
        form, counts, max_bytes = FORMATS[self.format], Counts(), self.max_shard_mb * 10**6
        files = ShardFiles(folder, self.split, form, max_bytes)
        excluded = ShardFiles(folder, self.split, excluded_form(form), max_bytes, EXCLUDED)
        rows = (row for frame in partitions for row in frame.iter_rows(named=True))
        for _, group in groupby(rows, itemgetter("problem_id")):
            of_problem = list(group)
            counts.rejected_by.update(rule for row in of_problem if (rule := row.get(REJECTED_BY.name)))
            for row in self._released(form, of_problem):
                why = {column.name: row.get(column.name) for column in WHY_EXCLUDED}
                for ready in _ready(form, row, of_problem, origin["recipe"]["digest"]):
                    if isinstance(ready, ValueError):
                        counts.add_unfit(row, ready)
                    elif row.get(REJECTED_BY.name):
                        excluded.add(ready | why)
                    else:
                        files.add(ready)
                        counts.add(row, ready)
        written = files.close() + (excluded.close() if counts.rejected_by.keys() & set(self.excluded) else [])
        dataset = {"format": self.format, "split": self.split, "schema": form.describe(), "counts": counts.to_dict()}
        return _finish(folder, dataset, written, origin)

    def _released(self, form: ReleaseFormat, of_problem: list[Row]) -> list[Row]:
        """The rows that a release is made from: selected ones, and those of rules in `excluded`; one of a problem where
        the format has one row for each, a selected one if there is any."""
        found = [row for row in of_problem if (row.get(REJECTED_BY.name) or None) in (None, *self.excluded)]
        if form.per_problem:
            return [row for row in found if not row.get(REJECTED_BY.name)][:1] or found[:1]
        return found


def excluded_form(form: ReleaseFormat) -> ReleaseFormat:
    """The columns of a released row, and why it is not one."""
    return replace(form, name=EXCLUDED, columns=(*form.columns, *WHY_EXCLUDED))


def _ready(form: ReleaseFormat, row: Row, of_problem: list[Row], recipe_digest: str) -> Iterator[Row | ValueError]:
    try:
        yield from form.rows(row, of_problem, recipe_digest)
    except ValueError as unfit:
        yield unfit


@dataclass
class Counts:
    """What the card and the manifest say about the rows; lengths are summed where both ends of the lineage have one."""

    totals: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    licenses: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    token_counters: Counter[str] = field(default_factory=Counter)
    rejected_by: Counter[str] = field(default_factory=Counter)
    pair_kinds: Counter[str] = field(default_factory=Counter)
    unfit: list[dict[str, str]] = field(default_factory=list)
    _last_problem: str = ""

    def add(self, row: Row, ready: Row) -> None:
        """Counts `ready`, which is made from `row`."""
        self.totals["n_rows"] += 1
        self.totals["n_problems"] += row["problem_id"] != self._last_problem  # rows of a problem stand together
        self._last_problem = row["problem_id"]
        before, after = ready.get("n_source_reasoning_tokens"), ready.get("n_reasoning_tokens")
        if before is not None and after is not None:
            self.totals["n_rows_with_both_lengths"] += 1
            self.totals["n_source_reasoning_tokens"] += before
            self.totals["n_reasoning_tokens"] += after
        for name in ("n_response_tokens", *PAIR_TOTALS):
            self.totals[name] += ready.get(name) or 0
        self.pair_kinds.update([ready["pair_kind"]] if "pair_kind" in ready else [])
        self.totals[NEGATIVE] += (ready.get("weight") or 0) < 0
        for counter, column in ((self.sources, "source"), (self.licenses, "license"), (self.models, "model")):
            counter[row.get(column) or "unknown"] += 1
        self.token_counters[row.get("token_counter") or "unknown"] += 1

    def add_unfit(self, row: Row, reason: ValueError) -> None:
        self.unfit.append({"trace_id": row.get("trace_id") or row["problem_id"], "reason": str(reason)})

    def to_dict(self) -> dict[str, Any]:
        tables = ["sources", "licenses", "models", "token_counters", "rejected_by"]
        further = (*(PAIR_TOTALS if self.pair_kinds else ()), *([NEGATIVE] if self.totals[NEGATIVE] else []))
        totals = {name: self.totals[name] for name in (*TOTALS, *further)}
        tables += ["pair_kinds"] if self.pair_kinds else []
        return totals | {name: dict(sorted(getattr(self, name).items())) for name in tables} | {"unfit": self.unfit}


def _finish(folder: Path, dataset: dict[str, Any], files: list[dict[str, Any]], origin: dict[str, Any]) -> Row:
    """Writes the card and, last, the manifest; returns the totals."""
    digest = sha256("".join(f"{file['path']} {file['sha256']}\n" for file in files).encode()).hexdigest()
    dataset |= {"files": files, "digest": digest, "origin": origin}
    (folder / "README.md").write_text(dataset_card(dataset), encoding="utf-8")
    partial = folder / ".dataset.json"
    partial.write_text(json.dumps(dataset, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.rename(folder / "dataset.json")
    totals = {name: dataset["counts"][name] for name in TOTALS}
    return totals | {"n_unfit": len(dataset["counts"]["unfit"]), "n_shards": len(files), "digest": digest}
