"""Reads the XML of a word-processing document: styles, lists, the text of a paragraph, the cells of a row.

Works on elements that the parser hands in, one at a time; opens nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from docmill.domain.elements import Element, attribute, child, local_name

# Left out with all they hold: deleted and moved-away text, field codes, properties, the second telling of a drawing.
_UNREAD = frozenset(
    {"del", "moveFrom", "delText", "instrText", "delInstrText", "pPr", "rPr", "tblPr", "tcPr", "Fallback", "pict"}
)
_AS_TEXT = {"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_MOST_STYLE_PARENTS = 20


@dataclass(slots=True)
class ParagraphText:
    """``boxes``: the paragraphs of text boxes anchored here. ``notes``: ids of the footnotes referred to."""

    text: str = ""
    boxes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Style:
    name: str
    parent: str | None
    outline: int | None
    list_level: int | None


def value_of(element: Element | None, name: str) -> str | None:
    """The ``val`` of the child ``name``."""
    found = child(element, name)
    return None if found is None else attribute(found, "val")


def paragraph_text(paragraph: Element) -> ParagraphText:
    """What a reader sees of a paragraph: insertions yes, deletions no, text boxes apart."""
    found = ParagraphText()
    parts: list[str] = []
    stack = list(reversed(paragraph))
    while stack:
        element = stack.pop()
        name = local_name(element)
        if name == "t":
            parts.append(element.text or "")
        elif name in _AS_TEXT:
            parts.append(_AS_TEXT[name])
        elif name == "txbxContent":
            found.boxes += [text for text in map(_inner_text, paragraphs(element)) if text.strip()]
        elif name in ("footnoteReference", "endnoteReference"):
            found.notes.append(f"{name[:3]}{attribute(element, 'id')}")
        elif name == "pict":
            stack.extend(reversed([box for box in element.iter() if local_name(box) == "txbxContent"]))
        elif name not in _UNREAD:
            stack.extend(reversed(element))
    found.text = "".join(parts)
    return found


def _inner_text(paragraph: Element) -> str:
    inner = paragraph_text(paragraph)
    return "\n".join([inner.text, *inner.boxes])


def paragraphs(container: Element) -> Iterator[Element]:
    """The paragraphs in ``container``, those in tables and content controls too, outermost only."""
    stack = list(reversed(container))
    while stack:
        element = stack.pop()
        if local_name(element) == "p":
            yield element
        elif local_name(element) not in _UNREAD:
            stack.extend(reversed(element))


def row_cells(row: Element) -> list[ParagraphText]:
    """One entry a written cell. A cell that spans columns is one cell: a declared span is never expanded."""
    cells: list[ParagraphText] = []
    stack = list(reversed(row))
    while stack:
        element = stack.pop()
        name = local_name(element)
        if name == "tc":
            texts = [paragraph_text(paragraph) for paragraph in paragraphs(element)]
            whole = " ".join(line for text in texts for line in (text.text, *text.boxes) if line)
            cells.append(ParagraphText(whole, [], [note for text in texts for note in text.notes]))
        elif name not in _UNREAD:
            stack.extend(reversed(element))
    return cells


class Styles:
    """What the paragraph styles of a document say about structure."""

    def __init__(self, root: Element | None = None) -> None:
        self._styles: dict[str, Style] = {}
        for element in () if root is None else root:
            if local_name(element) == "style" and (style_id := attribute(element, "styleId")):
                self._styles[style_id] = _style(element)

    def heading_level(self, paragraph: Element) -> int:
        """1 to 6 for a heading, 0 for anything else; by outline level, else by the style's name."""
        properties = child(paragraph, "pPr")
        own = _number(value_of(properties, "outlineLvl"))
        if own is not None:
            return min(own + 1, 6) if own < 9 else 0
        for style in self._chain(properties):
            if style.name == "title":
                return 1
            if style.outline is not None:
                return min(style.outline + 1, 6) if style.outline < 9 else 0
            level = style.name.removeprefix("heading ")
            if level != style.name and level.isdecimal():
                return min(max(int(level), 1), 6)
        return 0

    def is_title(self, paragraph: Element) -> bool:
        return any(style.name == "title" for style in self._chain(child(paragraph, "pPr")))

    def list_level(self, paragraph: Element) -> int:
        """The depth of a list item, 1 outermost; 0 for anything else."""
        properties = child(paragraph, "pPr")
        numbering = child(properties, "numPr")
        if numbering is not None:
            if value_of(numbering, "numId") == "0":
                return 0
            return (_number(value_of(numbering, "ilvl")) or 0) + 1
        return next((style.list_level + 1 for style in self._chain(properties) if style.list_level is not None), 0)

    def _chain(self, properties: Element | None) -> Iterator[Style]:
        style_id = value_of(properties, "pStyle")
        for _ in range(_MOST_STYLE_PARENTS):
            style = self._styles.get(style_id) if style_id else None
            if style is None:
                return
            yield style
            style_id = style.parent


def _style(element: Element) -> Style:
    properties = child(element, "pPr")
    numbering = child(properties, "numPr")
    listed = numbering is not None and value_of(numbering, "numId") not in (None, "0")
    return Style(
        (value_of(element, "name") or "").lower(),
        value_of(element, "basedOn"),
        _number(value_of(properties, "outlineLvl")),
        (_number(value_of(numbering, "ilvl")) or 0) if listed else None,
    )


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() and len(text) < 4 else None
