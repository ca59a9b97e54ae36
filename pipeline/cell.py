"""The unit of execution: one node on one partition (for Source, Table and Artifact: on all).

    read the input's columns -> a key per unit of work -> drop the keys that the ledger knows -> compute the rest,
    adding parts as it goes -> write the view -> write the cell's record, last

A cell is named by the fingerprint of its stage and the names of the views it reads, so an unchanged cell is found by
one look at a file and never opened. Killed at any moment, it starts again and computes what no finished part holds.
This is the one place where an exception of a stage becomes a bad row with its reason.
"""

import asyncio
import inspect
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl

from pipeline.calls import CallStats, EngineNeeded, RecordingEngine, current_cost
from pipeline.engines.engine import Engine
from pipeline.errors import LaconicError, RunFailed
from pipeline.fingerprint import digest, row_key
from pipeline.ledger import Cost, Known, Ledger, LedgerWriter
from pipeline.node import BoundNode
from pipeline.stage import Fan, Group, Row
from pipeline.store import Store
from pipeline.view import ViewHead, new_lines, read_input, write_view

ROWS_IN_FLIGHT = 256  # per cell of an asynchronous stage; the engine bounds its own requests
REPORT_S = 0.5

Report = Callable[[str, int, int], None]
"""Called with the node's name and the numbers of rows and new tokens since the last call."""


@dataclass(frozen=True)
class Cell:
    """`inputs` holds, for each partition the cell reads, the names of the parents' views."""

    node: BoundNode
    partition: int
    inputs: tuple[tuple[str, ...], ...]
    origin: tuple[str, ...] = ()
    """What else names the cell: the digest of a source's content, or of the recipe for files with provenance."""

    @property
    def id(self) -> str:
        return digest([self.node.fingerprint, list(self.inputs), list(self.origin)])

    @property
    def record_name(self) -> str:
        return f"cells/{self.node.fingerprint}/{self.id}.json"

    def view_name(self, store: Store, partition: int) -> str:
        return f"views/{self.node.fingerprint}/{self.id}-{store.partition_name(partition)}.parquet"


@dataclass
class CellRecord:
    """What a finished cell is worth knowing for, without opening its views."""

    views: dict[int, str] = field(default_factory=dict)
    n_rows: int = 0
    """Rows in the views that did not fail."""
    n_units: int = 0
    """Units of work: rows, or problems for a Group."""
    n_failed: int = 0
    """Bad units. Of all units, `n_known` were in the ledger and `n_computed` were not."""
    n_known: int = 0
    n_computed: int = 0
    calls: CallStats = field(default_factory=CallStats)
    seconds: float = 0.0
    files: Row = field(default_factory=dict)
    """What an Artifact reports, with the folder's name in the store under `folder`."""

    @staticmethod
    def find(store: Store, cell: Cell) -> "CellRecord | None":
        """The record of a cell that is done, with everything counted as known; none if what it names was deleted."""
        try:
            found = store.read_json(cell.record_name)
        except FileNotFoundError:
            return None
        outputs = [*found["views"].values(), *filter(None, [found["files"].get("folder")])]
        if not all(map(store.exists, outputs)):
            return None
        found["views"] = {int(partition): name for partition, name in found["views"].items()}
        return CellRecord(
            **found | {"calls": CallStats(), "n_known": found["n_units"], "n_computed": 0, "seconds": 0.0}
        )

    def save(self, store: Store, cell: Cell) -> "CellRecord":
        store.write_json(cell.record_name, asdict(self))
        return self


@dataclass(frozen=True)
class Unit:
    """What one call of `run` is given, and the input rows it stands for."""

    key: bytes
    payload: Any
    parents: tuple[int, ...]


