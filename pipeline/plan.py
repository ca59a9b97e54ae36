"""What a run would do: per node rows known and to compute, calls, tokens, time. Reads the store, computes nothing.

Where the rows above a node exist, the count is exact: keys are taken and looked up in the ledger. Below a node that has
work to do, counts are forecasts: rows of the input times the rows that came out per row so far. What a row costs is
measured on the node's own ledger, or on another ledger of the same stage in this store; without either there is no
figure, and `laconic run --limit 20` makes one.
"""

from dataclasses import dataclass, field

import polars as pl

from pipeline.cell import CellRecord, missing_units
from pipeline.cells import Cells
from pipeline.node import BoundNode
from pipeline.recipe import Recipe
from pipeline.run import run_ids
from pipeline.stage import Fan, Group
from pipeline.store import Store

COSTS = ["_n_calls", "_n_prompt_tokens", "_n_completion_tokens", "_seconds"]


@dataclass
class Unit:
    """Mean cost of one unit of work, measured on `n_measured` of them."""

    n_measured: int = 0
    rows: float = 1.0
    calls: float = 0.0
    prompt_tokens: float = 0.0
    completion_tokens: float = 0.0
    seconds: float = 0.0


@dataclass
class NodePlan:
    """Forecast of one node. `exact` is False where the input is not there yet."""

    name: str
    stage: str
    n_known: float = 0
    n_missing: float = 0
    exact: bool = True
    unit: Unit = field(default_factory=Unit)
    n_rows: float = 0
    """Rows of the output."""
    has_engine: bool = False
    tokens_per_s: float = 0.0
    """Rate of this model in the latest run that asked it; 0 if none did."""

    @property
    def seconds_per_unit(self) -> float:
        """Of one worker; for a node with an engine, of the engine, which answers many calls at once."""
        return self.unit.completion_tokens / self.tokens_per_s if self.tokens_per_s else self.unit.seconds

    def as_dict(self) -> dict[str, object]:
        known = self.unit.n_measured > 0
        missing = self.n_missing
        return {
            "node": self.name,
            "stage": self.stage,
            "known": round(self.n_known),
            "to_compute": round(missing),
            "exact": self.exact,
            "calls": round(missing * self.unit.calls) if known and self.has_engine else None,
            "prompt_tokens": round(missing * self.unit.prompt_tokens) if known and self.has_engine else None,
            "completion_tokens": round(missing * self.unit.completion_tokens) if known and self.has_engine else None,
            "seconds": round(missing * self.seconds_per_unit, 1) if known else None,
        }


def plan(recipe: Recipe, nodes: dict[str, BoundNode], store: Store) -> list[NodePlan]:
    """One forecast per node, in order."""
    cells = Cells(recipe, nodes, store)
    plans: dict[str, NodePlan] = {}
    for name in nodes:
        plans[name] = _plan_node(cells, name, plans)
    return list(plans.values())


def _plan_node(cells: Cells, name: str, plans: dict[str, NodePlan]) -> NodePlan:
    node, store = cells.nodes[name], cells.store
    found = NodePlan(name, type(node.stage).__name__, has_engine=node.engine is not None, unit=_measure(store, node))
    found.tokens_per_s = _tokens_per_s(store, node) if found.has_engine else 0.0
    for partition in cells.partitions(name):
        cell = cells.cell(name, partition)
        record = CellRecord.find(store, cell) if cell else None
        if record is not None:
            found.n_known += record.n_units
            found.n_rows += record.n_rows
            cells.views[name] |= record.views
        elif cell is None or node.is_whole:  # nothing is known of a source before it is read
            found.exact = False
        else:
            n_units, n_missing = missing_units(store, cell)
            found.n_known += n_units - n_missing
            found.n_missing += n_missing
            found.n_rows += n_units * found.unit.rows
    if not found.exact:
        _forecast(found, node, plans)
    return found


def _forecast(found: NodePlan, node: BoundNode, plans: dict[str, NodePlan]) -> None:
    """Rows expected from above that are not yet accounted for."""
    n_input = sum(plans[parent].n_rows for parent in node.after)
    n_units = n_input / _group_size(node, plans) if isinstance(node.stage, Group) else n_input
    found.n_missing = max(n_units - found.n_known, found.n_missing)
    found.n_rows = max(n_input * found.unit.rows if not isinstance(node.stage, Group) else n_input, found.n_rows)


def _group_size(node: BoundNode, plans: dict[str, NodePlan]) -> float:
    """Rows per problem: rows of the input over rows of the source above."""
    n_input = sum(plans[parent].n_rows for parent in node.after)
    n_source = next(iter(plans.values())).n_rows
    return max(n_input / n_source, 1.0) if n_source else 1.0


def _tokens_per_s(store: Store, node: BoundNode) -> float:
    for run_id in reversed(run_ids(store)[-20:]):
        name = f"runs/{run_id}/manifest.json"
        for entry in store.read_json(name)["nodes"].values() if store.exists(name) else ():
            if entry["identity"]["engine"] == node.identity["engine"] and entry["wall_s"]:
                return entry["calls"]["n_new_tokens"] / entry["wall_s"]
    return 0.0


def _measure(store: Store, node: BoundNode) -> Unit:
    """Mean cost over the ledger of this very stage, else over the fullest ledger of another version or setting."""
    unit = _measure_ledger(store, node.fingerprint)
    if not unit.n_measured:
        others = [name for name in store.names("ledger") if _is_same_stage(store, name, node)]
        measured = [_measure_ledger(store, name) for name in others]
        unit = max(measured, key=lambda unit: unit.n_measured, default=Unit())
    if isinstance(node.stage, Fan) and node.stage.beside:
        unit.rows += 1  # the row itself, which stays
    return unit


def _is_same_stage(store: Store, fingerprint: str, node: BoundNode) -> bool:
    name = f"ledger/{fingerprint}/stage.json"
    return store.exists(name) and store.read_json(name)["stage"] == node.identity["stage"]


def _measure_ledger(store: Store, fingerprint: str) -> Unit:
    folder = f"ledger/{fingerprint}"
    parts = [
        f"{folder}/{p}/{name}" for p in store.names(folder) if p.isdigit() for name in store.names(f"{folder}/{p}")
    ]
    if not parts:
        return Unit()
    frames = [pl.DataFrame(store.read_table(part, ["_key", "_child", *COSTS])) for part in parts[:64]]
    lines = pl.concat(frames)
    n_units = lines.filter(pl.col("_child") <= 0).height  # each key has one first line; partitions may share keys
    calls, prompt, completion, seconds = (float(lines[name].sum() or 0) / n_units for name in COSTS)
    rows = lines.filter(pl.col("_child") >= 0).height / n_units
    return Unit(n_units, rows, calls, prompt, completion, seconds)
