"""A parsed document as docling writes it, for programs that keep documents in that form. Pure.

Of docling's many kinds of items these are used: section headers, code and text. A table or a list is text here as well:
its cells and its markers are not told apart in what docmill keeps. Pages are told, places on them are not known.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from docmill.domain.documents import BlockKind, ParsedDocument

VERSION = "1.10.0"
_LABELS = {BlockKind.HEADING: "section_header", BlockKind.CODE: "code"}
_BODY = "#/body"


@dataclass(frozen=True, slots=True)
class Item:
    """A block under docling's name for it. ``level``: of headings, 1 is the top; else 0. ``page``: 1-based, or None."""

    ref: str
    label: str
    text: str
    start: int
    end: int
    level: int
    page: int | None


def items(parsed: ParsedDocument) -> list[Item]:
    """In the order of the text; blocks without text are left out, as docling has none."""
    found: list[Item] = []
    for block in parsed.blocks:
        text = parsed.text[block.start : block.end].strip()
        if text:
            label = _LABELS.get(block.kind, "text")
            level = max(block.level, 1) if label == "section_header" else 0
            found.append(Item(f"#/texts/{len(found)}", label, text, block.start, block.end, level, block.page))
    return found


def within(items: Sequence[Item], start: int, end: int) -> Sequence[Item]:
    """The items of which some lies in the text's ``[start, end)``."""
    first = bisect_left(items, start + 1, key=lambda item: item.end)
    last = bisect_left(items, end, key=lambda item: item.start)
    return items[first:last]


def document(name: str, items: Sequence[Item]) -> dict[str, Any]:
    """JSON values that docling-core reads as a DoclingDocument; without ``pages``, which hold images of pages."""
    return {
        "schema_name": "DoclingDocument",
        "version": VERSION,
        "name": name,
        "furniture": _group("#/furniture", "furniture", []),
        "body": _group(_BODY, "body", [item.ref for item in items]),
        "groups": [],
        "texts": [_text(item) for item in items],
        "pictures": [],
        "tables": [],
        "key_value_items": [],
        "form_items": [],
    }


def _group(ref: str, layer: str, children: Sequence[str]) -> dict[str, Any]:
    return {
        "self_ref": ref,
        "children": [{"$ref": child} for child in children],
        "content_layer": layer,
        "name": "_root_",
        "label": "unspecified",
    }


def _text(item: Item) -> dict[str, Any]:
    said: dict[str, Any] = {
        "self_ref": item.ref,
        "parent": {"$ref": _BODY},
        "children": [],
        "content_layer": "body",
        "label": item.label,
        "prov": [] if item.page is None else [_page(item.page, len(item.text))],
        "orig": item.text,
        "text": item.text,
    }
    if item.label == "section_header":
        said["level"] = item.level
    return said


def _page(number: int, characters: int) -> dict[str, Any]:
    """Docling wants a box on the page; an empty one in its corner is none."""
    box = {"l": 0.0, "t": 0.0, "r": 0.0, "b": 0.0, "coord_origin": "TOPLEFT"}
    return {"page_no": number, "bbox": box, "charspan": [0, characters]}