def run_cell(store: Store, cell: Cell, engine: Engine | None, report: Report, runner: asyncio.Runner) -> CellRecord:
    """Computes what is missing and writes the cell's view and record. Raises EngineNeeded before any call is lost."""
    started = time.monotonic()
    node = cell.node
    ledger = Ledger(store, node.fingerprint, cell.partition, node.writes)
    known = ledger.known()
    units = list(_units(node, read_input(store, cell.inputs[0], node.input_columns()), known))
    missing = {unit.key: unit for unit in units if unit.key not in known}
    writer, progress = ledger.writer(), _Progress(node.name, report, len(units) - len(missing))
    calls = _recorder(store, cell, engine)
    try:
        if inspect.iscoroutinefunction(node.stage.run):
            runner.run(_compute_async(node, list(missing.values()), writer, calls, progress))
        else:
            _compute(node, missing.values(), writer, progress)
    finally:
        try:
            calls.flush()  # first, and the rows even if this fails: neither may be lost for the other
        finally:
            writer.flush()
    outcomes = known | writer.known
    lines = list(_view_lines(node, units, outcomes))
    view = cell.view_name(store, cell.partition)
    write_view(store, view, head(cell, cell.partition, cell.inputs[0]), _table(lines))
    record = CellRecord(
        views={cell.partition: view},
        n_rows=sum(not failed for *_, failed in lines),
        n_failed=sum(outcomes[unit.key].failed for unit in units),
        n_units=len(units),
        n_known=sum(unit.key in known for unit in units),
        n_computed=sum(unit.key not in known for unit in units),
        calls=calls.stats,
        seconds=time.monotonic() - started,
    )
    return record.save(store, cell)


def missing_units(store: Store, cell: Cell) -> tuple[int, int]:
    """(units of work, those not yet in the ledger) of a cell whose input exists; computes nothing."""
    ledger = Ledger(store, cell.node.fingerprint, cell.partition, cell.node.writes)
    known = ledger.known()
    units = list(_units(cell.node, read_input(store, cell.inputs[0], cell.node.input_columns()), known))
    return len(units), sum(unit.key not in known for unit in units)


def head(cell: Cell, partition: int, parents: tuple[str, ...]) -> ViewHead:
    return ViewHead(cell.node.fingerprint, partition, cell.node.writes, parents, cell.node.fresh)


def _recorder(store: Store, cell: Cell, engine: Engine | None) -> RecordingEngine:
    identity = cell.node.engine_identity or {}
    folder = f"calls/{digest(identity)}/{store.partition_name(cell.partition)}"
    return RecordingEngine(store, folder, identity, engine, *cell.node.engine_label)


def _units(node: BoundNode, rows: pl.DataFrame, known: dict[bytes, Known]) -> Iterator[Unit]:
    """One unit per row, or per problem for a Group; the payload is built only where it will be needed."""
    if isinstance(node.stage, Group):
        yield from _group_units(node, rows, known)
        return
    names = list(node.reads)
    for first in range(0, rows.height, 1000):  # bounds the Python copies of long texts
        for offset, row in enumerate(rows.slice(first, 1000).iter_rows(named=True)):
            key = row_key(node.fingerprint, [row[name] for name in names])
            payload = None if key in known else {name: row[name] for name in names}
            yield Unit(key, payload, (first + offset,))


def _group_units(node: BoundNode, rows: pl.DataFrame, known: dict[bytes, Known]) -> Iterator[Unit]:
    places = rows.with_row_index("_place").group_by("problem_id", maintain_order=True).agg("_place")
    for indices in places["_place"]:
        group = rows[indices].select(node.reads).to_dicts()
        key = row_key(node.fingerprint, [list(row.values()) for row in group])
        yield Unit(key, None if key in known else group, tuple(indices))


def _compute(node: BoundNode, units: Iterable[Unit], writer: LedgerWriter, progress: "_Progress") -> None:
    for unit in units:
        started = time.monotonic()
        try:
            rows = _as_rows(node, unit, node.stage.run(unit.payload))
        except Exception as error:  # noqa: BLE001 - the boundary: a stage's error is a bad row
            writer.fail(unit.key, reason_of(error), Cost(seconds=time.monotonic() - started))
        else:
            writer.add(unit.key, rows, Cost(seconds=time.monotonic() - started))
        progress.add(1)
    progress.send()


