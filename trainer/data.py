"""Data sets of the trainer: released shards, or one Parquet file of the same columns, checked before a model is loaded.

    folder with dataset.json ─┐
    one Parquet file ─────────┴─> read_data(place, "sft") ──> DataSet: files, columns, digest ── rows() ──> datasets

Only the files' own schemas are read here, so a wrong set is refused at once, however large it is.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.release import FORMATS
from trainer.errors import TrainError

if TYPE_CHECKING:
    from datasets import Dataset

REQUIRED = {
    "sft": ("messages",),
    "preference": ("prompt", "chosen", "rejected"),
    "rl": ("problem_id", "prompt", "answer"),
}
"""Columns that a row of each format cannot do without."""
METHODS = {"sft": "sft", "preference": "dpo", "rl": "grpo"}
ADDED = ("weight", "segments")
"""Columns that any set of answers may have besides: a row's weight, and spans of its assistant turn."""
TURNS = ("messages", "prompt")
EITHER = ("chosen", "rejected")
"""The text of an assistant turn, or the turn itself."""

SMALL = 10_000
"""Rows up to which a set stays in memory: at 6,000 tokens each, the tokens of 10,000 rows take some 0.5 GB."""


@dataclass(frozen=True)
class DataSet:
    form: str
    """The release format: `sft`, `preference` or `rl`."""
    files: tuple[Path, ...]
    columns: tuple[str, ...]
    n_rows: int
    digest: str
    """Of the files' checksums, as in `dataset.json`; of a single file, its SHA-256."""
    recipe: str = ""
    """Name and digest of the recipe that made the set, where it says so."""

    def has(self, column: str) -> bool:
        """Whether any row has a value in the column."""
        if column not in self.columns:
            return False
        return any(
            group.column(column).null_count < len(group)
            for file in self.files
            for group in pq.ParquetFile(file).iter_batches(columns=[column])
        )

    def rows(self, columns: Iterable[str], order_by: str = "") -> "Dataset":
        """The rows with those of `columns` that are there; many rows are memory-mapped.

        In the order of the files, or ascending by the column `order_by`, which is then there too; nulls last.
        """
        from datasets import Dataset

        wanted = [name for name in (*columns, order_by) if name in self.columns]
        if self.n_rows < SMALL:
            rows = Dataset(pa.concat_tables(pq.read_table(file, columns=wanted) for file in self.files))
        else:
            rows = Dataset.from_parquet([str(file) for file in self.files], columns=wanted)
        if not order_by:
            return rows
        places = rows[order_by][:]
        return rows.select(sorted(range(len(rows)), key=lambda row: (places[row] is None, places[row] or 0)))


def read_data(place: str | Path, form: str) -> DataSet:
    """The data set at `place`. Raises TrainError where it is missing, empty, of another format or column."""
    path = Path(place)
    if path.is_dir():
        return _read_release(path, form)
    if not path.is_file():
        raise TrainError(f"data: there is no {path}; give a folder with `dataset.json`, or a Parquet file")
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    return _checked(path, form, (path,), digest, "")


def _read_release(folder: Path, form: str) -> DataSet:
    manifest = folder / "dataset.json"
    if not manifest.is_file():
        raise TrainError(f"data: {folder} has no `dataset.json`, so its release is unfinished; run its recipe again")
    try:
        said: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
        found, n_rows = said["format"], said["counts"]["n_rows"]
        files = tuple(folder / file["path"] for file in said["files"] if file["path"].startswith("data/"))
        recipe = said.get("origin", {}).get("recipe", {})
        digest = said["digest"]
    except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise TrainError(f"data: {manifest} is no manifest of a release ({error!r}); run its recipe again") from None
    if found != form:
        remedy = f"; `laconic train {METHODS[found]}` reads those" if found in METHODS else ""
        raise TrainError(f"data: {folder} holds {n_rows} rows of format `{found}`, not `{form}`{remedy}")
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise TrainError(f"data: {folder} lacks {len(missing)} of {len(files)} files, first {missing[0]}")
    return _checked(folder, form, files, digest, f"{recipe.get('name', '')} {recipe.get('digest', '')}".strip())


def _checked(place: Path, form: str, files: tuple[Path, ...], digest: str, recipe: str) -> DataSet:
    n_rows, schemas = 0, []
    for file in files:
        try:
            parquet = pq.ParquetFile(file)
        except (pa.ArrowInvalid, OSError) as error:
            raise TrainError(f"data: {file} is no Parquet file ({str(error).splitlines()[0]})") from None
        n_rows += parquet.metadata.num_rows
        schemas.append(parquet.schema_arrow)
    if not n_rows:
        raise TrainError(f"data: {place} has 0 rows; there is nothing to train on")
    for file, schema in zip(files, schemas, strict=True):
        for problem in _problems(schema, form):
            raise TrainError(f"data: {file}: {problem} ({n_rows} rows)")
    return DataSet(form, files, tuple(schemas[0].names), n_rows, digest, recipe)


def _problems(schema: pa.Schema, form: str) -> Iterable[str]:
    known = {*FORMATS[form].schema.names, *ADDED}
    missing = [name for name in REQUIRED[form] if name not in schema.names]
    if missing:
        yield f"a row of format `{form}` needs the column `{missing[0]}`, which is missing"
    unknown = [name for name in schema.names if name not in known]
    if unknown:
        yield f"format `{form}` has no column `{unknown[0]}`; drop it, or write the set with `shard`"
    for name in schema.names:
        if not _fits(name, schema.field(name).type):
            yield f"column `{name}` has type {schema.field(name).type}"


def _fits(name: str, type_: pa.DataType) -> bool:
    """Whether a column that the trainer reads has a type that it can read."""
    if name in TURNS:
        return _is_list_of(type_, "role", "content")
    if name in EITHER:
        return pa.types.is_string(type_) or pa.types.is_large_string(type_) or _is_list_of(type_, "role", "content")
    if name == "segments":
        return pa.types.is_null(type_) or _is_list_of(type_, "start", "end", "kind")
    return name != "weight" or pa.types.is_floating(type_) or pa.types.is_integer(type_)


def _is_list_of(type_: pa.DataType, *fields: str) -> bool:
    if not (pa.types.is_list(type_) or pa.types.is_large_list(type_)):
        return False
    item = type_.value_type
    return pa.types.is_struct(item) and set(fields) <= {item.field(i).name for i in range(item.num_fields)}
