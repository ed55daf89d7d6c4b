"""Builds a ParsedDocument block by block: cleans text, keeps offsets right, stops at the character limit.

Pure: no file, no library of a format. Every parser appends to one :class:`DocumentBuilder`, so that the promises of a
parsed document (blocks in order, only white space between them, no NUL, no lone surrogate) are kept in one place.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from docmill.domain.deadline import Deadline
from docmill.domain.documents import Block, BlockKind, ParsedDocument, Warning  # noqa: A004 - the field's word
from docmill.errors import DocumentTimeout, EmptyDocument

LONGEST_TITLE = 300
_LONGEST_METADATA = 1000

_LINE_ENDS = re.compile("\r\n|[\r\v\f\x1c\x1d\x1e\x85\u2028\u2029]")
# Control characters, zero-width and soft-hyphen marks, byte-order marks and non-characters carry no text.
_INVISIBLE = re.compile("[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u2060\ufeff\ufffe\uffff]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_LIGATURES = str.maketrans(
    {"\ufb00": "ff", "\ufb01": "fi", "\ufb02": "fl", "\ufb03": "ffi", "\ufb04": "ffl", "\ufb05": "st", "\ufb06": "st"}
)
_LIGATURE = re.compile("[\ufb00-\ufb06]")
_BLANKS = re.compile(r"[^\S\n]+")


def clean(text: str) -> str:
    """``text`` in NFC with ``\\n`` line ends, ligatures spelled out, and nothing that cannot be shown or encoded."""
    if text.isascii() and text.isprintable():
        return text
    text = _LINE_ENDS.sub("\n", text)
    text = _INVISIBLE.sub("", text)
    if text.isascii():
        return text
    text = _SURROGATES.sub("\ufffd", text)
    if _LIGATURE.search(text):
        text = text.translate(_LIGATURES)
    return unicodedata.normalize("NFC", text)


def one_line(text: str) -> str:
    """Cleaned ``text`` with every run of white space as one blank."""
    return " ".join(clean(text).split())


def flowing(text: str) -> str:
    """Cleaned ``text`` for reading: runs of blanks as one, lines trimmed, empty lines dropped."""
    text = _BLANKS.sub(" ", clean(text))
    if "\n" not in text:
        return text.strip()
    return "\n".join(line for line in (part.strip() for part in text.split("\n")) if line)


def verbatim(text: str) -> str:
    """Cleaned ``text`` with its indentation and inner empty lines, as code needs them."""
    return re.sub(r"[^\S\n]+(?=\n|\Z)", "", clean(text)).strip("\n")


class DocumentBuilder:
    """Appends blocks to one text. ``full`` turns true at ``max_characters`` or at the deadline; parsers then stop.

    List items and the lines of a table are parted by one line end, all other blocks by an empty line.
    """

    def __init__(self, document_type: str, *, max_characters: int, deadline: Deadline | None = None) -> None:
        self.type = document_type
        self._deadline = deadline or Deadline()
        self._cut: str | None = None
        self._left = max_characters
        self._parts: list[str] = []
        self._length = 0
        self._blocks: list[Block] = []
        self._first_headings: dict[int, str] = {}
        self._warnings: list[Warning] = []

    @property
    def has_blocks(self) -> bool:
        return bool(self._blocks)

    @property
    def length(self) -> int:
        """Characters so far."""
        return self._length

    @property
    def full(self) -> bool:
        """No more text is taken. It is warned of, once."""
        if self._cut is None and self._deadline.passed:
            self.out_of_time()
        return self._cut is not None

    def out_of_time(self) -> None:
        """Take no more text, as the time is up."""
        if self._cut is None:
            self._cut = "TIMEOUT"
            message = f"reading it was stopped after {self._deadline.seconds:g} s (max_seconds); the rest is missing"
            self.warn("TIMEOUT", message, degrades=True)

    def heading(self, text: str, level: int, *, page: int | None = None) -> None:
        """A heading of ``level`` 1 to 6 (clamped); its text becomes one line."""
        text, level = one_line(text), min(max(level, 1), 6)
        self._append(BlockKind.HEADING, text, level=level, page=page)
        if text:
            self._first_headings.setdefault(level, text)

    def paragraph(self, text: str, *, page: int | None = None) -> None:
        self._append(BlockKind.PARAGRAPH, flowing(text), page=page)

    def passage(self, text: str, *, page: int | None = None) -> None:
        """A paragraph whose lines keep their inner spacing: plain text, logs, verse."""
        self._append(BlockKind.PARAGRAPH, verbatim(text).strip(), page=page)

    def list_item(self, text: str, level: int, *, page: int | None = None) -> None:
        self._append(BlockKind.LIST_ITEM, flowing(text), level=max(level, 1), page=page)

    def code(self, text: str, *, page: int | None = None) -> None:
        self._append(BlockKind.CODE, verbatim(text), page=page)

    def table(self, lines: Iterable[str], *, has_header: bool, page: int | None = None) -> int:
        """One table whose rows are ``lines``, taken one by one until the text is full; returns how many were used.

        ``has_header``: the first line that is not empty holds the column names.
        """
        rows: list[str] = []
        length = 0
        for line in lines:
            row = one_line(line)
            if not row:
                continue
            rows.append(row)
            length += len(row) + 1
            if length > self._left or self.full:
                break
        header = rows[0] if has_header and len(rows) > 1 else ""
        self._append(BlockKind.TABLE, "\n".join(rows), page=page, header_chars=len(header))
        return len(rows)

    def warn(self, code: str, message: str, *, page: int | None = None, degrades: bool = False) -> None:
        self._warnings.append(Warning(code, message, page, degrades))

    def first_heading(self) -> str | None:
        """The first heading of the highest level that occurs; what serves as a title where none is given."""
        return self._first_headings[min(self._first_headings)] if self._first_headings else None

    def build(
        self,
        *,
        title: str | None = None,
        metadata: dict[str, Any] | None = None,
        page_characters: tuple[int, ...] = (),
    ) -> ParsedDocument:
        """The document. Raises EmptyDocument where nothing but white space was added, DocumentTimeout if for time."""
        if not self._blocks and self._cut == "TIMEOUT":
            seconds = f"{self._deadline.seconds:g} s"
            raise DocumentTimeout(f"nothing of it could be read within {seconds}", hint="raise parse.max_seconds")
        if not self._blocks:
            raise EmptyDocument("the document holds no text")
        title = one_line(title or "")[:LONGEST_TITLE].rstrip() or None
        text, blocks, warnings = "".join(self._parts), tuple(self._blocks), tuple(self._warnings)
        return ParsedDocument(self.type, text, blocks, title, metadata or {}, warnings, page_characters)

    def _append(
        self, kind: BlockKind, text: str, *, level: int = 0, page: int | None = None, header_chars: int = 0
    ) -> None:
        if not text or text.isspace():
            return
        gap = self._gap(kind)
        text = self._within_limit(text, len(gap))
        if not text or text.isspace():
            return
        start = self._length + len(gap)
        end = start + len(text)
        header_end = start + header_chars if 0 < header_chars < len(text) else 0
        self._parts += (gap, text)
        self._length = end
        self._blocks.append(Block(kind, start, end, level, page, header_end))

    def _within_limit(self, text: str, gap: int) -> str:
        room = max(self._left - gap, 0)
        if len(text) > room:
            text = text[:room].rstrip()
            if self._cut is None:
                self._cut = "TEXT_TRUNCATED"
                self.warn("TEXT_TRUNCATED", "the text is longer than max_characters; the rest is cut", degrades=True)
        self._left = room - len(text)
        return text

    def _gap(self, kind: BlockKind) -> str:
        if not self._blocks:
            return ""
        both_items = kind is BlockKind.LIST_ITEM and self._blocks[-1].kind is BlockKind.LIST_ITEM
        return "\n" if both_items else "\n\n"


def metadata_text(value: object) -> str | None:
    """``value`` as one clean line of bounded length; None where it says nothing."""
    text = one_line(value)[:_LONGEST_METADATA].rstrip() if isinstance(value, str) else ""
    return text or None


def iso_utc(moment: datetime) -> str:
    """``moment`` as ISO-8601 in UTC, to the second; one without a time zone is taken as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def iso_moment(written: str | None) -> str | None:
    """The time that a file states in ISO-8601, as :func:`iso_utc` writes it; None where it states none."""
    try:
        return iso_utc(datetime.fromisoformat(written.strip())) if written else None
    except (ValueError, OverflowError):  # the second: a moment of year 1 or 9999 that UTC does not reach
        return None


def present(**fields: Any) -> dict[str, Any]:
    """The ``fields`` that are neither None nor empty: metadata says only what the file says."""
    return {name: value for name, value in fields.items() if value not in (None, "", [])}