async def _compute_async(
    node: BoundNode, units: list[Unit], writer: LedgerWriter, calls: RecordingEngine, progress: "_Progress"
) -> None:
    """A window of rows at a time. When the engine is lost, rows under way may finish and no new one begins."""
    waiting = iter(units)
    stopped: list[Exception] = []

    async def work() -> None:
        for unit in waiting:
            if stopped:
                return
            try:
                await _compute_one(node, unit, writer, calls)
            except (LaconicError, EngineNeeded) as error:
                stopped.append(error)
                return
            progress.add(1, calls.stats.n_new_tokens)

    # Without an engine every row either recalls its calls or shows that an engine is needed: one at a time is enough.
    await asyncio.gather(*(work() for _ in range(ROWS_IN_FLIGHT if calls.engine else 1)))
    await calls.settle()
    progress.send()
    if stopped:
        raise stopped[0]


async def _compute_one(node: BoundNode, unit: Unit, writer: LedgerWriter, calls: RecordingEngine) -> None:
    started, cost = time.monotonic(), Cost()
    current_cost.set(cost)  # seen by the calls of this row, also from tasks that the stage starts, and by no other's
    try:
        rows = _as_rows(node, unit, await node.stage.run(unit.payload, calls))
    except Exception as error:  # noqa: BLE001 - the boundary, as above
        reason = reason_of(error)
        cost.seconds = time.monotonic() - started
        writer.fail(unit.key, reason, cost)
    else:
        cost.seconds = time.monotonic() - started
        writer.add(unit.key, rows, cost)


def reason_of(error: Exception) -> str:
    """The reason to keep with a bad row; an error that is not the row's fault goes on its way."""
    if isinstance(error, LaconicError | EngineNeeded | MemoryError | ImportError):
        raise error
    if isinstance(error, ExceptionGroup):
        reasons = [reason_of(inner) for inner in error.exceptions]  # of all: one may not be the row's fault
        return reasons[0]
    return f"{type(error).__name__}: {error}"


def _as_rows(node: BoundNode, unit: Unit, result: Any) -> list[Row]:
    """What came out of one call of `run`, refused if it is not what the stage promised: a mistake in the stage."""
    rows = result if isinstance(node.stage, Fan | Group) else [result]
    names = {column.name for column in node.stage.writes}
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row.keys() == names for row in rows):
        shape = "a list of dicts" if isinstance(node.stage, Fan | Group) else "a dict"
        raise RunFailed(f"node {node.name}: `run` must return {shape} with exactly: {', '.join(sorted(names))}")
    if isinstance(node.stage, Group) and len(rows) != len(unit.parents):
        raise RunFailed(f"node {node.name}: a Group must return one dict per row, in order")
    return rows


def _view_lines(
    node: BoundNode, units: list[Unit], known: dict[bytes, Known]
) -> Iterator[tuple[int, bytes | None, int, bool]]:
    """(parent, key, child, failed) of every output row, children right behind the row they stem from."""
    for unit in units:
        outcome = known[unit.key]
        if isinstance(node.stage, Fan):
            if node.stage.beside:
                yield unit.parents[0], None, -1, False
            if outcome.failed:
                yield unit.parents[0], unit.key, -1, True
            yield from ((unit.parents[0], unit.key, child, False) for child in range(outcome.n_rows))
        else:
            yield from ((parent, unit.key, child, outcome.failed) for child, parent in enumerate(unit.parents))


def _table(lines: list[tuple[int, bytes | None, int, bool]]) -> Any:
    columns = [list(column) for column in zip(*lines, strict=True)] or [[], [], [], []]
    return new_lines(*columns)


class _Progress:
    """Passes counts on at most twice a second: a report costs a message between processes."""

    def __init__(self, node: str, report: Report, n_known: int) -> None:
        self.node, self.report = node, report
        self.n_rows, self.n_tokens, self.n_tokens_sent, self.sent = n_known, 0, 0, 0.0

    def add(self, n_rows: int, n_tokens_so_far: int = 0) -> None:
        self.n_rows += n_rows
        self.n_tokens = n_tokens_so_far
        if time.monotonic() - self.sent > REPORT_S:
            self.send()

    def send(self) -> None:
        self.report(self.node, self.n_rows, self.n_tokens - self.n_tokens_sent)
        self.n_rows, self.n_tokens_sent, self.sent = 0, self.n_tokens, time.monotonic()
