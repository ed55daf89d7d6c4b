"""The XML of strangers: no entity is expanded, no DTD is read, nothing is fetched, and depth is bounded.

libxml2 itself refuses what is nested more than 256 deep (2,048 from its version 2.14 on) or has a text of more than
10 MB in one piece.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import IO, Final

from docmill.domain.elements import Element

_SAFE: Final = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}
_LARGEST_TREE: Final = 32 * 1024**2  # of XML; the tree takes some ten times as much


def tree(data: bytes) -> Element:
    """The root of a part that is held in memory as a whole. Raises lxml's XMLSyntaxError."""
    from lxml import etree

    return etree.fromstring(data, etree.XMLParser(**_SAFE))


def part_tree(package: zipfile.ZipFile, name: str) -> Element | None:
    """The root of a part beside the main one; None where it is missing, huge or broken: the others do not need it."""
    from lxml import etree

    try:
        if package.getinfo(name).file_size <= _LARGEST_TREE:
            return tree(package.read(name))
    except etree.XMLSyntaxError as error:
        if error.code == etree.ErrorTypes.ERR_NO_MEMORY:
            raise MemoryError(f"reading {name}") from error
    except (KeyError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError):
        pass
    return None


def stream(part: IO[bytes], tags: Iterable[str] | None = None) -> Iterator[tuple[str, Element]]:
    """``("start" | "end", element)`` of the elements with these full names, while ``part`` is read."""
    from lxml import etree

    names = None if tags is None else tuple(tags)
    events: Iterator[tuple[str, Element]] = etree.iterparse(
        part, events=("start", "end"), tag=names, remove_comments=True, remove_pis=True, **_SAFE
    )
    return events


def forget(element: Element) -> None:
    """Free ``element`` and what stands before it, so that memory does not grow with the document."""
    element.clear()
    parent = element.getparent()
    if parent is not None:
        while element.getprevious() is not None:
            del parent[0]
