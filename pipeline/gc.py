"""Removes from a store what no kept run refers to: ledgers, views, cells, datasets, and scraps of killed runs.

Answers of models cost most and take least, so `calls/` is only touched when asked. Ledgers of kept runs are rewritten
as one part per partition where small parts have piled up.
"""

from typing import Any

from pipeline.fingerprint import digest
from pipeline.ledger import merged_parts
from pipeline.lock import StoreLock
from pipeline.run import run_ids
from pipeline.store import Store

MAX_PARTS = 16
"""A ledger partition with more parts than this is compacted."""


def collect(store: Store, keep: int, calls: bool, dry_run: bool) -> dict[str, Any]:
    """What was, or would be, removed: names by kind, and partitions compacted."""
    with StoreLock(store):
        kept = _kept_runs(store, keep)
        entries = [entry for run in kept.values() for entry in run["nodes"].values()]
        used = {entry["fingerprint"] for entry in entries}
        datasets = {entry["files"]["folder"].removeprefix("datasets/") for entry in entries if entry["files"]}
        models = {digest(entry["identity"]["engine"]) for entry in entries if entry["identity"]["engine"] is not None}
        doomed = {
            "runs": [name for name in run_ids(store) if name not in kept],
            **{kind: _others(store, kind, used) for kind in ("cells", "views", "ledger")},
            "datasets": _others(store, "datasets", datasets),
            "calls": _others(store, "calls", models) if calls else [],
        }
        if dry_run:
            return {"removed": doomed, "compacted": 0, "dry_run": True}
        for kind, names in doomed.items():
            for name in names:
                store.remove(f"{kind}/{name}")
        return {"removed": doomed, "compacted": _compact(store), "dry_run": False}


def _kept_runs(store: Store, keep: int) -> dict[str, Any]:
    """Manifests of the latest `keep` finished runs of each recipe."""
    by_recipe: dict[str, list[str]] = {}
    for name in run_ids(store):
        if store.exists(f"runs/{name}/manifest.json"):
            by_recipe.setdefault(name.rsplit("-", 2)[0], []).append(name)
    return {
        name: store.read_json(f"runs/{name}/manifest.json") for names in by_recipe.values() for name in names[-keep:]
    }


def _others(store: Store, kind: str, used: set[str]) -> list[str]:
    return [name for name in store.names(kind) if name not in used]


def _compact(store: Store) -> int:
    """Merges the parts of ledger partitions that have many; a kill in between leaves some lines twice, unread."""
    n_compacted = 0
    for fingerprint in store.names("ledger"):
        for partition in store.names(f"ledger/{fingerprint}"):
            folder = f"ledger/{fingerprint}/{partition}"
            parts = store.names(folder) if partition.isdigit() else []
            if len(parts) > MAX_PARTS:
                store.append_part(folder, merged_parts(store, folder, parts))
                for name in parts:
                    store.remove(f"{folder}/{name}")
                n_compacted += 1
    return n_compacted
