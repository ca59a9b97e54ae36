"""Answers to questions about finished runs: status, the passage of one record, the difference of two runs."""

from itertools import takewhile
from typing import Any

import polars as pl

from pipeline.errors import StoreError
from pipeline.lookup import ROOT, stage_class, stage_names
from pipeline.run import Run, run_ids
from pipeline.store import Store

PREVIEW = 400
"""Characters of a long text in a passage printed for people."""


def status(store: Store) -> dict[str, Any]:
    """Every run with its state, and the reasons of the bad rows of the latest finished one."""
    runs = [_run_line(store, name) for name in run_ids(store)]
    finished = [line["run"] for line in runs if line["state"] == "finished"]
    bad = _bad_rows(Run.open(store, finished[-1])) if finished else []
    return {"store": store.url, "partitions": store.n_partitions, "runs": runs, "bad_rows": bad}


def _run_line(store: Store, name: str) -> dict[str, Any]:
    if store.exists(f"runs/{name}/manifest.json"):
        manifest = store.read_json(f"runs/{name}/manifest.json")
        nodes = manifest["nodes"].values()
        computed, known = (sum(node[key] for node in nodes) for key in ("n_computed", "n_known"))
        return {
            "run": name, "state": "finished", "seconds": manifest["seconds"], "computed": computed, "known": known,
            "bad": sum(node["n_failed"] for node in nodes), "digest": manifest["digest"],
        }  # fmt: skip
    begun = store.read_json(f"runs/{name}/run.json")
    owner = store.read_json("lock") if store.exists("lock") else None
    is_running = owner is not None and (owner["host"], owner["pid"]) == (begun["host"], begun["pid"])
    return {"run": name, "state": "running" if is_running else "unfinished", "started": begun["started"]}


def _bad_rows(run: Run) -> list[dict[str, Any]]:
    return [
        {"node": name, "reason": reason, "n": n}
        for name, entry in run.manifest["nodes"].items()
        if entry["n_failed"]
        for reason, n in run.bad_rows(name).iter_rows()
    ]


def passage(run: Run, record_id: str) -> dict[str, Any]:
    """What each node wrote for the problem or trace whose id begins with `record_id`."""
    steps = [step for name in run.manifest["nodes"] for step in _step(run, name, record_id)]
    if not steps:
        raise StoreError(f"run {run.id} has no problem or trace whose id begins with `{record_id}`")
    return {"run": run.id, "id": record_id, "passage": steps}


def _step(run: Run, name: str, record_id: str) -> list[dict[str, Any]]:
    """One entry per row of the node that belongs to the record, with the columns that the node wrote."""
    entry = run.node(name)
    ids = [column for column in ("problem_id", "trace_id", "parent_id") if column in entry["columns"]]
    if not ids:
        return []
    rows = run.frame(name, ids)
    hits = rows.select(pl.any_horizontal(pl.col(ids).str.starts_with(record_id).fill_null(False)).alias("hit"))["hit"]
    if not hits.any():
        return []
    written = [column for column, _ in entry["identity"]["writes"]]
    columns = list(dict.fromkeys(ids + written))
    found = run.frame(name, columns).filter(hits)
    return [{"node": name, "stage": entry["identity"]["stage"], "row": row} for row in found.to_dicts()]


def difference(old: Run, new: Run) -> dict[str, Any]:
    """Changed parts of the recipe, counts per node, and rows of the last node with rows that came, went or changed."""
    return {
        "old": old.id,
        "new": new.id,
        "same": old.manifest["digest"] == new.manifest["digest"],
        "recipe": _recipe_changes(old.manifest["recipe"], new.manifest["recipe"]),
        "nodes": _node_changes(old, new),
        "rows": _row_changes(old, new),
    }


def _recipe_changes(old: Any, new: Any, place: str = "") -> list[dict[str, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = list(dict.fromkeys((*old, *new)))
        return [
            change
            for key in keys
            for change in _recipe_changes(old.get(key), new.get(key), f"{place}.{key}" if place else key)
        ]
    return [] if old == new else [{"field": place, "old": old, "new": new}]


def _node_changes(old: Run, new: Run) -> list[dict[str, Any]]:
    names = list(dict.fromkeys((*old.manifest["nodes"], *new.manifest["nodes"])))
    lines = []
    for name in names:
        before, after = (run.manifest["nodes"].get(name, {}) for run in (old, new))
        line = {"node": name, "old_rows": before.get("n_rows"), "new_rows": after.get("n_rows")}
        lines.append(line | {"same_stage": before.get("fingerprint") == after.get("fingerprint")})
    return lines


def _row_changes(old: Run, new: Run) -> dict[str, Any]:
    """Of the rows that each run selected, by problem: new, gone, and those whose chosen trace is another."""
    before, after = (_selected(run) for run in (old, new))
    both = before.keys() & after.keys()
    changed = sorted(problem for problem in both if before[problem] != after[problem])
    return {
        "added": sorted(after.keys() - before.keys()),
        "removed": sorted(before.keys() - after.keys()),
        "changed": changed,
        "unchanged": len(both) - len(changed),
    }


def _selected(run: Run) -> dict[str, list[str]]:
    """Ids of the rows of the last node with rows, by problem; only those not rejected, where something selects."""
    name = [name for name, entry in run.manifest["nodes"].items() if entry["columns"]][-1]
    columns = run.node(name)["columns"]
    wanted = [column for column in ("problem_id", "trace_id", "rejected_by") if column in columns]
    rows = run.frame(name, wanted)
    if "rejected_by" in wanted:
        rows = rows.filter(pl.col("rejected_by").is_null())
    grouped: dict[str, list[str]] = {}
    for row in rows.iter_rows(named=True):
        grouped.setdefault(row["problem_id"], []).append(row.get("trace_id", ""))
    return {problem: sorted(ids) for problem, ids in grouped.items()}


def stages(name: str = "") -> list[dict[str, Any]]:
    """Name, shape and first sentence of every stage, or of one, with its fields."""
    names = [name] if name else stage_names()
    return [_describe(each, with_fields=bool(name)) for each in names]


def _describe(name: str, with_fields: bool) -> dict[str, Any]:
    import importlib

    try:
        cls = stage_class(name)
    except LookupError as error:
        raise StoreError(str(error.args[0])) from None
    doc = (importlib.import_module(cls.__module__).__doc__ or "").strip()
    shape = next(base.__name__ for base in cls.__mro__ if base.__module__ == "pipeline.stage")
    line: dict[str, Any] = {"stage": name, "shape": shape, "about": doc.split("\n\n")[0].replace("\n", " ")}
    if with_fields:
        schema = cls.model_json_schema()["properties"] if cls.model_fields else {}
        required = cls.model_json_schema().get("required", [])
        line["fields"] = [
            {
                "field": field,
                "required": field in required,
                "default": info.get("default"),
                "about": info.get("description"),
            }
            for field, info in schema.items()
        ]
    return line


def recipes() -> list[dict[str, Any]]:
    """Path and leading comment of every recipe that ships."""
    lines = []
    for path in sorted((ROOT / "recipes").glob("*.yaml")):
        comment = takewhile(lambda line: line.startswith("#"), path.read_text().splitlines())
        about = " ".join(line.lstrip("# ") for line in comment)
        lines.append({"recipe": str(path.relative_to(ROOT)), "about": about})
    return lines
