"""Reads JSON and JSON lines: a line a record, or a line a value with the path that leads to it.

Walks with an explicit stack. Numbers keep the digits they were written with.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from docmill.decoding import byte_limit, read_text
from docmill.domain.assembly import DocumentBuilder, metadata_text
from docmill.domain.contracts import SourceFile
from docmill.domain.documents import ParsedDocument
from docmill.domain.failures import readable
from docmill.errors import CorruptedFile, FileTooLarge

if TYPE_CHECKING:
    from docmill.domain.params import ParseParams

_TITLE_KEYS = ("title", "name")


class StructuredParser:
    version = "2"
    types = frozenset({"json", "jsonl"})

    def parse(self, file: SourceFile, params: ParseParams) -> ParsedDocument:
        """Raises CorruptedFile for what is no JSON; single bad lines of JSON lines only degrade."""
        with readable("JSON file"):
            builder = DocumentBuilder(file.type, max_characters=params.max_characters, deadline=file.deadline)
            if file.type == "json" and file.size_bytes > byte_limit(params.max_characters):
                # A part of it would be no JSON; JSON lines can be cut.
                raise FileTooLarge(f"{file.size_bytes:,} bytes of JSON hold more text than max_characters allows")
            text = read_text(file.path, builder, max_characters=params.max_characters)
            title = _add_lines(builder, text, params) if file.type == "jsonl" else _add_value(builder, text, params)
            return builder.build(title=title)


def _load(text: str) -> Any:
    try:
        # As text, numbers cannot overflow, and 1e3 or 0.10 stay as a person wrote them.
        return json.loads(text, parse_int=str, parse_float=str)
    except RecursionError:
        raise CorruptedFile("the JSON is nested too deeply") from None


def _add_value(builder: DocumentBuilder, text: str, params: ParseParams) -> str | None:
    try:
        value = _load(text)
    except json.JSONDecodeError as error:
        # Several values in a row are JSON lines under a plain name.
        if error.msg == "Extra data" and "\n" in text[: error.pos + 1]:
            return _add_lines(builder, text, params)
        raise CorruptedFile(f"not JSON: {error.msg} in line {error.lineno}, column {error.colno}") from error
    if _is_records(value):
        builder.table(_bounded((_record(item) for item in value), builder, params.max_rows), has_header=False)
        return None
    builder.table(
        _bounded((f"{path}: {leaf}" if path else leaf for path, leaf in _leaves(value)), builder, params.max_rows),
        has_header=False,
    )
    return _title_of(value)


def _add_lines(builder: DocumentBuilder, text: str, params: ParseParams) -> str | None:
    bad: list[int] = []

    def records() -> Iterator[str]:
        for number, line in enumerate(text.split("\n"), start=1):
            if not line.strip():
                continue
            try:
                yield _record(_load(line))
            except (json.JSONDecodeError, CorruptedFile):
                bad.append(number)

    builder.table(_bounded(records(), builder, params.max_rows), has_header=False)
    if bad and not builder.has_blocks:
        raise CorruptedFile("no line of the file is JSON")
    if bad:
        message = f"{len(bad):,} of the lines are not JSON and are left out, the first is line {bad[0]:,}"
        builder.warn("BAD_LINES", message, degrades=True)
    return None


def _bounded(lines: Iterator[str], builder: DocumentBuilder, most: int) -> Iterator[str]:
    for count, line in enumerate(lines):
        if count == most:
            builder.warn("ROWS_LEFT_OUT", f"only the first {most:,} lines are read (max_rows)", degrades=True)
            return
        yield line


def _is_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _record(value: Any) -> str:
    return "; ".join(f"{path}: {leaf}" if path else leaf for path, leaf in _leaves(value))


def _leaves(value: Any) -> Iterator[tuple[str, str]]:
    """Path and text of each scalar, in document order; a list of scalars counts as one.

    Paths read ``a.b[0].c``, list positions counted from 0. Empty containers, null and "" say nothing and are left out.
    """
    stack: list[tuple[str, Any]] = [("", value)]
    while stack:
        path, item = stack.pop()
        if isinstance(item, dict):
            stack.extend((f"{path}.{key}" if path else key, child) for key, child in reversed(item.items()))
        elif isinstance(item, list) and any(isinstance(child, dict | list) for child in item):
            stack.extend((f"{path}[{index}]", item[index]) for index in range(len(item) - 1, -1, -1))
        else:
            leaf = ", ".join(filter(None, map(_scalar, item))) if isinstance(item, list) else _scalar(item)
            if leaf:
                yield path, leaf


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _title_of(value: Any) -> str | None:
    if not isinstance(value, dict):
        return None
    return next((text for key in _TITLE_KEYS if (text := metadata_text(value.get(key)))), None)


PLUGIN = StructuredParser()
