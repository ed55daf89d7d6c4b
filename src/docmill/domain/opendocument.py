"""Reads the XML of OpenDocument files: the text of a paragraph, the cells of a row, the names of styles.

Works on elements that the parser hands in, one at a time; opens nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from docmill.domain.elements import Element, attribute, child, local_name, within

# Comments, what was deleted, readings of ideographs that repeat them, and what only older programs are to see.
_UNREAD = frozenset({"annotation", "tracked-changes", "ruby-text", "forms", "event-listeners"})
_PICTURES_WORDS = ":svg-compatible:"  # the namespace of what a picture is called
_AS_TEXT = {"tab": "\t", "line-break": "\n"}
_MOST_BLANKS = 100  # one element may stand for as many as it likes
_MOST_REPEATED = 1024  # columns; programs write the empty rest of a sheet as one cell, thousands of times
_MOST_PARENTS = 20


@dataclass(slots=True)
class OpenParagraph:
    """``boxes``: what stands in text boxes anchored here. ``notes``: the footnotes that it refers to."""

    text: str = ""
    boxes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def paragraph(element: Element) -> OpenParagraph:
    """What a reader sees of a paragraph or heading."""
    found = OpenParagraph()
    parts: list[str] = []
    stack = _content(element)
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            parts.append(item)
            continue
        name = local_name(item)
        if name == "s":
            parts.append(" " * min(_number(item, "c", 1), _MOST_BLANKS))
        elif name in _AS_TEXT:
            parts.append(_AS_TEXT[name])
        elif name == "note":
            found.notes.append(_plain(child(item, "note-body")))
        elif name in ("text-box", "table"):
            found.boxes.append(_plain(item))
        elif name not in _UNREAD and _PICTURES_WORDS not in str(item.tag):
            stack.extend(_content(item))
    found.text = "".join(parts)
    return found


def _content(element: Element) -> list[Element | str]:
    """Texts and children of an element, the last first. White space is as good as one blank in this format."""
    content: list[Element | str] = [element.text or ""]
    for item in element:
        content += (item, item.tail or "")
    content.reverse()
    return [" ".join(f"<{each}>".split())[1:-1] if isinstance(each, str) else each for each in content]


def _plain(container: Element | None) -> str:
    """The paragraphs in a note, a box or a cell, a line each; those inside of a paragraph come with it."""
    lines: list[str] = []
    stack = [] if container is None else list(reversed(container))
    while stack:
        element = stack.pop()
        name = local_name(element)
        if name in ("p", "h"):
            inner = paragraph(element)
            lines += [inner.text, *inner.boxes, *inner.notes]
        elif name not in _UNREAD:
            stack.extend(reversed(element))
    return "\n".join(filter(None, lines))


def row_cells(row: Element, most: int) -> list[str]:
    """The texts of a row's cells, at most ``most``; a cell that is covered by its neighbour is empty."""
    cells: list[str] = []
    for cell in row:
        if local_name(cell) in ("table-cell", "covered-table-cell") and len(cells) < most:
            times = min(_number(cell, "number-columns-repeated", 1), _MOST_REPEATED, most - len(cells))
            cells += [" ".join(_plain(cell).split("\n"))] * times
    while cells and not cells[-1].strip():
        cells.pop()
    return cells


def times_repeated(row: Element) -> int:
    return _number(row, "number-rows-repeated", 1)


def _number(element: Element, name: str, default: int) -> int:
    text = attribute(element, name)
    return int(text) if text is not None and text.isdecimal() and len(text) < 10 else default


def heading_level(element: Element) -> int:
    return min(max(_number(element, "outline-level", 1), 1), 6)


class StyleNames:
    """Which of the named styles an automatic one comes from."""

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}

    def add(self, style: Element) -> None:
        name, parent = attribute(style, "name"), attribute(style, "parent-style-name")
        if name and parent:
            self._parents[name] = parent

    def title_level(self, element: Element) -> int:
        """1 for a title, 2 for a subtitle, 0 for anything else."""
        name = attribute(element, "style-name")
        for _ in range(_MOST_PARENTS):
            if name in ("Title", "Subtitle"):
                return 1 if name == "Title" else 2
            name = self._parents.get(name) if name else None
        return 0


def margins(styles: Element | None) -> Iterator[str]:
    """What stands in headers and footers, each line once."""
    lines = dict.fromkeys(
        line for name in ("header", "footer") for area in within(styles, name) for line in _plain(area).split("\n")
    )
    # Page numbers stand alone in many footers and say nothing.
    yield from (line for line in lines if any(map(str.isalpha, line)))
