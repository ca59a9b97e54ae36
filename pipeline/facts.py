"""The figures of a finished run: what each node did, what was kept and what rejected the rest, tokens before and after.

    run ── candidates ──> rows of the selection, small columns ── facts ──> figures ──> terminal, report

The rows are read once, all columns together: of a run that finds everything done, reading them is most of the work.
"""

import json
from typing import Any

import polars as pl

from pipeline.run import Run, dataset_folder
from schemas.verdict import Outcome

LENGTHS = ("n_source_reasoning_tokens", "n_reasoning_tokens")
COLUMNS = (
    *("problem_id", "trace_id", "parent_id", "method", "outcome", "rejected_by", "pass_rate", "token_counter"),
    *("verdict_origin", "second_opinion", "n_samples", "max_samples"),
    *("contaminated_by", "mix_report"),
    *LENGTHS,
)


def candidate_node(run: Run) -> str | None:
    """The selection, which has all candidates; without one, the last node with traces."""
    return _last_with(run, "rejected_by") or _last_with(run, "n_reasoning_tokens")


def candidates(run: Run) -> pl.DataFrame:
    """Those of `COLUMNS` that exist, of all candidates."""
    name = candidate_node(run)
    if name is None:
        return pl.DataFrame()
    return run.frame(name, [column for column in COLUMNS if column in run.node(name)["columns"]])


def kept(rows: pl.DataFrame) -> pl.DataFrame:
    """Selected rows; all where nothing selects."""
    return rows.filter(pl.col("rejected_by").is_null()) if "rejected_by" in rows.columns else rows


def proposed(rows: pl.DataFrame) -> pl.DataFrame:
    """Without the rows in which a method only says why it left a trace alone."""
    return rows.filter(~_is_refusal(rows))


def _is_refusal(rows: pl.DataFrame) -> pl.Expr:
    """No reasoning, and rejected by the method itself: `<method>: <reason>`."""
    if not {"method", "rejected_by", "n_reasoning_tokens"} <= set(rows.columns):
        return pl.lit(False)
    by_itself = pl.col("rejected_by").str.starts_with(pl.col("method") + ": ")
    return (by_itself & (pl.col("n_reasoning_tokens") == 0)).fill_null(False)


def facts(run: Run, rows: pl.DataFrame) -> dict[str, Any]:
    """What a run with these candidates did, kept and wrote, ready for JSON."""
    return {
        "run": run.id,
        "seconds": run.manifest["seconds"],
        "digest": run.manifest["digest"],
        "nodes": [_node(name, entry) for name, entry in run.manifest["nodes"].items()],
        "funnel": funnel(run, rows),
        "outcomes": outcomes(proposed(rows)),
        "verdicts": verdicts(proposed(rows)),
        "sampling": sampling(rows),
        "tokens": tokens(rows),
        "mixture": mixture(rows),
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


def funnel(run: Run, rows: pl.DataFrame) -> dict[str, Any]:
    """Candidate rows in front of the selection, rows kept, rows rejected by each rule, most frequent first, and the
    reasons for which shorteners left traces alone."""
    if "rejected_by" not in rows.columns:
        return {}
    stay, candidates = kept(rows), proposed(rows)
    nodes = run.manifest["nodes"].values()
    return {
        "node": _last_with(run, "rejected_by"),
        "rows_in": next(iter(nodes))["n_units"],
        "bad_rows": sum(entry["n_failed"] for entry in nodes),
        "candidates": candidates.height,
        "problems": rows["problem_id"].n_unique(),
        "rejected": _counts(candidates.filter(pl.col("rejected_by").is_not_null()), "rejected_by"),
        "left_alone": _counts(rows.filter(_is_refusal(rows)), "rejected_by"),
        "kept": stay.height,
        "kept_problems": stay["problem_id"].n_unique(),
        "kept_by_method": _counts(stay, "method"),
    }


def mixture(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Asked, available and taken of each stratum, in rows or tokens; empty where nothing was mixed."""
    found = rows["mix_report"].drop_nulls().to_list() if "mix_report" in rows.columns else []
    return [line for report in found for line in json.loads(report)]


def outcomes(rows: pl.DataFrame) -> dict[str, int]:
    """Verdicts of the candidates."""
    return _counts(rows, "outcome")


def verdicts(rows: pl.DataFrame) -> dict[str, Any]:
    """What the verdicts rest on, and what in them is worth a look."""
    return {
        "origins": _counts(rows, "verdict_origin"),
        "unusable_golds": unusable_golds(rows).height,
        "disagreements": disagreements(rows).height,
    }


def sampling(rows: pl.DataFrame) -> dict[str, int]:
    """Samples taken by adaptive sampling, and what a fixed number would have taken; {} without it."""
    if not {"n_samples", "max_samples"} <= set(rows.columns):
        return {}
    problems = rows.unique("problem_id")
    return {name: int(problems[name].sum()) for name in ("n_samples", "max_samples")}


def unusable_golds(rows: pl.DataFrame) -> pl.DataFrame:
    """One candidate of each problem whose gold answer or tests could not be used."""
    if "outcome" not in rows.columns:
        return rows.clear()
    return rows.filter(pl.col("outcome") == Outcome.UNGRADABLE).unique("problem_id", keep="first", maintain_order=True)


def disagreements(rows: pl.DataFrame) -> pl.DataFrame:
    """Candidates on which a second, cruder look differs from the verdict."""
    return rows.filter(pl.col("second_opinion") == "disagrees") if "second_opinion" in rows.columns else rows.clear()


def _counts(rows: pl.DataFrame, column: str) -> dict[str, int]:
    """How many rows have each value, most frequent first; {} without the column."""
    if column not in rows.columns:
        return {}
    return dict(rows[column].value_counts(name="n").sort("n", column, descending=[True, False]).iter_rows())


def tokens(rows: pl.DataFrame) -> dict[str, Any]:
    """Reasoning tokens of the kept rows: of the trace each one began as, and of the row itself."""
    stay = kept(rows)
    if stay.is_empty() or not set(LENGTHS) <= set(stay.columns):
        return {}
    before, after = (_spread(stay[name]) for name in LENGTHS)
    counters = sorted(stay["token_counter"].unique().to_list())
    ratio = after["sum"] / max(before["sum"], 1)
    found = {"before": before, "after": after, "ratio": ratio, "counted_by": counters}
    return found | {"any_correct_mean": _any_correct_mean(rows)}


def _any_correct_mean(rows: pl.DataFrame) -> float | None:
    """Mean length of a correct first trace of the kept problems, each problem weighing the same: what taking any
    correct trace instead of the selected one would give."""
    if not {"parent_id", "outcome", "rejected_by"} <= set(rows.columns):
        return None
    problems = kept(rows)["problem_id"].unique()
    first = rows.filter(pl.col("parent_id").is_null() & (pl.col("outcome") == "correct"))
    first = first.filter(pl.col("problem_id").is_in(problems.implode()))
    means = first.group_by("problem_id").agg(pl.col("n_reasoning_tokens").mean())["n_reasoning_tokens"]
    return None if means.is_empty() else round(sum(means) / means.len(), 1)


def _spread(lengths: pl.Series) -> dict[str, float]:
    values = lengths.drop_nulls()
    p90 = values.quantile(0.9, "nearest") or 0.0
    mean, median = pl.select(pl.lit(values).mean(), pl.lit(values).median().alias("median")).row(0)
    return {"sum": int(values.sum()), "mean": round(mean or 0.0, 1), "median": median or 0.0, "p90": p90}
