"""The report of a run: one page that can be read, printed or mailed without anything else, and the same in Markdown.

    manifest, candidates and their facts (facts) ─────┐
    texts of three pairs (report_pairs) ──────────────┼──> content ──> report.html.j2 ──> runs/<run>/report.html
    verdicts worth a look (report_doubts) ────────────┤
    problems that stand in benchmarks ────────────────┤
    distributions (report_plot) ──────────────────────┘          └──> report.md.j2 ───> runs/<run>/report.md

A part that a run has nothing to say about is left out. Every string is made visible and escaped (report_text). The same
run gives the same bytes.
"""

from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline import report_contamination, report_doubts, report_pairs, report_plot, report_text
from pipeline.facts import kept
from pipeline.report_pairs import AFTER, BEFORE
from pipeline.run import Run, relative

_N_REASONS = 20
_QUANTILES = {"p10": 0.1, "p99": 0.99, "longest": 1.0}
_PASS_RATES = {"none correct": 0.0, "up to 25 %": 0.25, "25 to 50 %": 0.5, "50 to 75 %": 0.75, "75 to 100 %": 1.0}
"""Upper bounds; the last range ends below its own."""


class Line(NamedTuple):
    """A labelled bar: `start` and `share` are of the longest one."""

    label: str
    n: int
    share: float | None
    """Of the whole that is printed beside it; None where it is not a part of one."""
    start: float = 0.0
    length: float = 0.0
    tone: str = "plain"
    depth: int = 0


def write_report(run: Run, rows: pl.DataFrame, found: dict[str, Any]) -> str:
    """Writes `report.html` and `report.md` beside the manifest; returns the path, or the URL, of the page.

    `rows` are the run's candidates and `found` its facts (`pipeline.facts`).
    """
    known = content(run, rows, found)
    page = f"runs/{run.id}/report.html"
    run.store.write_bytes(f"runs/{run.id}/report.md", _render("report.md.j2", known).encode())
    run.store.write_bytes(page, _render("report.html.j2", known).encode())
    return run.store.path(page) if run.store.is_local else f"{run.store.url}/{page}"


def _render(template: str, known: dict[str, Any]) -> str:
    is_page = template.endswith(".html.j2")
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=is_page,
        finalize=report_text.finalize_html if is_page else report_text.finalize_markdown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "count": lambda n: f"{n:,.0f}",
        "percent": percent,
        "block": report_text.code_block,
        "shorten": report_text.shorten,
    }
    environment.globals |= {"bar": report_plot.bar}
    return environment.get_template(template).render(known)


def content(run: Run, rows: pl.DataFrame, found: dict[str, Any]) -> dict[str, Any]:
    """All that both forms show, under the names that the templates use."""
    stay = kept(rows)
    return {
        "name": run.manifest["recipe"]["name"],
        "run": run.id,
        "started": run.manifest["started"].replace("T", " ").replace("+00:00", " UTC"),
        "seconds": found["seconds"],
        "digest": found["digest"],
        "headline": headline(found, stay),
        "funnel": funnel_lines(found["funnel"]) if found["funnel"] else [],
        "tokens": found["tokens"],
        "lengths": length_rows(found["tokens"], stay) if found["tokens"] else [],
        "plot": _plot(stay, found["tokens"]),
        "outcomes": outcome_lines(found["outcomes"]),
        "origins": _origins(found["verdicts"]["origins"]),
        "doubts": report_doubts.doubts(run, rows),
        "mixture": found["mixture"],
        "contamination": report_contamination.contamination(run, rows),
        "pass_rates": pass_rate_lines(rows),
        "pairs": report_pairs.pairs(run, stay),
        "nodes": found["nodes"],
        "stages": {name: node["stage"] for name, node in run.manifest["recipe"]["nodes"].items()},
        "bad": bad_reasons(run),
        "datasets": _datasets(run, found["datasets"]),
        "engines": engines(run),
        "recipe": _yaml(run.manifest["recipe"]),
        "versions": run.manifest["versions"],
    }


def headline(found: dict[str, Any], kept: pl.DataFrame) -> tuple[str, str]:
    """What came out, and how many of its reasoning tokens are left; the second is empty where nothing was shortened."""
    if not kept.width:
        return _plural(found["nodes"][0]["n_rows"], "problem"), ""
    n_problems = kept["problem_id"].n_unique() if kept.height else 0
    n_correct = int((kept["outcome"] == "correct").sum()) if "outcome" in kept.columns else None
    kind = "verified trace" if n_correct == kept.height else "trace"
    sentence = f"{_plural(kept.height, kind)} for {_plural(n_problems, 'problem')}"
    if n_correct is None or n_correct < kept.height:
        sentence += ", none of them verified" if not n_correct else f", {n_correct:,} of them verified"
    tokens = found["tokens"]
    shorter = bool(tokens) and tokens["before"]["sum"] != tokens["after"]["sum"]
    return sentence, f"{percent(tokens['ratio'])} of the reasoning tokens remain" if shorter else ""


