"""XML elements by their local names, so that a format's several namespaces are read alike.

Works on lxml elements that a parser hands in; opens nothing. Nothing here calls itself: strangers nest as they like.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

# An lxml element; lxml ships no types.
Element = Any


def local_name(element: Element) -> str:
    """The tag without its namespace; empty for comments and processing instructions."""
    return _without_namespace(element.tag)


@lru_cache(maxsize=4096)
def _without_namespace(tag: object) -> str:
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def attribute(element: Element, name: str) -> str | None:
    """An attribute by local name, whichever namespace it has."""
    return next((value for key, value in element.attrib.items() if _without_namespace(key) == name), None)


def child(element: Element | None, name: str) -> Element | None:
    if element is not None:
        for item in element:
            if _without_namespace(item.tag) == name:
                return item
    return None


def path(element: Element | None, *names: str) -> Element | None:
    """The child of the child ...: the first of each name."""
    for name in names:
        element = child(element, name)
    return element


def children(element: Element | None, name: str) -> Iterator[Element]:
    """The children with this name."""
    if element is not None:
        yield from (item for item in element if _without_namespace(item.tag) == name)


def within(root: Element | None, name: str) -> Iterator[Element]:
    """All elements with this name at any depth below ``root``, in order."""
    if root is not None:
        yield from (item for item in root.iter() if _without_namespace(item.tag) == name)
