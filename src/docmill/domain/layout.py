"""Finds structure in the positioned lines of a PDF: headings, paragraphs, list items, running headers.

Pure: lines in, blocks out. A PDF says where glyphs stand and nothing of what they mean; every rule here is a guess from
size, weight, distance and repetition, and each errs towards keeping text as it stands.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from docmill.domain.documents import BlockKind


@dataclass(slots=True)
class Line:
    """One line of a page. Lengths in points, ``bottom`` grows upwards; ``size``: the height of its font.

    ``weight``: of its first and last glyph the lighter, on whatever scale the fonts use; 0 where none is known.
    """

    text: str
    left: float
    right: float
    bottom: float
    size: float
    weight: float = 0.0


@dataclass(frozen=True, slots=True)
class LaidOut:
    kind: BlockKind
    text: str
    level: int
    page: int


# Between the halves of a word that the end of a line has cut: pdfium puts it in place of the hyphen and the line end.
CUT = "\ufffe"

_BULLET = re.compile(r"(?:[•◦▪▫‣●○■□◆◇➢➤✓✔·∙\uf0b7\uf0a7\uf076\uf02d\uf0d8-]|[–—*](?=\s))\s*(?=\S)")
_NUMBERED = re.compile(r"(?:\d{1,2}[.)]|[a-z][.)]|\((?:\d{1,2}|[a-z]|[ivx]{1,4})\))\s+(?=\S)")
_PAGE_NUMBER = re.compile(r"(?:page|seite|p\.)?\W*#(?:\W*(?:of|von|/)\W*#)?\W*", re.I)
_SENTENCE_END = (".", "!", "?", ":", ";", "。", "！", "？")
_CONTENTS_LINE = re.compile(r"… ?\d+$")
_ROW_ENDS = frozenset("0123456789%)—–-")
_DIGITS = re.compile(r"\d+")

_LARGER = 1.12  # a heading's size, in sizes of the body
_BOLDER = 1.3  # a bold font's weight, in weights of the body: fonts state theirs on scales of their own
_LEAST_USUAL_WEIGHT = 300  # taken where the body's font states none
_WIDE_PITCH = 1.35  # a paragraph's distance to the next, in usual distances of lines
_SHORT_LINE = 0.85  # a line that ends before this share of its column has not been wrapped
_LONGEST_HEADING = 200
_LONGEST_BOLD_HEADING = 120
_MOST_HEADING_LINES = 4
_MOST_BOLD = 0.35  # share of the text in bold beyond which weight marks nothing
_MOST_HEADINGS = 0.5  # share of lines that weight may turn into headings
_LEAST_OUTLINE = 3
_EDGE_LINES = 3
_RUNNING_SHARE = 0.4
_LEAST_RUNNING = 4


def lay_out(pages: Sequence[Sequence[Line]], outline: dict[tuple[int, str], int]) -> Iterator[LaidOut]:
    """The blocks of a document, in order.

    pages:   the lines of each page, in reading order; pages[0] is page 1.
    outline: level of each bookmark by (page, :func:`folded` title).
    """
    kept = _without_running_lines(pages)
    # An outline with an entry a page names all headings: then weight alone makes no further ones (of table heads, say).
    is_complete = len(outline) >= max(_LEAST_OUTLINE, len(pages))
    ranks = _Ranks([line for lines in kept for line in lines], by_weight=not is_complete)
    for number, lines in enumerate(kept, start=1):
        yield from _page(lines, number, ranks, outline)


def folded(text: str) -> str:
    """What two writings of one title have in common: their letters and digits."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))


def rejoin_cut_words(text: str) -> str:
    """``text`` with cut words made whole: with a hyphen where the document elsewhere has one, or beside a digit."""
    if CUT not in text:
        return text
    words = set(re.findall(r"\w+(?:-\w+)+", text.casefold()))

    def whole(match: re.Match[str]) -> str:
        first, second = match.groups()
        hyphenated = f"{first}-{second}"
        keeps = first[-1].isdigit() or second[0].isdigit() or hyphenated.casefold() in words
        return hyphenated if keeps else first + second

    return re.sub(rf"(\w+){CUT}(\w+)", whole, text).replace(CUT, "")