def _plural(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def percent(share: float) -> str:
    """One decimal; a part never reads as nothing or as all. The space does not break."""
    if 0 < share < 0.0005:
        return "< 0.1\u00a0%"
    return "> 99.9\u00a0%" if 0.9995 <= share < 1 else f"{share * 100:.1f}\u00a0%"


def funnel_lines(funnel: dict[str, Any]) -> list[Line]:
    """Rows in, candidates, what each rule took off their end, what is left, by method, and what was left alone."""
    longest = max(funnel["rows_in"], funnel["candidates"], *funnel["left_alone"].values(), 1)
    candidates = max(funnel["candidates"], 1)
    lines = [Line("rows in", funnel["rows_in"], None, 0, funnel["rows_in"] / longest)]
    if funnel["bad_rows"]:
        lines.append(Line("bad rows, kept aside", funnel["bad_rows"], None, 0, funnel["bad_rows"] / longest, "bad", 1))
    about = f"candidates for {funnel['problems']:,} problems"
    lines.append(Line(about, funnel["candidates"], 1.0, 0, funnel["candidates"] / longest))
    left = funnel["candidates"]
    for rule, n in funnel["rejected"].items():
        left -= n
        lines.append(Line(f"rejected by {rule}", n, n / candidates, left / longest, n / longest, "off", 1))
    kept = funnel["kept"]
    about = f"kept, for {funnel['kept_problems']:,} problems"
    lines.append(Line(about, kept, kept / candidates, 0, kept / longest, "kept"))
    start = 0
    for method, n in funnel["kept_by_method"].items():
        lines.append(Line(f"made by {method}", n, n / candidates, start / longest, n / longest, "kept", 1))
        start += n
    lines += [Line(f"left alone, {why}", n, None, 0, n / longest) for why, n in funnel["left_alone"].items()]
    return lines


def outcome_lines(outcomes: dict[str, int]) -> list[Line]:
    total, longest = sum(outcomes.values()), max(outcomes.values(), default=1)
    tones = {"correct": "kept"}
    return [
        Line(name or "not judged", n, n / total, 0, n / longest, tones.get(name, "plain"))
        for name, n in outcomes.items()
    ]


def _origins(counts: dict[str, int]) -> str:
    """What the verdicts rest on, in one line: `rule 97.0 %, judge 3.0 %`."""
    total = sum(counts.values())
    return ", ".join(f"{origin} {percent(n / total)}" for origin, n in counts.items())


def pass_rate_lines(rows: pl.DataFrame) -> list[Line]:
    """Graded problems by the share of their first traces that is correct; none and all stand apart."""
    if "pass_rate" not in rows.columns:
        return []
    rates = rows.unique("problem_id")["pass_rate"].drop_nulls()
    up_to = [0, *(int((rates <= bound).sum()) for bound in _PASS_RATES.values())]
    counts = {label: up_to[i + 1] - up_to[i] for i, label in enumerate(_PASS_RATES)}
    n_all = int((rates == 1).sum())
    counts |= {"75 to 100 %": counts["75 to 100 %"] - n_all, "all correct": n_all}
    longest = max(counts.values())
    return [Line(label, n, n / rates.len(), 0, n / longest) for label, n in counts.items()] if longest else []


def length_rows(tokens: dict[str, Any], kept: pl.DataFrame) -> list[tuple[str, float, float]]:
    """Label, tokens before, tokens after: the figures that the terminal prints, and more quantiles."""
    columns = [kept[name].drop_nulls() for name in (BEFORE, AFTER)]
    further = {label: [column.quantile(q, "nearest") or 0.0 for column in columns] for label, q in _QUANTILES.items()}
    known = {name: [tokens["before"][name], tokens["after"][name]] for name in ("sum", "mean", "median", "p90")}
    order = ("sum", "mean", "p10", "median", "p90", "p99", "longest")
    return [(name, *(further | known)[name]) for name in order]


def _plot(kept: pl.DataFrame, tokens: dict[str, Any]) -> Any:
    if not tokens or kept.is_empty():
        return None
    before, after = (kept[name].drop_nulls() for name in (BEFORE, AFTER))
    curves = {"kept": after} if before.equals(after) else {"before": before, "after": after}
    return report_plot.length_plot(curves, ", ".join(tokens["counted_by"]))


def bad_reasons(run: Run) -> dict[str, dict[str, Any]]:
    """Most frequent reasons of each node with bad rows, and how many more reasons there are."""
    found = {name: run.bad_rows(name) for name, entry in run.manifest["nodes"].items() if entry["n_failed"]}
    return {
        name: {"reasons": list(rows.head(_N_REASONS).iter_rows()), "n_more": max(rows.height - _N_REASONS, 0)}
        for name, rows in found.items()
    }


def engines(run: Run) -> list[dict[str, Any]]:
    """Each model that was asked, with the nodes that asked it."""
    found: dict[str, dict[str, Any]] = {}
    for name, entry in run.manifest["nodes"].items():
        identity = entry["identity"]["engine"]
        if identity:
            found.setdefault(repr(identity), {"identity": identity, "nodes": []})["nodes"].append(name)
    return list(found.values())


def _datasets(run: Run, folders: dict[str, str]) -> list[dict[str, Any]]:
    files = run.artifacts()
    return [
        {
            "node": name,
            "folder": relative(folder),
            "counts": {k: v for k, v in files[name].items() if isinstance(v, int | float | str) and k != "folder"},
        }
        for name, folder in folders.items()
    ]


def _yaml(recipe: dict[str, Any]) -> str:
    from ruamel.yaml import YAML

    out = StringIO()
    YAML().dump(recipe, out)
    return out.getvalue()
