"""What is read of a file with pages, whichever engine reads it: lines, the outline, what the file says of itself."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from docmill.domain.layout import Line

PDFIUM, PYPDF, OCR = "pdfium", "pypdf", "ocr"

_UNREADABLE = re.compile("[\x00-\x08\x0e-\x1f\ufffd\ue000-\uf8ff]")
_MOST_UNREADABLE = 0.2
_LEAST_JUDGED = 20  # characters
_RULE = re.compile(r"([_=\-.·*—–])\1{3,}")  # a line that is drawn with characters
_LEADERS = re.compile(r"(?:\. ?){5,}|_{5,}")


@dataclass(slots=True)
class Page:
    """One page. ``lines`` in reading order.

    drawn:      whether it shows anything; writes: whether it draws text, readable or not.
    failure:    why no engine could read it, in words; engine: the one that did.
    confidence: of OCR, the mean of its lines, 0 to 1.
    """

    lines: list[Line] = field(default_factory=list)
    drawn: bool = True
    writes: bool = False
    failure: str | None = None
    engine: str = PDFIUM
    confidence: float | None = None

    @property
    def characters(self) -> int:
        return sum(len(line.text) for line in self.lines)

    @property
    def is_garbled(self) -> bool:
        """Whether its glyphs have, in good part, no meaning: a font without a usable character map."""
        text = "".join(line.text for line in self.lines)
        return len(text) >= _LEAST_JUDGED and unreadable_share(text) > _MOST_UNREADABLE


@dataclass(slots=True)
class Content:
    """``page_count``: of the file, where ``pages`` may be fewer; ``outline``: level of bookmarks, for domain.layout.

    out_of_time: not all could be read; left_out: why something beside the text, such as an image, was not kept.
    """

    pages: list[Page] = field(default_factory=list)
    page_count: int = 0
    outline: dict[tuple[int, str], int] = field(default_factory=dict)
    info: dict[str, str] = field(default_factory=dict)
    out_of_time: bool = False
    left_out: list[str] = field(default_factory=list)

    @property
    def has_text(self) -> bool:
        return any(page.lines for page in self.pages)


def unreadable_share(text: str) -> float:
    return len(_UNREADABLE.findall(text)) / len(text) if text else 1.0


def tidy(text: str) -> str:
    """``text`` with single blanks, and without the dots that lead to a page number."""
    return " ".join(_LEADERS.sub(" … ", text).split())


def is_rule(text: str) -> bool:
    return _RULE.fullmatch(text) is not None


def plain_lines(text: str, size: float = 1.0) -> list[Line]:
    """Lines without positions, on a grid of characters: layout then goes by empty lines and by length.

    ``size``: what the font shall be taken for, so that they rank with lines that have one.
    """
    return [
        Line(tidy(line), 0.0, len(line) * size, -row * size, size)
        for row, line in enumerate(text.split("\n"))
        if line.strip()
    ]


def usual_size(pages: Sequence[Page]) -> float:
    """The font size of most characters; 0 where none is known."""
    sizes: Counter[float] = Counter()
    for page in pages:
        for line in page.lines:
            sizes[line.size] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 0.0