class _Ranks:
    """What size and weight mean in this document."""

    def __init__(self, lines: Sequence[Line], *, by_weight: bool) -> None:
        sizes: Counter[float] = Counter()
        weights: Counter[float] = Counter()
        for line in lines:
            sizes[_half_points(line.size)] += len(line.text)
            weights[line.weight] += len(line.text)
        usual = weights.most_common(1)[0][0] if weights else 0.0
        self._bold = _BOLDER * max(usual, _LEAST_USUAL_WEIGHT)
        bold = sum(len(line.text) for line in lines if line.weight >= self._bold)
        self.body = sizes.most_common(1)[0][0] if sizes else 0.0
        larger = sorted((size for size in sizes if size >= self.body * _LARGER), reverse=True)
        self._levels = {size: min(rank, 5) for rank, size in enumerate(larger, start=1)}
        self._bold_level = min(len(self._levels) + 1, 6)
        marked = sum(1 for line in lines if line.weight >= self._bold and len(line.text) <= _LONGEST_BOLD_HEADING)
        self._bold_marks = by_weight and bold <= _MOST_BOLD * sizes.total() and marked <= _MOST_HEADINGS * len(lines)

    def level(self, line: Line) -> int:
        """The level of ``line`` if it looks like a heading, else 0."""
        if _PAGE_NUMBER.fullmatch(_DIGITS.sub("#", line.text)) or _CONTENTS_LINE.search(line.text):
            return 0
        if len(line.text) > _LONGEST_HEADING or not any(map(str.isalpha, line.text)) or _is_bullet(line.text):
            return 0
        by_size = self._levels.get(_half_points(line.size), 0)
        if by_size:
            return by_size
        is_marked = self._bold_marks and line.weight >= self._bold and line.size >= 0.95 * self.body
        is_short = len(line.text) <= _LONGEST_BOLD_HEADING and not line.text.endswith((",", ";"))
        return self._bold_level if is_marked and is_short and line.text[0].isalnum() else 0


def _half_points(size: float) -> float:
    return round(size * 2) / 2


def _is_bullet(text: str) -> bool:
    return _BULLET.match(text) is not None


def _without_running_lines(pages: Sequence[Sequence[Line]]) -> list[list[Line]]:
    """``pages`` without what stands at the same height of many pages, but for its first occurrence.

    Digits count as equal, so that numbered headers are found too. Page numbers alone are left out altogether.
    """
    seen: Counter[tuple[str, int]] = Counter()
    for lines in pages:
        seen.update({_running_key(line) for line in _edge(lines)})
    most = max(_LEAST_RUNNING, _RUNNING_SHARE * len(pages))
    running = {key for key, count in seen.items() if count >= (2 if _PAGE_NUMBER.fullmatch(key[0]) else most)}
    if not running:
        return [list(lines) for lines in pages]
    told = {key for key in running if _PAGE_NUMBER.fullmatch(key[0])}
    kept = []
    for lines in pages:
        repeated = {id(line): key for line in _edge(lines) if (key := _running_key(line)) in running}
        kept.append([line for line in lines if repeated.get(id(line)) not in told])
        told.update(repeated.values())
    return kept


def _edge(lines: Sequence[Line]) -> list[Line]:
    """The lines that stand highest and lowest on a page."""
    by_height = sorted(lines, key=lambda line: line.bottom)
    return by_height[:_EDGE_LINES] + by_height[_EDGE_LINES:][-_EDGE_LINES:]


def _running_key(line: Line) -> tuple[str, int]:
    text = _DIGITS.sub("#", line.text)
    return text, 0 if _PAGE_NUMBER.fullmatch(text) else round(line.bottom / 4)


