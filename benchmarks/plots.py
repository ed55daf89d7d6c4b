"""Line charts as SVG, for the pages that benchmarks write: readable on light and on dark, and nothing to install."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import pairwise
from math import ceil, floor, log10

Point = tuple[float, float]

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 76, 36, 46, 56
LEGEND_LINE = 18
MOST_MARKERS = 24  # with more points than that a line is plain
TICKS = 6

# Okabe and Ito's colours, which people who see fewer colours tell apart too; dark grounds get lighter ones.
LIGHT = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#555555", "#56b4e9"]
DARK = ["#56b4e9", "#ff8f3f", "#2fd3a2", "#eaa6cb", "#f0e442", "#bbbbbb", "#8ecdf2"]


def line_chart(
    title: str, x_label: str, y_label: str, series: dict[str, list[tuple[float, float]]], *, log: bool = False
) -> str:
    """One line a series, points in the order given. ``log``: both axes; only points above zero can be drawn then.

    Raises ValueError where there is no point to draw.
    """
    drawn = {name: [(x, y) for x, y in points if not log or (x > 0 and y > 0)] for name, points in series.items()}
    if not any(drawn.values()):
        raise ValueError(f"the chart {title!r} has no points")
    top = TOP + LEGEND_LINE * len(drawn)
    height = HEIGHT + LEGEND_LINE * len(drawn)
    across = _Axis([x for points in drawn.values() for x, _ in points], LEFT, WIDTH - RIGHT, log=log)
    up = _Axis([y for points in drawn.values() for _, y in points], height - BOTTOM, top, log=log)
    parts = [*_frame(title, x_label, y_label, across, up, top, height)]
    for number, (name, points) in enumerate(drawn.items()):
        parts += _series(number, name, [(across.at(x), up.at(y)) for x, y in points])
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        f' role="img" aria-label="{escape(title)}">'
    )
    return "\n".join([head, _style(), *parts, "</svg>", ""])


class _Axis:
    """From values to pixels, and where its ticks are. A linear axis begins at zero where its values are near it."""

    def __init__(self, values: Sequence[float], start: float, end: float, *, log: bool) -> None:
        self._start, self._end, self._log = start, end, log
        low, high = min(values), max(values)
        if log:
            self.ticks = _decades(low, high)
            low, high = min(low, self.ticks[0]), max(high, self.ticks[-1])
            self._low, self._span = log10(low), (log10(high) - log10(low)) or 1.0
        else:
            low = min(low, 0.0) if low < (high - low) * 2 else low
            self.ticks = _even(low, high)
            self._low, self._span = self.ticks[0], (max(high, self.ticks[-1]) - self.ticks[0]) or 1.0

    def at(self, value: float) -> float:
        share = ((log10(value) if self._log else value) - self._low) / self._span
        return round(self._start + share * (self._end - self._start), 1)


def _even(low: float, high: float) -> list[float]:
    """Round numbers that enclose both ends."""
    raw = ((high - low) or abs(high) or 1.0) / TICKS
    power = 10.0 ** floor(log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    return [number * step for number in range(floor(low / step), ceil(high / step - 1e-9) + 1)]


def _decades(low: float, high: float) -> list[float]:
    """Powers of ten that enclose both ends; with 2 and 5 between them, and no wider than needed, where they are few."""
    first, last = floor(log10(low)), ceil(log10(high))
    if last - first > 3:
        return [10.0**power for power in range(first, last + 1)]
    all_ = [factor * 10.0**power for power in range(first, last + 1) for factor in (1, 2, 5)]
    within = [tick for tick in all_ if low * 0.999 <= tick <= high * 1.001]
    below = [tick for tick in all_ if tick < low * 0.999]
    above = [tick for tick in all_ if tick > high * 1.001]
    return [*below[-1:], *within, *above[:1]]


def _frame(title: str, x_label: str, y_label: str, across: _Axis, up: _Axis, top: float, height: float) -> list[str]:
    bottom, middle = height - BOTTOM, (top + height - BOTTOM) / 2
    parts = [f'<text class="title" x="{LEFT}" y="24">{escape(title)}</text>']
    for tick in up.ticks:
        parts.append(f'<line class="grid" x1="{LEFT}" y1="{up.at(tick)}" x2="{WIDTH - RIGHT}" y2="{up.at(tick)}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{up.at(tick) + 4}" text-anchor="end">{_number(tick)}</text>')
    for tick in across.ticks:
        parts.append(
            f'<line class="axis" x1="{across.at(tick)}" y1="{bottom}" x2="{across.at(tick)}" y2="{bottom + 5}"/>'
        )
        parts.append(f'<text x="{across.at(tick)}" y="{bottom + 20}" text-anchor="middle">{_number(tick)}</text>')
    return [
        *parts,
        f'<path class="axis" d="M{LEFT} {top}V{bottom}H{WIDTH - RIGHT}"/>',
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{height - 14}" text-anchor="middle">{escape(x_label)}</text>',
        f'<text transform="translate(18 {middle}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>',
    ]


def _series(number: int, name: str, points: Sequence[Point]) -> list[str]:
    """A line, markers where it has few points, and its line of the legend."""
    style, y = f"s{number % len(LIGHT)}", TOP + LEGEND_LINE * number
    dashes = ' stroke-dasharray="7 4"' if number >= len(LIGHT) else ""  # colours come round again
    parts = [
        f'<line class="{style}" x1="{LEFT}" y1="{y}" x2="{LEFT + 26}" y2="{y}"{dashes}/>',
        f'<text x="{LEFT + 34}" y="{y + 4}">{escape(name)}</text>',
    ]
    if len(points) > 1:
        path = " ".join(f"{x:g},{y:g}" for x, y in _thinned(points))
        parts.append(f'<polyline class="{style}" points="{path}"{dashes}/>')
    if len(points) <= MOST_MARKERS:
        parts += [f'<circle class="{style} dot" cx="{x:g}" cy="{y:g}" r="3.5"/>' for x, y in points]
    return parts


def _thinned(points: Sequence[Point]) -> list[Point]:
    """Without the points that fall on the one before."""
    return [points[0], *(after for before, after in pairwise(points) if after != before)]


def _number(value: float) -> str:
    if value and not 0.001 <= abs(value) < 1e7:
        return f"{value:.0e}".replace("e+0", "e").replace("e-0", "e-")
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"


def _style() -> str:
    """Colours by class, so that the reader's own light or dark decides. No background: the page's is seen."""

    def colours(palette: Sequence[str], ink: str, grid: str) -> str:
        lines = [f".s{number}{{stroke:{colour};fill:none}}" for number, colour in enumerate(palette)]
        dots = [f".s{number}.dot{{fill:{colour}}}" for number, colour in enumerate(palette)]
        return "".join([*lines, *dots, f"text{{fill:{ink}}}.axis{{stroke:{ink};fill:none}}.grid{{stroke:{grid}}}"])

    return (
        "<style>text{font:12px system-ui,sans-serif}.title{font-size:15px;font-weight:600}"
        f"line,polyline{{stroke-width:2}}.grid,.axis{{stroke-width:1}}{colours(LIGHT, '#24292f', '#d8dee4')}"
        f"@media(prefers-color-scheme:dark){{{colours(DARK, '#e6edf3', '#30363d')}}}</style>"
    )
