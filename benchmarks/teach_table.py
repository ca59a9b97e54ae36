"""Figures, table and plot of `benchmarks.teach`.

results: arm -> one per seed, each with a value per test problem ── [seeds, problems] ──> Estimates, paired with raw
"""

from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

from benchmarks.teach_arms import ABOUT
from trainer.evaluation_plot import Point, plot_points
from trainer.evaluation_statistics import Array, Estimate, ratio
from trainer.evaluation_table import in_percent, with_interval

Results = dict[str, list[dict[str, Any]]]
CAVEAT = (
    "A student of 0.9 M parameters on problems from one template: this shows that sets made by the pipeline train a\n"
    "student and which of them hurt it, not what a method does to real models. DAP is written by a script, and the\n"
    "surprisal of template text tells where the template branches, not what matters in a step."
)


def figures(results: Results, whole_way_tokens: float, seed: int) -> dict[str, Any]:
    """`sets`: one entry per arm; `goal`: the arms that are no worse than raw at half its tokens or less;
    `whole_way_tokens`: what an answer needs that keeps every step."""
    estimates = {arm: _estimates(found, seed) for arm, found in results.items()}
    raw = estimates["raw"]
    sets = {arm: _line(arm, results[arm], own, raw) for arm, own in estimates.items()}
    reached = [
        arm
        for arm, line in sets.items()
        if line["minus_raw"]["accuracy"]["high"] >= 0 and line["minus_raw"]["tokens_ratio"]["value"] <= 0.5
    ]
    levels = {arm: _by_level(found) for arm, found in results.items()}
    n_problems = len(results["raw"][0]["problem_id"])
    way = {"whole_way_tokens": round(whole_way_tokens, 1)}
    return {"n_problems": n_problems, "sets": sets, "goal": reached, "levels": levels} | way


def _estimates(found: list[dict[str, Any]], seed: int) -> dict[str, Estimate]:
    correct, tokens = (np.array([one[name] for one in found], dtype=float) for name in ("correct", "tokens"))
    ones = np.ones_like(correct)
    return {
        "accuracy": ratio(correct, ones, seed),
        "tokens": ratio(tokens, ones, seed),
        "tokens_per_correct": ratio(tokens, correct, seed),
    }


def _line(arm: str, found: list[dict[str, Any]], own: dict[str, Estimate], raw: dict[str, Estimate]) -> dict[str, Any]:
    accuracies, lengths = ([fmean(one[name]) for one in found] for name in ("correct", "tokens"))
    train_tokens = [one["train_tokens"] for one in found if one["train_tokens"] is not None]
    return {
        "about": ABOUT[arm],
        "train_tokens": round(fmean(train_tokens), 1) if train_tokens else None,
        "accuracy": own["accuracy"].as_dict(),
        "accuracy_sd": round(stdev(accuracies), 4) if len(found) > 1 else None,
        "tokens": own["tokens"].as_dict(1),
        "tokens_per_correct": own["tokens_per_correct"].as_dict(1),
        "truncated_share": round(fmean(fmean(one["truncated"]) for one in found), 4),
        "minus_raw": {
            "accuracy": own["accuracy"].minus(raw["accuracy"]).as_dict(),
            "tokens": own["tokens"].minus(raw["tokens"]).as_dict(1),
            "tokens_ratio": own["tokens"].over(raw["tokens"]).as_dict(),
        },
        "by_seed": [
            {"accuracy": round(accuracy, 4), "tokens": round(length, 1)}
            for accuracy, length in zip(accuracies, lengths, strict=True)
        ],
    }


def _by_level(found: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Accuracy and tokens per level, over all seeds."""
    levels = np.array(found[0]["level"])
    values: dict[str, Array] = {
        name: np.array([one[name] for one in found]).mean(axis=0) for name in ("correct", "tokens")
    }
    return {
        str(level): {
            "accuracy": round(float(values["correct"][levels == level].mean()), 4),
            "tokens": round(float(values["tokens"][levels == level].mean()), 1),
        }
        for level in sorted(set(levels))
    }


def table(found: dict[str, Any]) -> str:
    """A line per arm, then accuracy by level."""
    titles = ("set", "train tok", "accuracy in %", "sd", "tokens", "accuracy - raw", "tokens in % of raw")
    widths = (14, 11, 20, 6, 16, 21, 20)
    lines = ["".join(f"{title:>{width}}" for title, width in zip(titles, widths, strict=True))]
    for arm, line in found["sets"].items():
        deviation, difference = line["accuracy_sd"], line["minus_raw"]
        cells = (
            arm,
            line["train_tokens"] or "-",
            in_percent(line["accuracy"]),
            "-" if deviation is None else f"{100 * deviation:.1f}",
            with_interval(line["tokens"], ".0f"),
            in_percent(difference["accuracy"], "+.1f"),
            in_percent(difference["tokens_ratio"], ".0f"),
        )
        lines.append("".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)))
    lines += ["", "accuracy in % (tokens) by level", *_level_lines(found["levels"]), ""]
    reached, share = (
        ", ".join(found["goal"]) or "no set",
        found["whole_way_tokens"] / found["sets"]["raw"]["tokens"]["value"],
    )
    lines.append(f"no worse than raw at half its tokens or less: {reached}")
    lines.append(f"every step and no word too much: {found['whole_way_tokens']} tokens, {share:.0%} of raw")
    return "\n".join(lines)


def _level_lines(levels: dict[str, dict[str, dict[str, float]]]) -> list[str]:
    return [
        f"{arm:>14}" + "".join(f"{100 * one['accuracy']:>9.1f} ({one['tokens']:.0f})" for one in by_level.values())
        for arm, by_level in levels.items()
    ]


def plot(found: dict[str, Any], path: Path, what: str) -> None:
    """Every arm as a cross."""
    points = [
        Point(arm, *((line[name]["value"], line[name]["low"], line[name]["high"]) for name in ("tokens", "accuracy")))
        for arm, line in found["sets"].items()
    ]
    plot_points(points, path, f"Students of one teacher, {what} to {found['n_problems']} test problems")
