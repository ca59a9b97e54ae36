"""Plots of the report as SVG text that needs no script and no other file.

Horizontal places are percentages and letters are never scaled, so that one drawing serves a phone, a desk and paper;
only the curves lie in an inner drawing that is stretched. Colours are classes, which the page's style sheet fills in.
"""

import math
from dataclasses import dataclass

import polars as pl
from markupsafe import Markup

_TOP, _HEIGHT, _BOTTOM = 50, 220, 48
"""Pixels above the curves (two lines of labels), of the curves, and below them (ticks and the axis label)."""
_N_POINTS = 160
"""Quantiles per curve: a step of 0.6 % is one pixel high."""
_MANTISSAS = ((1, 1.5, 2, 3, 4, 5, 7), (1, 2, 5), (1, 3), (1,))


@dataclass(frozen=True)
class LogAxis:
    """Places lengths on a logarithmic axis; a length of 0 stands at 1."""

    low: float
    high: float

    @staticmethod
    def around(*lengths: pl.Series) -> "LogAxis":
        ends = [end for values in lengths for end in (values.quantile(0.0), values.quantile(1.0)) if end is not None]
        low = max(min(ends, default=1.0), 1.0)
        return LogAxis(low, max(*ends, low * 1.5))

    def percent(self, length: float) -> float:
        place = math.log(max(length, self.low) / self.low) / math.log(self.high / self.low)
        return round(min(place, 1.0) * 100, 2)

    def ticks(self) -> list[float]:
        """The finest of some usual series of round numbers that gives at most six."""
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        series = [[m * 10.0**d for d in decades for m in mantissas] for mantissas in _MANTISSAS]
        fitting = [[tick for tick in ticks if self.low <= tick <= self.high and tick % 1 == 0] for ticks in series]
        return next((ticks for ticks in fitting if len(ticks) <= 6), fitting[-1])


def bar(start: float, share: float, tone: str) -> Markup:
    """A bar from `start`, `share` long, both of 1; what is there at all is drawn at least 0.4 % long."""
    width = max(share, 0.004) if share > 0 else 0.0
    return Markup(
        '<svg class="bar" width="100%" height="10" aria-hidden="true"><rect class="track" width="100%" height="10"/>'
        '<rect class="{}" x="{:.2f}%" width="{:.2f}%" height="10"/></svg>'
    ).format(tone, min(start, 1 - width) * 100, width * 100)


def length_plot(lengths: dict[str, pl.Series], counted_by: str) -> Markup:
    """Cumulative distributions of one set of lengths, or of two, `before` and `after`, with the saving between them.

    At any height, the distance between the two curves is the saving at that quantile.
    """
    axis = LogAxis.around(*lengths.values())
    corners = [_steps(values, axis) for values in lengths.values()]
    saved = Markup('<path class="saved" d="{}Z"/>').format(_path(corners[0] + corners[-1][::-1]))
    curve = Markup('<path class="curve {}" d="{}"/>')
    curves = [curve.format(name, _path(points)) for name, points in zip(lengths, corners, strict=True)]
    medians = ", ".join(f"median {name}: {_middle(values):,.0f}" for name, values in lengths.items())
    return Markup(
        '<svg class="plot" width="100%" height="{height}" role="img" aria-label="{about}">{grid}'
        '<svg y="{top}" width="100%" height="{inner}" viewBox="0 0 100 100" preserveAspectRatio="none">{curves}</svg>'
        "{labels}</svg>"
    ).format(
        height=_TOP + _HEIGHT + _BOTTOM,
        about=f"Cumulative distribution of reasoning tokens per kept trace; {medians}",
        grid=_grid(axis, counted_by),
        top=_TOP,
        inner=_HEIGHT,
        curves=Markup("").join([saved, *curves] if len(lengths) > 1 else curves),
        labels=_labels(axis, lengths),
    )


def _steps(lengths: pl.Series, axis: LogAxis) -> list[tuple[float, float]]:
    """Corners of the cumulative distribution, in percent, the top at 0."""
    ordered = lengths.sort()
    n_points = min(_N_POINTS, ordered.len())
    corners, height = [], 100.0
    for i in range(1, n_points + 1):
        place = axis.percent(ordered[math.ceil(i * ordered.len() / n_points) - 1])
        corners.append((place, height))
        height = round(100 - 100 * i / n_points, 2)
        corners.append((place, height))
    return corners


def _path(points: list[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points)


def _grid(axis: LogAxis, counted_by: str) -> Markup:
    line = Markup(
        '<line class="grid" x1="0" x2="100%" y1="{y}" y2="{y}"/><text class="tick" y="{above}">{label}</text>'
    )
    heights = ((0, "100 %"), (0.5, "50 %"), (1, ""))
    places = ((_TOP + _HEIGHT * height, label) for height, label in heights)
    lines = [line.format(y=f"{y:g}", above=f"{y - 5:g}", label=label) for y, label in places]
    tick = Markup('<text class="tick" x="{x}%" y="{y}" text-anchor="middle">{label}</text>')
    low = _TOP + _HEIGHT
    ticks = [tick.format(x=axis.percent(at), y=low + 18, label=f"{at:,.0f}") for at in axis.ticks()]
    about = tick.format(x=50, y=low + 40, label=f"reasoning tokens per trace, log scale ({counted_by})")
    return Markup("").join([*lines, *ticks, about])


def _labels(axis: LogAxis, lengths: dict[str, pl.Series]) -> Markup:
    """A line from each curve's middle up to its label; all labels stand on the side where the plot has room.

    The line that a label could cross starts one row lower, so labels and lines keep clear of each other.
    """
    middles = {name: _middle(values) for name, values in lengths.items()}
    rightwards = axis.percent(max(middles.values())) < 60
    ordered = sorted(middles.items(), key=lambda item: item[1], reverse=not rightwards)
    return Markup("").join(_label(axis, *item, 14 + 20 * i, rightwards) for i, item in enumerate(ordered))


def _middle(lengths: pl.Series) -> float:
    return lengths.quantile(0.5, "linear") or 0.0


def _label(axis: LogAxis, name: str, middle: float, y: int, rightwards: bool) -> Markup:
    x = axis.percent(middle)
    anchor, shift = ("start", 6) if rightwards or x < 35 else ("end", -6)
    return Markup(
        '<line class="median {name}" x1="{x}%" x2="{x}%" y1="{y1}" y2="{y2}"/>'
        '<circle class="{name}" cx="{x}%" cy="{y2}" r="4"/>'
        '<text class="label {name}" x="{x}%" dx="{shift}" y="{y}" text-anchor="{anchor}">{name}: median {middle}</text>'
    ).format(
        name=name, x=x, y1=y - 10, y2=_TOP + _HEIGHT // 2, y=y, shift=shift, anchor=anchor, middle=f"{middle:,.0f}",
    )  # fmt: skip
