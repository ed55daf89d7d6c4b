"""Reads the XML of a slide: which shapes it has, which of them is the title, and what paragraphs and tables say.

Works on elements that the parser hands in; opens nothing. What a drawing says twice, for older programs, is read once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from docmill.domain.elements import Element, attribute, child, children, local_name, path, within

_TITLES = frozenset({"title", "ctrTitle"})
_BODIES = frozenset({"body", "obj"})  # a placeholder that does not say what it is for is an "obj"
_FURNITURE = frozenset({"sldNum", "dt", "ftr", "hdr", "sldImg"})
_BULLETS = frozenset({"buChar", "buAutoNum", "buBlip"})
_LONGEST_SUBHEADING = 120


@dataclass(frozen=True, slots=True)
class SlideParagraph:
    """``level``: of the list it is an item of, 1 outermost; 0 where it is none. ``bold``: all of it."""

    text: str
    level: int
    bold: bool


def shapes(root: Element | None) -> Iterator[Element]:
    """The shapes, pictures left out, of a slide or of its notes: those in groups in their place."""
    tree = path(root, "cSld", "spTree")
    stack = [] if tree is None else list(reversed(tree))
    while stack:
        element = stack.pop()
        name = local_name(element)
        if name in ("sp", "graphicFrame"):
            yield element
        elif name in ("grpSp", "Choice"):
            stack.extend(reversed(element))
        elif name == "AlternateContent":
            chosen = child(element, "Choice")
            stack.append(chosen if chosen is not None else child(element, "Fallback"))


def placeholder(shape: Element) -> str | None:
    """What the layout keeps this shape for, such as ``title``; None where it stands for itself."""
    for item in shape:
        found = path(item, "nvPr", "ph") if local_name(item).startswith("nv") else None
        if found is not None:
            return attribute(found, "type") or "obj"
    return None


def is_title(shape: Element) -> bool:
    return placeholder(shape) in _TITLES


def is_furniture(shape: Element) -> bool:
    """Whether it repeats what stands on every slide: its number, the date, the footer."""
    return placeholder(shape) in _FURNITURE


def paragraphs_of(shape: Element) -> list[SlideParagraph]:
    """The paragraphs that say something. In a body they are list items, unless their bullet is switched off."""
    in_body = placeholder(shape) in _BODIES
    found = (_paragraph(element, in_body=in_body) for element in children(child(shape, "txBody"), "p"))
    return [paragraph for paragraph in found if paragraph.text.strip()]


def is_subheading(paragraph: SlideParagraph, among: list[SlideParagraph]) -> bool:
    """A short bold line without a bullet, where not all lines are bold."""
    return (
        paragraph.bold
        and paragraph.level == 0
        and len(paragraph.text) <= _LONGEST_SUBHEADING
        and not all(other.bold for other in among)
    )


def _paragraph(element: Element, *, in_body: bool) -> SlideParagraph:
    properties = child(element, "pPr")
    depth = attribute(properties, "lvl") if properties is not None else None
    marks = {local_name(item) for item in properties} if properties is not None else set()
    listed = not marks.isdisjoint(_BULLETS) or (in_body and "buNone" not in marks)
    level = (int(depth) if depth and depth.isdecimal() and len(depth) < 3 else 0) + 1 if listed else 0
    return SlideParagraph(text_of(element), level, _is_bold(element))


def _is_bold(paragraph: Element) -> bool:
    properties = [child(run, "rPr") for run in children(paragraph, "r") if text_of(run).strip()]
    return bool(properties) and all(
        item is not None and attribute(item, "b") in ("1", "true", "on") for item in properties
    )


def text_of(element: Element | None) -> str:
    """All text below ``element``; line breaks and the ends of inner paragraphs are line ends."""
    parts: list[str] = []
    for item in () if element is None else element.iter():
        name = local_name(item)
        if name == "t":
            parts.append(item.text or "")
        elif name == "br" or (name == "p" and parts):
            parts.append("\n")
        elif name == "tab":
            parts.append("\t")
    return "".join(parts)


def table_rows(frame: Element) -> Iterator[list[str]]:
    """The rows of the table in ``frame``, one text a written cell: a declared span is never expanded."""
    for row in children(path(frame, "graphic", "graphicData", "tbl"), "tr"):
        yield [text_of(child(cell, "txBody")) for cell in children(row, "tc")]


def is_table(frame: Element) -> bool:
    return path(frame, "graphic", "graphicData", "tbl") is not None


def drawn_elsewhere(frame: Element) -> tuple[str, str] | None:
    """What the frame shows from another part: ``chart`` or ``diagram``, and the id of the relation to it."""
    data = path(frame, "graphic", "graphicData")
    for item in () if data is None else data:
        kind, name = {"chart": ("chart", "id"), "relIds": ("diagram", "dm")}.get(local_name(item), ("", ""))
        relation = attribute(item, name) if name else None
        if relation:
            return kind, relation
    return None


def chart_lines(root: Element | None) -> Iterator[str]:
    """A chart's titles, the names of its series, and its categories; its numbers are its sheet's."""
    for title in within(root, "title"):
        yield text_of(title)
    names = dict.fromkeys(
        " ".join(value.text or "" for value in within(name, "v"))
        for series in within(root, "ser")
        for name in children(series, "tx")
    )
    yield "; ".join(filter(None, names))
    axis = next((cat for series in within(root, "ser") for cat in children(series, "cat")), None)
    yield "; ".join(filter(None, (value.text for value in within(axis, "v"))))


def diagram_lines(root: Element | None) -> Iterator[str]:
    """The texts of a diagram's points (SmartArt), in the order that the file gives."""
    for point in within(root, "pt"):
        yield text_of(child(point, "t"))
