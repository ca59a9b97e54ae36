"""The README of a trained model: what it was trained on, how, and what came of it, for people and for the Hub.

configuration, plan, result ── model_card ──> README.md      the same facts ── training.json ──> programs
"""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from trainer.config import TrainConfig

PACKAGES = ("trl", "transformers", "accelerate", "peft", "torch", "datasets")


def versions() -> dict[str, str]:
    """Versions of the packages that decide what a step does."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def model_card(config: TrainConfig, facts: dict[str, Any]) -> str:
    """Markdown with the Hub's front matter. `facts`: what `trainer.run` writes to `training.json`."""
    plan, result = facts["plan"], facts["result"]
    base = Path(config.model).name if Path(config.model).exists() else config.model
    rows = [
        ("method", facts["method"]),
        ("base model", base + (f" at {config.revision}" if config.revision else "")),
        ("data set", f"format `{plan['data']['format']}`, digest `{plan['data']['digest']}`"),
        ("recipe of the data", plan["data"]["recipe"] or "not stated"),
        ("configuration", f"digest `{facts['config_digest']}`"),
        ("rows", f"{plan['n_rows_used']:,} of {plan['n_rows']:,}"),
        *[("rows left out", f"{count:,}: {reason}") for reason, count in plan["left_out"].items()],
        ("optimiser steps", f"{result['n_steps']:,}"),
        ("tokens learnt", f"{result['n_tokens_trained']:,}"),
        ("parameters trained", f"{facts['n_parameters_trained']:,} of {facts['n_parameters']:,}"),
        ("loss at the end", f"{result['loss']:.4f}"),
        ("processes", f"{facts['n_processes']}, on {facts['device']}"),
        ("versions", ", ".join(f"{name} {number}" for name, number in facts["versions"].items())),
    ]
    return "\n".join(
        [
            "---",
            _front_matter(config, facts["method"]),
            "---",
            f"# {Path(config.output).name}",
            "",
            f"{base}, trained with {facts['method']} on a data set of concise reasoning.",
            "",
            "![Loss and length over the steps](curves.svg)",
            "",
            "| | |",
            "|---|---|",
            *[f"| {name} | {_cell(value)} |" for name, value in rows],
            "",
            "## Configuration",
            "",
            "```yaml",
            _yaml(config.identity),
            "```",
            "",
            "`training.json` holds the same facts for programs, `metrics.jsonl` a line for every step.",
            "",
        ]
    )


def _front_matter(config: TrainConfig, method: str) -> str:
    lines = ["library_name: " + ("peft" if config.lora else "transformers"), "pipeline_tag: text-generation"]
    if not Path(config.model).exists():
        lines.append(f"base_model: {config.model}")
    return "\n".join([*lines, "tags:", "- laconic", "- reasoning", f"- {method}"])


def _yaml(fields: dict[str, Any]) -> str:
    from io import StringIO

    from ruamel.yaml import YAML

    writer, text = YAML(), StringIO()
    writer.default_flow_style = False
    writer.dump(fields, text)
    return text.getvalue().rstrip()


def _cell(value: str) -> str:
    return value.replace("|", "\\|").replace("\n", " ")
