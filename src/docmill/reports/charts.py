"""Charts as SVG that fits any width: places across are percentages, and text keeps its size, as nothing is scaled.

A chart is an image with a name and a description for those who do not see it; the figures themselves go into a table
beside it. Colours are the style sheet's classes. Whatever text is given is escaped here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from docmill.reports.markup import told

LEFT = 9.0  # percent of the width, for the numbers of the upright axis
_TOP, _PLOT, _BELOW = 14, 130, 26  # pixels
_ROW, _BAR = 44, 14
_GAP = 0.18  # of a column's room


@dataclass(frozen=True, slots=True)
class Words:
    """What names a chart, and what it says in a sentence or two. ``id`` is its own on the page."""

    id: str
    title: str
    description: str


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a bar: the class that colours it, its share of the whole width, and what it is."""

    kind: str
    share: float
    what: str
    start: float | None = None


@dataclass(frozen=True, slots=True)
class Bar:
    """One row: its name on the left, its figure on the right, its parts below. Parts follow each other, or say where
    they ``start``.
    """

    name: str
    figure: str
    parts: Sequence[Part]


def columns(
    words: Words, values: Sequence[float], kind: str, labels: Sequence[tuple[float, str]], what: Sequence[str]
) -> str:
    """A column for each value. ``labels`` under them: where (a share of the width) and what. ``what`` tells each."""
    ticks = round_ticks(max(values, default=0.0))
    highest = ticks[-1]
    room = (100 - LEFT) / max(len(values), 1)
    parts = []
    for tick in ticks:
        y = _TOP + _PLOT * (1 - tick / highest)
        parts.append(f'<line class="grid" x1="{LEFT}%" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 1.5:g}%" y="{y + 4:.1f}" text-anchor="end">{number(tick)}</text>')
    for place, (value, said) in enumerate(zip(values, what, strict=True)):
        if value <= 0:
            continue
        height = max(_PLOT * value / highest, 1.0)  # one of many is still to be seen
        x = LEFT + (place + _GAP / 2) * room
        parts.append(
            f'<rect class="{kind}" x="{x:.3f}%" y="{_TOP + _PLOT - height:.1f}" width="{room * (1 - _GAP):.3f}%"'
            f' height="{height:.1f}"><title>{told(said)}</title></rect>'
        )
    for share, label in labels:
        anchor = "start" if share <= 0 else "end" if share >= 1 else "middle"
        x = LEFT + share * (100 - LEFT)
        parts.append(f'<text x="{x:.3f}%" y="{_TOP + _PLOT + 18}" text-anchor="{anchor}">{told(label)}</text>')
    return _image(words, _TOP + _PLOT + _BELOW, parts)


def bars(words: Words, rows: Sequence[Bar], labels: Sequence[tuple[float, str]] = ()) -> str:
    """A row for each bar, and below them the labels of a common axis."""
    parts = []
    for place, row in enumerate(rows):
        top = place * _ROW
        parts.append(f'<text class="name" x="0" y="{top + 15}">{told(row.name)}</text>')
        parts.append(f'<text x="100%" y="{top + 15}" text-anchor="end">{told(row.figure)}</text>')
        parts.append(f'<rect class="track" x="0" y="{top + 21}" width="100%" height="{_BAR}"/>')
        at = 0.0
        for part in row.parts:
            start = at if part.start is None else part.start
            at = start + part.share
            parts.append(
                f'<rect class="{part.kind}" x="{100 * start:.3f}%" y="{top + 21}"'
                f' width="{max(100 * part.share, 0.4):.3f}%" height="{_BAR}"><title>{told(part.what)}</title></rect>'
            )
    bottom = len(rows) * _ROW
    for share, label in labels:
        anchor = "start" if share <= 0 else "end" if share >= 1 else "middle"
        parts.append(f'<text x="{100 * share:.3f}%" y="{bottom + 10}" text-anchor="{anchor}">{told(label)}</text>')
    return _image(words, bottom + (18 if labels else 0), parts)


def swatch(kind: str) -> str:
    """The mark of a legend; the word beside it says what it means."""
    return f'<svg aria-hidden="true" focusable="false"><rect class="{kind}" width="100%" height="100%"/></svg>'


def round_ticks(highest: float, about: int = 4) -> list[float]:
    """Round numbers from 0 up to the first that is not below ``highest``."""
    raw = (highest or 1.0) / about
    power = 10.0 ** floor(log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    return [round(place * step, 10) for place in range(ceil((highest or 1.0) / step - 1e-9) + 1)]


def number(value: float) -> str:
    """``1,200``, ``2.5``; from a million on ``1.2 M``."""
    if value >= 1_000_000:
        return f"{value / 1_000_000:g} M"
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


def _image(words: Words, height: int, parts: Sequence[str]) -> str:
    name, description = f"{words.id}-name", f"{words.id}-description"
    return (
        f'<svg role="img" aria-labelledby="{name} {description}" height="{height}">'
        f'<title id="{name}">{told(words.title)}</title><desc id="{description}">{told(words.description)}</desc>'
        f"{''.join(parts)}</svg>"
    )
