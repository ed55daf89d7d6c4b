"""Reads the YAML of one definition: text in, plain data and the line of every key out.

A small, safe part of YAML: one document, a mapping of text keys, without anchors, aliases, tags or duplicate keys, of
bounded size and depth. Plain scalars follow YAML 1.2's core schema, so that ``no`` and ``12:30:00`` stay text and
``010`` is not eight.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.events import AliasEvent
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

MAX_BYTES = 64 * 1024
MAX_DEPTH = 24
_MOST = 2**63 - 1  # what SQLite and Arrow can hold

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class YamlText:
    """``data`` holds JSON values only; ``lines`` gives the 1-based line of each key path."""

    data: dict[str, Any]
    lines: dict[Path, int]
    text: str

    def line_of(self, path: Path) -> int | None:
        """The line of a key, or of the nearest thing around it that the text has."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return 1 if self.text else None


class YamlFault(Exception):
    """The text cannot be used at all. ``line`` is 1-based."""

    def __init__(self, message: str, *, line: int | None = None, path: Path = (), suggestion: str | None = None):
        super().__init__(message)
        self.message = message
        self.line = line
        self.path = path
        self.suggestion = suggestion


class _Loader(yaml.SafeLoader):
    """Refuses, while composing, whatever could make little text into much data."""

    depth = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call] # the stub leaves it untyped
        line = event.start_mark.line + 1
        if isinstance(event, AliasEvent) or getattr(event, "anchor", None):
            raise YamlFault("anchors and aliases (& and *) are not used here", line=line, suggestion="write it out")
        if getattr(event, "tag", None):
            raise YamlFault("tags (!) are not used here", line=line, suggestion="quote the value if it is text")
        if self.depth >= MAX_DEPTH:
            raise YamlFault(f"nested deeper than {MAX_DEPTH} levels", line=line)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


_TAG = "tag:yaml.org,2002:"
_CORE_SCHEMA = [
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
]
_Loader.yaml_implicit_resolvers = {}
for _name, _pattern, _first in _CORE_SCHEMA:
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(f"^(?:{_pattern})$"), list(_first))


def read(content: bytes | str) -> YamlText:
    """A definition's text as data. Raises YamlFault with the line and the reason."""
    data, lines, text = _read(content)
    if not isinstance(data, dict):
        found = "nothing" if data is None else kind_of(data)
        raise YamlFault(f"a definition is a mapping of keys to values; this is {found}", line=1)
    return YamlText(data, lines, text)


def scalar(text: str) -> Any:
    """The value of ``chunk.size=…`` on the command line, read as it would be in a file. Raises YamlFault."""
    return _read(text)[0]


def kind_of(value: object) -> str:
    """A value's type in words."""
    if isinstance(value, bool):
        return "true or false"
    words = {str: "text", int: "a whole number", float: "a number", list: "a list", dict: "a mapping"}
    return words.get(type(value), "nothing (null)")


def _read(content: bytes | str) -> tuple[Any, dict[Path, int], str]:
    text = _decoded(content)
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            lines: dict[Path, int] = {}
            data = _value(loader, node, (), lines) if node is not None else None
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(part for part in (error.context, error.problem) if part)
        raise YamlFault(f"not valid YAML: {what}", line=mark.line + 1 if mark else None) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise YamlFault(f"not valid YAML: {str(error).splitlines()[0]}") from None
    return data, lines, text


def _decoded(content: bytes | str) -> str:
    raw = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    if len(raw) > MAX_BYTES:
        raise YamlFault(f"larger than {MAX_BYTES // 1024} KiB, which no definition needs to be")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise YamlFault("not UTF-8 text", line=raw.count(b"\n", 0, error.start) + 1) from None


def _value(loader: _Loader, node: Node, path: Path, lines: dict[Path, int]) -> Any:
    """The node as JSON values, with the lines of what lies in it noted."""
    if isinstance(node, MappingNode):
        return _mapping(loader, node, path, lines)
    if isinstance(node, SequenceNode):
        items = []
        for index, item in enumerate(node.value):
            lines[(*path, index)] = item.start_mark.line + 1
            items.append(_value(loader, item, (*path, index), lines))
        return items
    assert isinstance(node, ScalarNode)
    return _scalar(loader, node, path)


def _mapping(loader: _Loader, node: MappingNode, path: Path, lines: dict[Path, int]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, ScalarNode) or key_node.tag != _TAG + "str":
            raise YamlFault("keys must be text", line=line, path=path, suggestion="quote the key")
        key = str(_scalar(loader, key_node, path))
        if key in data:
            first = lines[(*path, key)]
            raise YamlFault(
                f"the key {key!r} is given twice, first in line {first}",
                line=line,
                path=(*path, key),
                suggestion="keep one of them",
            )
        lines[(*path, key)] = line
        data[key] = _value(loader, value_node, (*path, key), lines)
    return data


def _scalar(loader: _Loader, node: ScalarNode, path: Path) -> str | int | float | bool | None:
    line = node.start_mark.line + 1
    value: str | int | float | bool | None = loader.construct_object(node)
    if (isinstance(value, float) and not math.isfinite(value)) or (isinstance(value, int) and abs(value) > _MOST):
        raise YamlFault("a number too large to hold", line=line, path=path)
    if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        raise YamlFault("an escape that is no character", line=line, path=path)
    return value