def _page(lines: Sequence[Line], page: int, ranks: _Ranks, outline: dict[tuple[int, str], int]) -> Iterator[LaidOut]:
    pitch = _usual_pitch(lines)
    lefts: list[float] = []  # of the open list levels
    at = 0
    while at < len(lines):
        marked = _bookmarked(lines, at, page, outline)
        if marked is not None:
            count, level = marked
            yield LaidOut(BlockKind.HEADING, _joined(lines[at : at + count]), level, page)
            at += count
            continue
        level = ranks.level(lines[at])
        end = at + 1
        while end < len(lines) and _goes_on(lines, at, end, pitch, ranks, level):
            if _bookmarked(lines, end, page, outline) is not None:
                break
            end += 1
        group = lines[at:end]
        at = end
        if level and len(group) <= _MOST_HEADING_LINES:
            lefts.clear()
            yield LaidOut(BlockKind.HEADING, _joined(group), level, page)
        elif _is_bullet(group[0].text) or _NUMBERED.match(group[0].text):
            text = _BULLET.sub("- ", _joined(group), count=1) if _is_bullet(group[0].text) else _joined(group)
            yield LaidOut(BlockKind.LIST_ITEM, text, _list_level(lefts, group[0]), page)
        else:
            lefts.clear()
            yield LaidOut(BlockKind.PARAGRAPH, _joined(group), 0, page)


def _bookmarked(
    lines: Sequence[Line], at: int, page: int, outline: dict[tuple[int, str], int]
) -> tuple[int, int] | None:
    """How many lines from ``at`` make up the title of a bookmark of this page, and its level."""
    if not outline or _is_bullet(lines[at].text):
        return None
    title = ""
    for count, line in enumerate(lines[at : at + 3], start=1):
        title += folded(line.text.replace(CUT, ""))
        level = outline.get((page, title))
        if level is not None:
            return count, level
    return None


def _usual_pitch(lines: Sequence[Line]) -> float:
    """The distance of one line's foot to the next, in sizes of the font: the median where both have one size."""
    pitches = [
        (above.bottom - below.bottom) / above.size
        for above, below in pairwise(lines)
        if above.size > 0 and abs(above.size - below.size) < 0.5 and 0 < above.bottom - below.bottom < 3 * above.size
    ]
    return min(median(pitches), 1.6) if pitches else 1.2


def _goes_on(lines: Sequence[Line], start: int, at: int, pitch: float, ranks: _Ranks, level: int) -> bool:
    """Whether the line ``at`` belongs to the block that began at ``start``."""
    first, above, line = lines[start], lines[at - 1], lines[at]
    same_size = abs(above.size - line.size) <= 0.1 * max(above.size, line.size)
    distance = above.bottom - line.bottom
    is_near = -0.3 * above.size <= distance <= _WIDE_PITCH * pitch * max(above.size, 1.0)
    if level:
        return ranks.level(line) == level and same_size and line.weight == first.weight and is_near and distance > 0
    if ranks.level(line) or _is_bullet(line.text) or _NUMBERED.match(line.text):
        return False
    ended = above.text.endswith(_SENTENCE_END)
    if not is_near:
        # The next column goes on in the middle of a sentence.
        return distance < 0 and not ended and line.text[:1].islower()
    if not ended:
        return True
    is_indented = line.left > above.left + max(line.size, 1.0) and not _is_bullet(first.text)
    width = max(item.right for item in lines[start : at + 1]) - min(item.left for item in lines[start : at + 1])
    is_short = above.right - above.left < _SHORT_LINE * width
    return not is_indented and not is_short


def _list_level(lefts: list[float], line: Line) -> int:
    """The depth of an item by its left edge; ``lefts`` holds the edges of the levels that are open."""
    tolerance = max(line.size, 1.0) * 0.4
    while lefts and line.left < lefts[-1] - tolerance:
        lefts.pop()
    if not lefts or line.left > lefts[-1] + tolerance:
        lefts.append(line.left)
    return len(lefts)


def _joined(lines: Sequence[Line]) -> str:
    """The lines as one flowing text; a line that ends early (a row, an address) keeps its end."""
    right = max(line.right for line in lines)
    width = right - min(line.left for line in lines)
    text = lines[0].text
    for above, line in pairwise(lines):
        if len(text) > 1 and text[-1] == "-" and text[-2].isalpha() and line.text[:1].islower():
            text = f"{text[:-1]}{CUT}{line.text}"
            continue
        was_wrapped = right - above.right <= (1 - _SHORT_LINE) * width or line.text[:1].islower()
        is_row = above.text[-1:] in _ROW_ENDS and (line.text[:1].isupper() or line.text[:1].isdigit())
        text += (" " if was_wrapped and not is_row else "\n") + line.text
    return text
