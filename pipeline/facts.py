"""The figures of a finished run: what each node did, what was kept and what rejected the rest, tokens before and after.

One place computes them; the terminal (`summary.py`) and the report print them.
"""

from typing import Any

import polars as pl

from pipeline.run import Run, dataset_folder

LENGTHS = ("n_source_reasoning_tokens", "n_reasoning_tokens")


def facts(run: Run) -> dict[str, Any]:
    """`nodes`, `funnel`, `outcomes`, `tokens` and `datasets` of a run, ready for JSON."""
    return {
        "run": run.id,
        "seconds": run.manifest["seconds"],
        "digest": run.manifest["digest"],
        "nodes": [_node(name, entry) for name, entry in run.manifest["nodes"].items()],
        "funnel": funnel(run),
        "outcomes": outcomes(run),
        "tokens": tokens(run),
        "datasets": {name: dataset_folder(run, files) for name, files in run.artifacts().items()},
    }


def _node(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    keys = ("n_rows", "n_known", "n_computed", "n_failed", "seconds")
    calls = {key: entry["calls"][key] for key in ("n_made", "n_recalled", "n_new_tokens")}
    return {"node": name, "stage": entry["identity"]["stage"], **{key: entry[key] for key in keys}, **calls}


def _last_with(run: Run, column: str) -> str | None:
    """The last node whose rows have the column."""
    found = [name for name, entry in run.manifest["nodes"].items() if column in entry["columns"]]
    return found[-1] if found else None


def funnel(run: Run) -> dict[str, Any]:
    """Candidate rows in front of the selection, rows kept, and rows rejected by each rule, most frequent first."""
    name = _last_with(run, "rejected_by")
    if name is None:
        return {}
    columns = [c for c in ("problem_id", "method", "rejected_by") if c in run.node(name)["columns"]]
    rows = run.frame(name, columns)
    kept = rows.filter(pl.col("rejected_by").is_null())
    counts = rows.filter(pl.col("rejected_by").is_not_null()).group_by("rejected_by").len("n")
    rejected = dict(counts.sort("n", "rejected_by", descending=[True, False]).iter_rows())
    source = next(iter(run.manifest["nodes"].values()))
    methods = dict(kept["method"].value_counts(sort=True).iter_rows()) if "method" in columns else {}
    return {
        "node": name,
        "rows_in": source["n_units"],
        "bad_rows": sum(entry["n_failed"] for entry in run.manifest["nodes"].values()),
        "candidates": rows.height,
        "problems": rows["problem_id"].n_unique(),
        "rejected": rejected,
        "kept": kept.height,
        "kept_problems": kept["problem_id"].n_unique(),
        "kept_by_method": methods,
    }


def outcomes(run: Run) -> dict[str, int]:
    """Verdicts of the last verified rows."""
    name = _last_with(run, "outcome")
    return dict(run.frame(name, ["outcome"])["outcome"].value_counts(sort=True).iter_rows()) if name else {}


def kept_rows(run: Run, columns: list[str]) -> pl.DataFrame:
    """Selected rows, with those of `columns` that exist; all rows where nothing selects."""
    name = _last_with(run, "rejected_by") or _last_with(run, "n_reasoning_tokens")
    if name is None:
        return pl.DataFrame()
    there = [column for column in (*columns, "rejected_by") if column in run.node(name)["columns"]]
    rows = run.frame(name, list(dict.fromkeys(there)))
    return rows.filter(pl.col("rejected_by").is_null()) if "rejected_by" in there else rows


def tokens(run: Run) -> dict[str, Any]:
    """Reasoning tokens of the kept rows: of the trace each one began as, and of the row itself."""
    rows = kept_rows(run, [*LENGTHS, "token_counter"])
    if rows.is_empty() or not set(LENGTHS) <= set(rows.columns):
        return {}
    before, after = (_spread(rows[name]) for name in LENGTHS)
    counters = sorted(rows["token_counter"].unique().to_list())
    ratio = after["sum"] / max(before["sum"], 1)
    found = {"before": before, "after": after, "ratio": ratio, "counted_by": counters}
    return found | {"any_correct_mean": _any_correct_mean(run)}


def _any_correct_mean(run: Run) -> float | None:
    """Mean length of a correct first trace of the kept problems, each problem weighing the same: what taking any
    correct trace instead of the selected one would give."""
    name = _last_with(run, "rejected_by")
    needed = ["problem_id", "parent_id", "outcome", "n_reasoning_tokens", "rejected_by"]
    if name is None or not set(needed) <= set(run.node(name)["columns"]):
        return None
    rows = run.frame(name, needed)
    kept = rows.filter(pl.col("rejected_by").is_null())["problem_id"].unique()
    first = rows.filter(pl.col("parent_id").is_null() & (pl.col("outcome") == "correct"))
    first = first.filter(pl.col("problem_id").is_in(kept.implode()))
    means = first.group_by("problem_id").agg(pl.col("n_reasoning_tokens").mean())["n_reasoning_tokens"]
    return None if means.is_empty() else round(sum(means) / means.len(), 1)


def _spread(lengths: pl.Series) -> dict[str, float]:
    values = lengths.drop_nulls()
    p90 = values.quantile(0.9, "nearest") or 0.0
    mean, median = pl.select(pl.lit(values).mean(), pl.lit(values).median().alias("median")).row(0)
    return {"sum": int(values.sum()), "mean": round(mean or 0.0, 1), "median": median or 0.0, "p90": p90}
