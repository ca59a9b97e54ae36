"""Accuracy against tokens, one cross per model: the arms are the 95 % intervals, the middle is the mean.

    report of `trainer.evaluation` ── points ──> matplotlib ── labels where they hide nothing ──> .svg, .pdf or .png

Up and to the left is better. The same report gives the same SVG, byte for byte.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path
from typing import Any

from pipeline.errors import RecipeError

SUFFIXES = (".svg", ".pdf", ".png")
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#7f7f7f", "#8c564b", "#9467bd")
"""The colours of Okabe and Ito, which colour-blind people can tell apart, and three more."""
_DISTANCES = (8, 16, 28, 42, 60, 80)
_DIRECTIONS = ((1, 1), (-1, 1), (1, -1), (-1, -1), (0, 1), (0, -1), (1, 0), (-1, 0))
"""Where a label may stand, as seen from its point; the first place that hides nothing is taken."""
Box = tuple[float, float, float, float]
"""Left, bottom, right, top, in pixels."""


@dataclass(frozen=True)
class Point:
    """A model's place: value, low and high of both figures."""

    label: str
    tokens: tuple[float, float, float]
    accuracy: tuple[float, float, float]


def refuse_unplottable(path: Path) -> None:
    """Raises RecipeError where no plot can be written to the path, before anything is paid for."""
    if path.suffix not in SUFFIXES:
        raise RecipeError(f"--plot: {path} must end in {', '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise RecipeError(f"--plot: there is no folder {path.parent}")
    if not find_spec("matplotlib"):
        raise RecipeError("--plot needs matplotlib; install laconic[train]")


def plot_report(report: dict[str, Any], path: Path) -> None:
    """Plots the models of a report."""
    points = [
        Point(model["model"], _ends(model["tokens"]["all"]), _ends(model["accuracy"]))
        for model in report["models"]
        if model["accuracy"] is not None
    ]
    settings = report["settings"]
    title = f"{report['set']}, {settings['samples']} samples at temperature {settings['temperature']:g}"
    plot_points(points, path, title)


def _ends(estimate: dict[str, float]) -> tuple[float, float, float]:
    return estimate["value"], estimate["low"], estimate["high"]


def plot_points(points: Sequence[Point], path: Path, title: str) -> None:
    """Writes the figure; the suffix of `path` decides on its kind."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    with pyplot.rc_context({"svg.hashsalt": "laconic", "font.size": 10, "axes.spines.top": False}):
        figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
        for point, colour in zip(points, cycle(COLOURS), strict=False):
            _draw_cross(axes, point, colour)
        axes.set(xlabel="tokens per answer (mean)", ylabel="accuracy in %", title=title)
        axes.spines["right"].set_visible(False)
        axes.grid(alpha=0.25, linewidth=0.6)
        axes.margins(0.12)
        _label(figure, axes, points)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=150)
        pyplot.close(figure)


def _draw_cross(axes: Any, point: Point, colour: str) -> None:
    (x, *x_ends), (y, *y_ends) = point.tokens, tuple(100 * end for end in point.accuracy)
    axes.plot(x_ends, [y, y], color=colour, linewidth=1.4, solid_capstyle="butt")
    axes.plot([x, x], y_ends, color=colour, linewidth=1.4, solid_capstyle="butt")
    axes.plot([x], [y], marker="o", markersize=5, color=colour)


def _label(figure: Any, axes: Any, points: Sequence[Point]) -> None:
    """Writes each name beside its cross, with a thin line to one that stands away from it."""
    figure.canvas.draw()
    renderer, to_pixels = figure.canvas.get_renderer(), axes.transData.transform
    style = {"textcoords": "offset points", "fontsize": 9, "verticalalignment": "bottom"}
    places = [(point.tokens[0], 100 * point.accuracy[0]) for point in points]
    texts = [axes.annotate(point.label, at, (0, 0), **style) for point, at in zip(points, places, strict=True)]
    sizes = [(extent.width, extent.height) for extent in (text.get_window_extent(renderer) for text in texts)]
    middles = [tuple(to_pixels(at)) for at in places]
    arms = [arm for point in points for arm in _arms(point, to_pixels)]
    boxes = place_labels(middles, sizes, arms, tuple(axes.get_window_extent().extents))
    for text, at, middle, box, colour in zip(texts, places, middles, boxes, cycle(COLOURS), strict=False):
        points_of_text = tuple((box[i] - middle[i]) * 72 / figure.dpi for i in (0, 1))
        text.remove()
        away = max(middle[0] - box[2], box[0] - middle[0], middle[1] - box[3], box[1] - middle[1])
        line = {"arrowstyle": "-", "color": colour, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3}
        arrow = line if away > _DISTANCES[2] else None
        axes.annotate(text.get_text(), at, points_of_text, color=colour, arrowprops=arrow, **style)


def _arms(point: Point, to_pixels: Any) -> list[Box]:
    """The two arms of a cross, a little wider than they are drawn."""
    (x, x_low, x_high), (y, y_low, y_high) = point.tokens, tuple(100 * end for end in point.accuracy)
    ends = (((x_low, y), (x_high, y)), ((x, y_low), (x, y_high)))
    return [(*(to_pixels(low) - 4), *(to_pixels(high) + 4)) for low, high in ends]


def place_labels(
    middles: Sequence[tuple[float, float]], sizes: Sequence[tuple[float, float]], taken: Sequence[Box], frame: Box
) -> list[Box]:
    """A box of each size near its middle, inside the frame, clear of `taken` and of the boxes before, if possible."""
    boxes: list[Box] = []
    for middle, size in zip(middles, sizes, strict=True):
        around = [_box(middle, direction, far, size) for far in _DISTANCES for direction in _DIRECTIONS]
        inside = [
            box
            for box in around
            if frame[0] <= box[0] and frame[1] <= box[1] and box[2] <= frame[2] and box[3] <= frame[3]
        ]
        others = (*taken, *boxes)
        boxes.append(min(inside or around, key=lambda box: sum(overlap(box, other) for other in others)))
    return boxes


def _box(middle: tuple[float, float], direction: tuple[int, int], far: float, size: tuple[float, float]) -> Box:
    """Of this size, `far` pixels away from the middle."""
    shift = {1: 0.0, 0: 0.5, -1: 1.0}
    x = middle[0] + direction[0] * far - shift[direction[0]] * size[0]
    y = middle[1] + direction[1] * far - shift[direction[1]] * size[1]
    return x, y, x + size[0], y + size[1]


def overlap(box: Box, other: Box) -> float:
    """Area that two boxes share, in square pixels."""
    width, height = (min(box[i + 2], other[i + 2]) - max(box[i], other[i]) for i in (0, 1))
    return max(width, 0.0) * max(height, 0.0)
