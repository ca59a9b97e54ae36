"""Writes a released data set in the layout of another trainer, in one pass and little memory.

    folder with dataset.json ── rows, a batch at a time ── Target.convert ──> <split>.parquet | <split>.jsonl
                                                        └─ LeftOut ──> counted by reason ─┐
                                   what it is made from, counts, checksum of every file ──┴──> export.json, last

The same release gives the same bytes. A row that the target cannot express is left out, counted and named in
`export.json`; nothing of it is bent to fit.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from hashlib import file_digest
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.release import FORMATS, leaves
from trainer.data import DataSet, read_data
from trainer.errors import TrainError
from trainer.export import open_instruct, sharegpt, trl, verl_rl, verl_sft
from trainer.export.target import LeftOut, Options, Row, Target

TARGETS: dict[str, tuple[Target, ...]] = {
    "verl-rl": verl_rl.TARGETS,
    "verl-sft": verl_sft.TARGETS,
    "open-instruct": open_instruct.TARGETS,
    "sharegpt": sharegpt.TARGETS,
    "trl": trl.TARGETS,
    "trl-prompt-completion": trl.COMPLETION_TARGETS,
}
BATCH_ROWS = 256
"""Rows in memory at a time, and in a row group: of traces of 6,000 tokens, some 12 MB of text."""
MAX_LEFT_OUT_NAMED = 1000
"""Problems named in `export.json`; all are counted."""
PLAIN = Options()


def export(dataset: str | Path, name: str, folder: str | Path, options: Options = PLAIN) -> dict[str, Any]:
    """Writes the export and returns what `export.json` says. Raises TrainError before anything is written."""
    data, target, split = _source(Path(dataset), name)
    options = replace(options, split=options.split or split)
    place = Path(folder)
    if place.exists() and any(place.iterdir()):
        raise TrainError(f"export: {place} is not empty; name a new folder")
    place.mkdir(parents=True, exist_ok=True)
    data_file = place / f"{options.split}.{'jsonl' if target.schema is None else 'parquet'}"
    left_out = LeftOutRows()
    rows = _converted(data, target, options, left_out)
    n_rows = _write_parquet(data_file, rows, target) if target.schema is not None else _write_lines(data_file, rows)
    files = [data_file, *_side_files(place, target, data, data_file.name)]
    said = {
        "format": name, "release_format": data.form, "release_digest": data.digest, "recipe": data.recipe,
        "n_rows": n_rows, "n_left_out": left_out.reasons.total(), "left_out": dict(sorted(left_out.reasons.items())),
        "left_out_rows": left_out.named,
        "files": [{"path": file.name, "n_bytes": file.stat().st_size, "sha256": _sha256(file)} for file in files],
    }  # fmt: skip
    _write_json(place / "export.json", said)
    return said


def lines(said: Row) -> Iterator[str]:
    """What an export has done, for people."""
    yield f"{said['n_rows']:,} rows for {said['format']}: {', '.join(file['path'] for file in said['files'])}"
    for reason, n_rows in said["left_out"].items():
        yield f"{n_rows:,} left out: {reason}"


class LeftOutRows:
    """Rows that the target cannot express, counted by reason; the first of them by problem."""

    def __init__(self) -> None:
        self.reasons: Counter[str] = Counter()
        self.named: list[dict[str, str]] = []

    def add(self, row: Row, reason: str) -> None:
        self.reasons[reason] += 1
        if len(self.named) < MAX_LEFT_OUT_NAMED:
            self.named.append({"problem_id": row["problem_id"], "reason": reason})


def _source(dataset: Path, name: str) -> tuple[DataSet, Target, str]:
    """The release, the target that reads its format, and its split."""
    if name not in TARGETS:
        raise TrainError(f"export: there is no format `{name}`; there are: {', '.join(TARGETS)}")
    manifest = dataset / "dataset.json"
    if not manifest.is_file():
        raise TrainError(f"export: {dataset} has no `dataset.json`; give the folder of a released data set")
    try:
        said = json.loads(manifest.read_text(encoding="utf-8"))
        form, split = said["format"], said["split"]
    except (ValueError, KeyError, TypeError) as error:
        raise TrainError(f"export: {manifest} is no manifest of a release ({error!r})") from None
    by_form = {target.form: target for target in TARGETS[name]}
    if form not in by_form:
        wanted = " or ".join(f"`{one}`" for one in by_form)
        raise TrainError(
            f"export: {dataset} holds rows of format `{form}`, and {name} is made from {wanted}; add a node "
            f"{{stage: shard, format: {next(iter(by_form))}}} to the recipe"
        )
    data = read_data(dataset, form)
    if missing := [column for column in FORMATS[form].schema.names if column not in data.columns]:
        raise TrainError(f"export: {dataset} lacks the column `{missing[0]}`: release it again with this version")
    return data, by_form[form], split


def _converted(data: DataSet, target: Target, options: Options, left_out: LeftOutRows) -> Iterator[dict[str, Any]]:
    index = 0
    for file in data.files:
        for batch in pq.ParquetFile(file).iter_batches(batch_size=BATCH_ROWS):
            for row in batch.to_pylist():
                try:
                    yield target.convert(row, index, options)
                except LeftOut as reason:
                    left_out.add(row, str(reason))
                else:
                    index += 1


def _write_parquet(path: Path, rows: Iterator[dict[str, Any]], target: Target) -> int:
    """Settings as in the release: zstd, and dictionaries only where values repeat."""
    assert target.schema is not None
    n_rows, partial = 0, _partial(path)
    dictionary = [leaf for leaf in leaves(target.schema) if leaf not in target.texts]
    with pq.ParquetWriter(partial, target.schema, compression="zstd", use_dictionary=dictionary) as writer:
        for batch in _batches(rows):
            writer.write_table(pa.Table.from_pylist(batch, schema=target.schema))
            n_rows += len(batch)
    partial.rename(path)
    return n_rows


def _write_lines(path: Path, rows: Iterator[dict[str, Any]]) -> int:
    n_rows, partial = 0, _partial(path)
    with partial.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            n_rows += 1
    partial.rename(path)
    return n_rows


def _side_files(place: Path, target: Target, data: DataSet, data_file: str) -> Iterator[Path]:
    name = data.recipe.split(" ")[0] or "laconic"
    for file_name, content in target.side_files.items():
        _write_json(place / file_name, content(name, data_file))
        yield place / file_name


def _write_json(path: Path, content: dict[str, Any]) -> None:
    partial = _partial(path)
    partial.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.rename(path)


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
