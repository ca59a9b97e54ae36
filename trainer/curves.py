"""Curves of a run: loss, accuracy and length over the steps, as one SVG beside the trained model.

    metrics.jsonl ── read_metrics ──> values by name ── matplotlib ──> curves.svg

The same metrics give the same file, byte for byte.
"""

import json
from pathlib import Path
from typing import Any

PANELS = {
    "loss": "loss",
    "accuracy": "accuracy",
    "n_completion_tokens": "tokens per answer",
    "reward": "reward",
}
"""Keys of `metrics.jsonl` that get a panel where they were logged, and what stands at its axis."""


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of a metrics file, in the order of their steps."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return sorted(lines, key=lambda line: line["step"])


def draw_curves(metrics: Path, target: Path) -> None:
    """Writes one panel for each quantity that the run logged."""
    import matplotlib
    from matplotlib.figure import Figure

    lines = read_metrics(metrics)
    shown = [name for name in PANELS if any(name in line for line in lines)]
    if not shown:
        return
    with matplotlib.rc_context({"svg.hashsalt": "laconic", "font.size": 10}):
        figure = Figure(figsize=(7, 2.0 * len(shown)), layout="constrained")
        panels = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
        for panel, name in zip(panels, shown, strict=True):
            points = [(line["step"], line[name]) for line in lines if name in line]
            panel.plot(*zip(*points, strict=True), color="#0072b2", linewidth=1.2)
            panel.set_ylabel(PANELS[name])
            panel.spines[["top", "right"]].set_visible(False)
            panel.grid(alpha=0.25, linewidth=0.6)
        panels[-1].set_xlabel("optimiser step")
        figure.savefig(target, metadata={"Date": None})
