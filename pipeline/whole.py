"""Cells that cover all partitions: pulling a source, marking a whole table, writing files.

Source    rows from outside -> ledger parts and one view per partition, in problem_id order
Table     few columns of all rows -> marks, kept as ledger rows under a key per row and whole input
Artifact  all rows, partition by partition -> a folder that appears under its name when it is complete
"""

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.cell import Cell, CellRecord, Report, head
from pipeline.errors import RunFailed
from pipeline.fingerprint import row_key
from pipeline.ledger import Cost, Ledger, LedgerWriter
from pipeline.stage import Artifact, Row, Source, Table
from pipeline.store import Store
from pipeline.view import new_lines, read_input, write_view

SourceLine = tuple[str, int, bytes, bool]
"""problem_id, order of arrival, key, failed."""


def run_whole(store: Store, cell: Cell, origin: dict[str, Any], report: Report) -> CellRecord:
    """Computes the cell and writes its views and record. There is no row to blame: what fails here fails the run."""
    started = time.monotonic()
    try:
        record = _run(store, cell, origin, report)
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:  # pyarrow's errors are ValueErrors
        raise RunFailed(f"node {cell.node.name}: {type(error).__name__}: {error}") from error
    record.seconds = time.monotonic() - started
    return record.save(store, cell)


def _run(store: Store, cell: Cell, origin: dict[str, Any], report: Report) -> CellRecord:
    stage = cell.node.stage
    if isinstance(stage, Source):
        return _run_source(store, cell, stage, report)
    if isinstance(stage, Table):
        return _run_table(store, cell, stage, report)
    assert isinstance(stage, Artifact)
    return _run_artifact(store, cell, stage, origin)


def _run_source(store: Store, cell: Cell, stage: Source, report: Report) -> CellRecord:
    node, writes = cell.node, cell.node.writes
    ledgers = [Ledger(store, node.fingerprint, p, writes) for p in range(store.n_partitions)]
    known = [ledger.known() for ledger in ledgers]
    writers = [ledger.writer() for ledger in ledgers]
    lines: list[list[SourceLine]] = [[] for _ in range(store.n_partitions)]
    n_known = 0
    for arrival, row in enumerate(stage.run()):
        partition, line = _take(store, node.fingerprint, arrival, row)
        lines[partition].append(line)
        if line[2] in known[partition] or line[2] in writers[partition].known:
            n_known += line[2] in known[partition]
        else:
            _keep(writers[partition], line[2], row)
        if arrival % 1000 == 999:
            report(node.name, 1000, 0)
    record = CellRecord(n_units=sum(map(len, lines)), n_known=n_known)
    for partition, writer in enumerate(writers):
        writer.flush()
        places = sorted(lines[partition])
        failed = [_is_failed(line, known[partition], writer) for line in places]
        keys: list[bytes | None] = [line[2] for line in places]
        lines_of_view = new_lines([-1] * len(places), keys, [-1 if bad else 0 for bad in failed], failed)
        record.views[partition] = cell.view_name(store, partition)
        write_view(store, record.views[partition], head(cell, partition, ()), lines_of_view)
        record.n_failed += sum(failed)
    record.n_rows = record.n_units - record.n_failed
    record.n_computed = record.n_units - n_known
    return record


def _take(store: Store, fingerprint: str, arrival: int, row: Row | Exception) -> tuple[int, SourceLine]:
    if isinstance(row, Exception):
        key = row_key(fingerprint, ["bad row", arrival, str(row)])
        return 0, ("", arrival, key, True)
    return store.partition_of(row["problem_id"]), (row["problem_id"], arrival, row_key(fingerprint, row), False)


def _keep(writer: LedgerWriter, key: bytes, row: Row | Exception) -> None:
    if isinstance(row, Exception):
        writer.fail(key, str(row), Cost())
    else:
        writer.add(key, [row], Cost())


def _is_failed(line: SourceLine, known: dict[bytes, Any], writer: LedgerWriter) -> bool:
    outcome = known.get(line[2]) or writer.known[line[2]]
    return outcome.failed


def _run_table(store: Store, cell: Cell, stage: Table, report: Report) -> CellRecord:
    node = cell.node
    names = node.input_columns()
    frames = [read_input(store, parents, names) for parents in cell.inputs]
    # With several parents the order of the concatenation depends on the number of partitions; this one never does.
    rows = pl.concat(frames).with_row_index("_place").sort("problem_id", maintain_order=True)
    marks = stage.run(rows.select(node.reads)) if rows.height else pl.DataFrame(schema=[c.name for c in stage.writes])
    if marks.height != rows.height or marks.columns != [column.name for column in stage.writes]:
        raise RunFailed(f"node {node.name}: a Table must return its columns {marks.columns}, one line per row")
    marks = marks[rows["_place"].arg_sort()]
    record = CellRecord(n_rows=rows.height, n_units=rows.height, n_computed=rows.height)
    first = 0
    for partition, (frame, parents) in enumerate(zip(frames, cell.inputs, strict=True)):
        part = marks.slice(first, frame.height)
        first += frame.height
        record.views[partition] = _write_marks(store, cell, partition, parents, part)
    report(node.name, rows.height, 0)
    return record


def _write_marks(store: Store, cell: Cell, partition: int, parents: tuple[str, ...], marks: pl.DataFrame) -> str:
    """Marks under keys that hold the whole input: another row anywhere may change any of them."""
    ledger = Ledger(store, cell.node.fingerprint, partition, cell.node.writes)
    known, writer = ledger.known(), ledger.writer()
    keys = [row_key(cell.id, place) for place in range(marks.height)]
    for key, mark in zip(keys, marks.iter_rows(named=True), strict=True):
        if key not in known:
            writer.add(key, [mark], Cost())
    writer.flush()
    name = cell.view_name(store, partition)
    lines = new_lines(list(range(marks.height)), list(keys), [0] * marks.height, [False] * marks.height)
    write_view(store, name, head(cell, partition, parents), lines)
    return name


def _run_artifact(store: Store, cell: Cell, stage: Artifact, origin: dict[str, Any]) -> CellRecord:
    n_rows = 0

    def frames() -> Iterator[pl.DataFrame]:
        nonlocal n_rows
        for parents in cell.inputs:
            frame = read_input(store, parents, cell.node.input_columns())
            n_rows += frame.height
            yield frame.sort("problem_id", maintain_order=True).select(cell.node.reads)

    name = f"datasets/{origin['recipe']['name']}-{cell.node.name}-{cell.id[:12]}"
    with tempfile.TemporaryDirectory(prefix=".tmp-", dir=_scratch(store)) as folder:
        files = stage.run(frames(), Path(folder) / "out", origin)
        _publish(store, Path(folder) / "out", name)
    return CellRecord(n_rows=n_rows, n_units=n_rows, n_computed=n_rows, files={"folder": name, **files})


def _scratch(store: Store) -> Path | None:
    """On the store's own disk where it has one, so that publishing is a rename."""
    if not store.is_local:
        return None
    path = Path(store.path("datasets"))
    path.mkdir(parents=True, exist_ok=True)
    return path


def _publish(store: Store, folder: Path, name: str) -> None:
    if store.is_local:
        target = Path(store.path(name))
        if target.exists():  # left by a run that was killed before it recorded the cell: same input, same bytes
            shutil.rmtree(target)
        folder.replace(target)
    else:
        if store.exists(name):
            store.remove(name)
        store.fs.put(str(folder), store.path(name), recursive=True)
