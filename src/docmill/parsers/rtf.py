"""Reads Rich Text Format: paragraphs, headings, lists, tables and footnotes, in whatever code pages it is written.

One pass over the tokens with a stack of groups; nothing calls itself.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from docmill.decoding import read_bytes
from docmill.domain import rich_text
from docmill.domain.assembly import DocumentBuilder, iso_utc, metadata_text, one_line, present
from docmill.domain.contracts import SourceFile
from docmill.domain.documents import ParsedDocument
from docmill.domain.failures import readable
from docmill.domain.rich_text import Token
from docmill.domain.tables import piped
from docmill.errors import CorruptedFile

if TYPE_CHECKING:
    from docmill.domain.params import ParseParams

_MARKUP = 4  # bytes of control words and pictures to a byte of text
_MOST_DEPTH = 10_000
_PARAGRAPH_ENDS = frozenset({"par", "sect", "page", "column", "pagebb"})
_SURROGATES = range(0xD800, 0xE000)


class RtfParser:
    version = "1"
    types = frozenset({"rtf"})

    def parse(self, file: SourceFile, params: ParseParams) -> ParsedDocument:
        """Raises CorruptedFile for what is no RTF, or is nested beyond reason. A file that breaks off is degraded."""
        with readable("RTF file"):
            builder = DocumentBuilder(file.type, max_characters=params.max_characters, deadline=file.deadline)
            data = read_bytes(file.path, builder, max_characters=params.max_characters, markup=_MARKUP)
            if not data.lstrip().startswith(b"{\\rtf"):
                raise CorruptedFile("the file holds no RTF")
            return _Reader(builder, params).read(data.decode("latin-1"))


@dataclass(frozen=True, slots=True)
class _Group:
    """What holds until the brace that closes it.

    target:   where text goes: "body", "note", "margin", "marker" (of a list item), "fonts", "styles", "created", a
              field of the metadata, or "" for nowhere.
    fallback: how many characters after a Unicode one stand in for it, for older programs.
    level:    of a heading, by outline; style: the number of the paragraph's; depth: of the list.
    """

    target: str = "body"
    encoding: str = "cp1252"
    fallback: int = 1
    style: int = 0
    level: int = 0
    depth: int = 0
    in_table: bool = False
    deleted: bool = False


class _Reader:
    """One file being read."""

    def __init__(self, builder: DocumentBuilder, params: ParseParams) -> None:
        self._builder = builder
        self._max_rows = params.max_rows
        self._group = _Group()
        self._stack: list[_Group] = []
        self._marked = False  # the last token said: skip this group if you do not know it
        self._first = False  # the last token opened a group: the next word says what it is
        self._standing_in = 0
        self._code_page = "cp1252"
        self._fonts: dict[int, str] = {}
        self._font = 0
        self._levels: dict[int, int] = {}  # of the styles that are headings
        self._bytes = bytearray()
        self._bytes_encoding = "cp1252"
        self._texts: dict[str, list[str]] = {}
        self._cells: list[str] = []
        self._rows: list[str] = []
        self._rows_read = 0
        self._created: dict[str, int] = {}
        self._lossy = False

    def read(self, source: str) -> ParsedDocument:
        for token in rich_text.tokens(source):
            if token.kind == "brace":
                if not self._brace(token.value):
                    break
            elif token.kind in ("text", "byte"):
                self._characters(token)
            else:
                self._control(token)
            if self._builder.full:
                break
        else:
            self._builder.warn("DAMAGED_PART", "the file breaks off: a group is not closed", degrades=True)
        self._end_paragraph()
        self._end_table()
        lines = dict.fromkeys(map(one_line, self._take("margin").split("\n")))
        self._builder.paragraph("\n".join(line for line in lines if any(map(str.isalpha, line))))
        if self._lossy:
            self._builder.warn(
                "DECODE_FALLBACK", "some characters are in no code page and show as \ufffd", degrades=True
            )
        if self._rows_read > self._max_rows:
            message = f"only the first {self._max_rows:,} table rows are read (max_rows)"
            self._builder.warn("ROWS_LEFT_OUT", message, degrades=True)
        metadata = present(author=metadata_text(self._take("author")), created_at=_moment(self._created))
        return self._builder.build(
            title=metadata_text(self._take("title")) or self._builder.first_heading(), metadata=metadata
        )

    def _brace(self, brace: str) -> bool:
        """Whether the document goes on."""
        self._flush()
        self._standing_in = 0
        self._marked, self._first = False, brace == "{"
        if brace == "{":
            if len(self._stack) >= _MOST_DEPTH:
                raise CorruptedFile(f"groups are nested more than {_MOST_DEPTH:,} deep")
            self._stack.append(self._group)
            return True
        closed, self._group = self._group, self._stack.pop() if self._stack else self._group
        if closed.target == "styles":
            self._name_style(closed)
        elif closed.target == "note" != self._group.target:
            self._put("\n", "note")
        return bool(self._stack)

    # ---- characters --------------------------------------------------------------------------------------------------

    def _characters(self, token: Token) -> None:
        data = bytes([int(token.value, 16)]) if token.kind == "byte" else token.value.encode("latin-1")
        self._first = False
        if self._standing_in:
            passed = min(self._standing_in, len(data))
            self._standing_in -= passed
            data = data[passed:]
        if self._group.target and data:
            if self._bytes_encoding != self._group.encoding:
                self._flush()
                self._bytes_encoding = self._group.encoding
            self._bytes += data

    def _flush(self) -> None:
        """Bytes of one encoding become text together: a character may be a byte in hexadecimal and a plain one."""
        if self._bytes:
            text = self._bytes.decode(self._bytes_encoding, "replace")
            self._lossy |= "\ufffd" in text and self._group.target == "body"
            self._bytes.clear()
            self._put(text)

    def _put(self, text: str, target: str | None = None) -> None:
        target = self._group.target if target is None else target
        if target and not self._group.deleted:
            self._texts.setdefault(target, []).append(text)

    def _take(self, target: str) -> str:
        self._flush()
        text = "".join(self._texts.pop(target, ()))
        if any(ord(character) in _SURROGATES for character in text):  # two halves that came as two control words
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return text

    # ---- control words -----------------------------------------------------------------------------------------------

    def _control(self, token: Token) -> None:
        word, number, first = token.value, token.number, self._first
        self._first = False
        if token.kind == "symbol" and word == "*":
            self._marked, self._first = True, True
            return
        if first and self._opens(word):
            return
        self._flush()
        if self._standing_in and word != "u":
            self._standing_in -= 1
            return
        if word in rich_text.CHARACTERS:
            self._put(rich_text.CHARACTERS[word])
        elif word == "u" and number is not None:
            self._put(chr(number & 0xFFFF))
            self._standing_in = self._group.fallback
        elif word in _PARAGRAPH_ENDS or word in ("cell", "row", "nestcell", "nestrow"):
            self._structure(word)
        else:
            self._property(word, number)

    def _opens(self, word: str) -> bool:
        """Take the word that says what a group is; whether that is all it says."""
        target = {
            "fonttbl": "fonts",
            "stylesheet": "styles",
            "footnote": "note",
            "listtext": "marker",
            "pntext": "marker",
            "title": "title",
            "author": "author",
            "creatim": "created",
        }.get(word)
        if word in rich_text.MARGINS:
            target = "margin"
        elif word in rich_text.SKIPPED or (self._marked and word not in rich_text.READ_ALTHOUGH_MARKED):
            target = ""
        elif word == "info":
            target = ""  # but for the groups in it that are known
        self._marked = False
        if target is None or (not self._group.target and word not in ("title", "author", "creatim")):
            return False
        self._group = replace(self._group, target=target)
        return True

    def _structure(self, word: str) -> None:
        if self._group.target in ("note", "margin"):
            self._put("\n")
        elif self._group.target == "body":
            if word == "cell":
                self._cells.append(self._take("body"))
            elif word == "row":
                self._end_row()
            elif self._group.in_table:
                self._put(" | " if word == "nestcell" else "\n")
            else:
                self._end_paragraph()

    def _property(self, word: str, number: int | None) -> None:
        value = number if number is not None else 1
        if self._group.target == "created":
            self._created[word] = value
        elif word == "pard":
            self._group = replace(self._group, style=0, level=0, depth=0, in_table=False)
        elif word == "f":
            self._font = value
            if self._group.target != "fonts":
                self._group = replace(self._group, encoding=self._fonts.get(value, self._code_page))
        elif word == "fcharset" and self._group.target == "fonts":
            if value in rich_text.CODE_PAGES and value:
                self._fonts[self._font] = rich_text.CODE_PAGES[value]
        elif word in ("ansicpg", "mac", "pc", "pca"):
            named = {"mac": "mac_roman", "pc": "cp437", "pca": "cp850"}.get(word) or _code_page(value)
            self._code_page = named
            self._group = replace(self._group, encoding=named)
        else:
            self._paragraph_property(word, value, switched_off=number == 0)

    def _paragraph_property(self, word: str, value: int, *, switched_off: bool) -> None:
        if word == "uc":
            self._group = replace(self._group, fallback=max(value, 0))
        elif word == "s":
            self._group = replace(self._group, style=value)
        elif word == "outlinelevel":
            self._group = replace(self._group, level=value + 1 if 0 <= value < 9 else 0)
        elif word == "ilvl":
            self._group = replace(self._group, depth=min(max(value, 0), 8) + 1)
        elif word == "intbl":
            self._group = replace(self._group, in_table=True)
        elif word == "deleted":
            self._group = replace(self._group, deleted=not switched_off)
        elif word == "plain":
            self._group = replace(self._group, deleted=False, encoding=self._code_page)

    # ---- blocks ------------------------------------------------------------------------------------------------------

    def _name_style(self, closed: _Group) -> None:
        """``{\\s1 ... heading 1;}``: a style is a heading by its outline level or by its name."""
        name = one_line(self._take("styles")).rstrip(";").lower()
        level = name.removeprefix("heading ")
        if closed.level:
            self._levels[closed.style] = closed.level
        elif name == "title":
            self._levels[closed.style] = 1
        elif level != name and level.isdecimal() and len(level) == 1:
            self._levels[closed.style] = int(level)

    def _end_paragraph(self) -> None:
        text, marker = self._take("body"), one_line(self._take("marker"))
        level = self._group.level or self._levels.get(self._group.style, 0)
        if text.strip():
            self._end_table()
            if level:
                self._builder.heading(text, level)
            elif marker:
                shown = marker if any(map(str.isalnum, marker)) else "-"
                self._builder.list_item(f"{shown} {text.strip()}", max(self._group.depth, 1))
            else:
                self._builder.paragraph(text)
        self._builder.paragraph(self._take("note"))

    def _end_row(self) -> None:
        self._rows_read += 1
        if self._rows_read <= self._max_rows:
            row = piped(one_line(cell) for cell in self._cells)
            if row:
                self._rows.append(row)
        self._cells.clear()

    def _end_table(self) -> None:
        if self._cells:
            self._end_row()
        if self._rows:
            self._builder.table(self._rows, has_header=True)
            self._rows = []


def _code_page(number: int) -> str:
    name = {65001: "utf-8", 10000: "mac_roman"}.get(number, f"cp{number}")
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "cp1252"


def _moment(parts: dict[str, int]) -> str | None:
    try:
        moment = datetime(
            parts["yr"], parts.get("mo", 1), parts.get("dy", 1), parts.get("hr", 0), parts.get("min", 0), tzinfo=UTC
        )
    except (KeyError, ValueError, OverflowError):
        return None
    return iso_utc(moment)


PLUGIN = RtfParser()
