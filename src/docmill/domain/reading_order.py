"""Puts the pieces of text that OCR finds on a page into the order in which people read them.

Pure. OCR tells where pieces stand, in no order. Columns of prose are read one after the other; the cells of a table
row by row. What tells them apart is how much stands in a piece: a wrapped line is long, a cell is short.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

_LEAST_IN_COLUMN = 3  # pieces
_LEAST_LONG = 15  # characters: shorter pieces are more often cells than lines of prose
_MOST_ACROSS = 0.25  # share of pieces, headings and the like, that may run across a gap between columns
_MOST_COLUMNS_DEEP = 3
_SAME_ROW = 0.5  # share of the height that two pieces must have in common


@dataclass(frozen=True, slots=True)
class Piece:
    """Text in a box: pixels, from the upper left corner. ``confidence``: 0 to 1."""

    text: str
    left: float
    top: float
    right: float
    bottom: float
    confidence: float

    @property
    def height(self) -> float:
        return self.bottom - self.top


def rows(pieces: Sequence[Piece], depth: int = 0) -> list[list[Piece]]:
    """The rows of a page in reading order, each from left to right."""
    gap = _gap(pieces) if depth < _MOST_COLUMNS_DEEP else None
    if gap is None:
        return _rows(pieces)
    found: list[list[Piece]] = []
    across = sorted((each for each in pieces if each.left < gap < each.right), key=lambda each: each.top)
    top = float("-inf")
    for below in (*across, None):
        end = below.top if below is not None else float("inf")
        band = [each for each in pieces if each not in across and top <= _middle(each) < end]
        found += _columns(band, gap, depth)
        if below is not None:
            found.append([below])
            top = _middle(below)
    return found


def _columns(band: Sequence[Piece], gap: float, depth: int) -> list[list[Piece]]:
    """Of a stretch that nothing runs across: the left column, then the right one; rows, where these are cells."""
    left = [each for each in band if each.right <= gap]
    right = [each for each in band if each.right > gap]
    if _is_prose(left) and _is_prose(right):
        return rows(left, depth + 1) + rows(right, depth + 1)
    return _rows(band)


def _gap(pieces: Sequence[Piece]) -> float | None:
    """Where a gap between two columns runs from top to bottom; None where there is none."""
    best: tuple[int, float, float] | None = None
    for at in {each.left for each in pieces}:
        left = [each for each in pieces if each.right <= at]
        right = [each for each in pieces if each.left >= at]
        across = len(pieces) - len(left) - len(right)
        if across > _MOST_ACROSS * len(pieces) or not (_is_prose(left) and _is_prose(right)):
            continue
        edge = max(each.right for each in left)
        ranked = (across, -(at - edge), (at + edge) / 2)
        best = min(best, ranked) if best is not None else ranked
    return best[2] if best is not None else None


def _is_prose(pieces: Sequence[Piece]) -> bool:
    return len(pieces) >= _LEAST_IN_COLUMN and median(len(each.text) for each in pieces) >= _LEAST_LONG


def _rows(pieces: Sequence[Piece]) -> list[list[Piece]]:
    found: list[list[Piece]] = []
    for piece in sorted(pieces, key=_middle):
        if found and _is_beside(found[-1][-1], piece):
            found[-1].append(piece)
        else:
            found.append([piece])
    return [sorted(row, key=lambda each: each.left) for row in found]


def _is_beside(one: Piece, other: Piece) -> bool:
    common = min(one.bottom, other.bottom) - max(one.top, other.top)
    return common >= _SAME_ROW * min(one.height, other.height)


def _middle(piece: Piece) -> float:
    return (piece.top + piece.bottom) / 2
