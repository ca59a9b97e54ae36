"""Prints what an evaluation found, for people: models side by side, then levels, then differences.

report of `trainer.evaluation` ── one row per model, per model and level, per pair of models ──> terminal
"""

from typing import Any

from rich.console import Console
from rich.table import Table

from pipeline.run import relative

console = Console(highlight=False, soft_wrap=True, width=240)
"""Wider than most terminals: a table is as wide as its texts, and none of them is cut."""
ROWS = (
    "accuracy in %", "tokens", "  median", "  90th percentile", "  of correct answers", "  per correct answer",
    "truncated", "undecided",
)  # fmt: skip
Figures = dict[str, Any]


def print_report(report: Figures) -> None:
    models, settings = report["models"], report["settings"]
    console.print(
        f"{report['set']}: {models[0]['n_problems']:,} problems, {settings['samples']} samples each at temperature "
        f"{settings['temperature']:g}, at most {settings['max_tokens']:,} tokens",
        markup=False,
    )
    _print_models(models)
    _print_levels(models)
    _print_differences(report["differences"])
    for model in models:
        _print_left_out(model)
    intervals = " and ".join(sorted({model["interval"] for model in models}))
    counter = relative(settings["token_counter"])
    console.print(f"95 % intervals of accuracy: {intervals}; of tokens: bootstrap; counted by {counter}", markup=False)
    for model in models:
        taken = f"{model['n_calls']:,} answers made, {model['n_recalled_calls']:,} found"
        console.print(f"run {model['run']}: {taken}, {model['n_new_tokens']:,} new tokens", markup=False)


def _print_models(models: list[Figures]) -> None:
    """One column per model; figures that no model has are left out."""
    table = _table("", *(model["model"] for model in models))
    for title, cells in zip(ROWS, zip(*(_cells(model) for model in models), strict=True), strict=True):
        table.add_row(title, *cells)
    for place, at in enumerate(models[0]["at_budgets"]):
        shares = (in_percent(model["at_budgets"][place]["accuracy"]) for model in models)
        table.add_row(f"accuracy in % within {at['budget']:,} tokens", *shares)
    console.print(table)


def _print_levels(models: list[Figures]) -> None:
    levels = list(dict.fromkeys(level for model in models for level in model["levels"]))
    if not levels:
        return
    table = _table("level", "model", "problems", "accuracy in %", "tokens", "per correct answer")
    for level in levels:
        for model in (model for model in models if level in model["levels"]):
            found = model["levels"][level]
            tokens = with_interval(found["tokens"]["all"], ",.0f")
            per_correct = with_interval(found["tokens_per_correct"], ",.0f")
            accuracy = in_percent(found["accuracy"])
            table.add_row(level, model["model"], f"{found['n_problems']:,}", accuracy, tokens, per_correct)
    console.print(table)


def _print_differences(differences: list[Figures]) -> None:
    if not differences:
        return
    table = _table("difference, paired", "problems", "accuracy in points", "tokens", "tokens in %")
    for pair in differences:
        tokens, share = with_interval(pair["tokens"], "+,.0f"), in_percent(pair["tokens_ratio"])
        accuracy = in_percent(pair["accuracy"], "+.1f")
        table.add_row(f"{pair['model']} - {pair['to']}", f"{pair['n_problems']:,}", accuracy, tokens, share)
    console.print(table)


def _print_left_out(model: Figures) -> None:
    for node, n in model["left_out"].items():
        what = "rows of the set" if node == "problems" else "problems"
        console.print(f"{model['model']}: {n:,} {what} left out at `{node}`; `laconic status` says why", markup=False)


def _cells(found: Figures) -> list[str]:
    every, correct = found["tokens"]["all"], found["tokens"]["correct"]
    return [
        in_percent(found["accuracy"]),
        with_interval(every, ",.0f"),
        f"{every['median']:,.0f}",
        f"{every['p90']:,.0f}",
        with_interval(correct, ",.0f"),
        with_interval(found["tokens_per_correct"], ",.0f"),
        f"{found['truncated_share']:.1%}",
        f"{found['undecided_share']:.1%}",
    ]


def in_percent(estimate: Figures | None, form: str = ".1f") -> str:
    """`87.2 [84.0, 90.1]`"""
    if estimate is None:
        return "-"
    return with_interval({name: 100 * estimate[name] for name in ("value", "low", "high")}, form)


def with_interval(estimate: Figures | None, form: str) -> str:
    """The value with the ends of its interval; `-` where it is not defined."""
    if not estimate or "value" not in estimate:
        return "-"
    value, low, high = (format(estimate[name], form) for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(first)
    for title in others:
        table.add_column(title, justify="left" if title == "model" else "right", no_wrap=True)
    return table
