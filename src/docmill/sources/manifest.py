"""Reads a manifest: a table, or lines of JSON, whose rows name documents and say something of each.

One row is held at a time. A row that cannot be used is given back as such, by the line that it begins on, and the next
line is read; only a manifest whose columns do not fit is refused as a whole. What the rows name is not looked at here.
"""

from __future__ import annotations

import csv
import json
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import IO, Any, Final, NoReturn

from docmill.definitions.findings import nearest
from docmill.errors import UsageError

FORMATS = ("csv", "jsonl")
URI, TITLE = "uri", "title"
MOST_ROW_BYTES = 1024 * 1024
_MOST_TRIED = 1000  # lines of JSON that are looked through for a column before it is said to be missing
_SUFFIXES: Final = {".csv": "csv", ".tsv": "csv", ".tab": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_DELIMITERS = ",;\t"
_MARK = "\ufeff"
# What other programs call the column; the first of these that is there is suggested.
_FOREIGN = ("url", "source_uri", "input_uri", "path", "file", "filename", "file_path", "filepath", "link", "href", "id")


@dataclass(frozen=True, slots=True)
class Row:
    """``uri``: a path or an address, as it was written. ``meta``: by key; None where the manifest has the key empty."""

    line: int
    uri: str
    meta: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unusable:
    """A row that is passed over."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column holds what. A column that nothing is mapped to goes by its own name, unless that name is taken."""

    columns: Mapping[str, str]

    @property
    def uri(self) -> str:
        return self.columns.get(URI, URI)

    def row(self, line: int, cells: Mapping[str, Any]) -> Row | Unusable:
        """Of one row's cells, by column."""
        used = set(self.columns.values())
        values = {name: cell for name, cell in cells.items() if name not in used and name not in self.columns}
        values |= {key: cells.get(column) for key, column in self.columns.items()}
        uri, title = values.pop(URI, None), values.get(TITLE)
        if isinstance(uri, str):
            uri = uri.strip()
        if uri is None or uri == "":
            return Unusable(line, f"there is no {self.uri!r}")
        if not isinstance(uri, str):
            return Unusable(line, f"{self.uri!r} must be text, not {_kind(uri)}")
        if "\0" in uri:
            return Unusable(line, f"{self.uri!r} holds a NUL")
        if title is not None and not isinstance(title, str):
            return Unusable(line, f"{self.columns.get(TITLE, TITLE)!r} must be text, not {_kind(title)}")
        return Row(line, uri, values)

    def require(self, known: Collection[str], name: str) -> None:
        """Raises UsageError where a column is not among these."""
        for key, column in {URI: self.uri, **self.columns}.items():
            if column not in known:
                _refuse(key, column, known, name)


def format_of(name: str, given: str | None = None) -> str:
    """By the name, unless it is given. Raises UsageError where neither tells."""
    if given is not None:
        return given
    suffix = f".{name.rpartition('.')[2].lower()}"
    if suffix not in _SUFFIXES:
        raise UsageError(f"the name {name!r} does not tell what the manifest is", hint="--manifest-format csv or jsonl")
    return _SUFFIXES[suffix]


def read(stream: IO[bytes], format_: str, columns: Mapping[str, str], name: str) -> Iterator[Row | Unusable]:
    """The rows, one at a time. ``columns``: by key; ``name`` is what the manifest is called in messages.

    Raises UsageError where a column that is mapped, or the one of URIs, is not there.
    """
    mapping = Columns(columns)
    lines = _Lines(stream)
    return _csv_rows(lines, mapping, name) if format_ == "csv" else _json_rows(lines, mapping, name)


class _Lines:
    """Lines with their numbers; lines that were read can be put back. Bytes that are not UTF-8 become surrogates."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._back: deque[str] = deque()
        self._taken: list[str] = []
        self._size = 0
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else self._read()
        self._taken.append(line)
        self._size += len(line)
        self.number += 1
        if self._size > MOST_ROW_BYTES:
            raise csv.Error(f"the row has more than {MOST_ROW_BYTES:,} characters")
        return line

    def _read(self) -> str:
        raw = self._stream.readline(MOST_ROW_BYTES + 1)
        if not raw:
            raise StopIteration
        if len(raw) > MOST_ROW_BYTES and not raw.endswith(b"\n"):
            while (rest := self._stream.readline(MOST_ROW_BYTES)) and not rest.endswith(b"\n"):
                pass
        line = raw.decode("utf-8", "surrogateescape")
        return line.removeprefix(_MARK) if self.number == 0 else line

    def begin(self) -> int:
        """A row begins: the number of its first line."""
        self._taken, self._size = [], 0
        return self.number + 1

    def back_to_second(self) -> None:
        """Give up on a row: the line after its first is the next."""
        self.number -= len(self._taken[1:])
        self._back.extendleft(reversed(self._taken[1:]))


def _csv_rows(lines: _Lines, mapping: Columns, name: str) -> Iterator[Row | Unusable]:
    csv.field_size_limit(max(csv.field_size_limit(), MOST_ROW_BYTES))
    try:
        header = next(lines, "")
        delimiter = max(_DELIMITERS, key=header.count)
        names = [each.strip() for each in next(csv.reader([header], delimiter=delimiter, strict=True), [])]
    except csv.Error as error:
        raise UsageError(f"the first line of {name} is no header: {error}") from None
    named = [each for each in names if each]
    if any(map(_is_foreign, names)) or "\0" in header:
        raise UsageError(f"{name} is not UTF-8", hint="store it as UTF-8, with or without a byte order mark")
    doubled = [each for each, times in Counter(named).items() if times > 1]
    if doubled:
        raise UsageError(f"{name} has several columns {doubled[0]!r}", hint="give each a name of its own")
    mapping.require(named, name)
    return _csv_body(lines, names, delimiter, mapping)


def _csv_body(lines: _Lines, names: list[str], delimiter: str, mapping: Columns) -> Iterator[Row | Unusable]:
    while True:
        line = lines.begin()
        # A reader for each row, so that one that goes wrong takes none of the next with it.
        try:
            cells = next(csv.reader(lines, delimiter=delimiter, strict=True), None)
        except csv.Error as error:
            lines.back_to_second()
            yield Unusable(line, _csv_words(error))
            continue
        if cells is None:
            return
        if any(cells):
            row = _csv_row(line, cells, names, mapping)
            if isinstance(row, Unusable):  # a quote too many may have joined it to rows that are well
                lines.back_to_second()
            yield row


def _csv_row(line: int, cells: list[str], names: list[str], mapping: Columns) -> Row | Unusable:
    if len(cells) != len(names):
        return Unusable(line, f"cells: {len(cells)}, where the header has {len(names)}")
    if any(map(_is_foreign, cells)):
        return Unusable(line, "it is not UTF-8")
    return mapping.row(line, {name: cell.strip() or None for name, cell in zip(names, cells, strict=True) if name})


def _csv_words(error: csv.Error) -> str:
    if "unexpected end of data" in str(error):
        return "a quoted cell does not end"
    return str(error)


def _json_rows(lines: _Lines, mapping: Columns, name: str) -> Iterator[Row | Unusable]:
    objects = _json_objects(lines)
    first = list(islice(objects, _MOST_TRIED))
    seen = dict.fromkeys(key for _line, given in first if isinstance(given, dict) for key in given)
    if seen:
        mapping.require(seen, name)
    for line, given in chain(first, objects):
        yield mapping.row(line, given) if isinstance(given, dict) else Unusable(line, given)


def _json_objects(lines: _Lines) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Each line's object, or why it is none."""
    while True:
        number = lines.begin()
        try:
            line = next(lines, None)
        except csv.Error as error:
            yield number, str(error)
            continue
        if line is None:
            return
        if line.strip():
            yield number, _json_object(line)


def _json_object(line: str) -> dict[str, Any] | str:
    if _is_foreign(line):
        return "it is not UTF-8"
    try:
        given = json.loads(line, parse_constant=_no_number)
        json.dumps(given, ensure_ascii=False).encode("utf-8")  # half of a surrogate pair can be written, but not kept
    except json.JSONDecodeError as error:
        return f"it is no JSON: {error.msg} at character {error.pos + 1}"
    except (ValueError, RecursionError) as error:
        return "it is no JSON that can be kept" + (": nested too deep" if isinstance(error, RecursionError) else "")
    return given if isinstance(given, dict) else f"it must be an object, not {_kind(given)}"


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)


def _is_foreign(text: str) -> bool:
    """Holds what is no character: bytes that are not UTF-8."""
    return not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)


def _kind(value: object) -> str:
    kinds = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return kinds.get(type(value), "text")


def _refuse(key: str, column: str, known: Iterable[str], name: str) -> NoReturn:
    there = list(known)
    lower = {each.lower(): each for each in reversed(there)}
    foreign = next((lower[word] for word in (column.lower(), *_FOREIGN) if word in lower), None)
    hint = f"--map {key}={foreign}" if key == URI and foreign else nearest(column, there)
    raise UsageError(f"{name} has no column {column!r}", hint=hint, columns=there)
