"""Reads Markdown by lines: headings, paragraphs, lists, pipe tables, code, and the front matter's title and author.

The text that comes out is what a reader sees: marks of emphasis and link targets are left out, code is untouched.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from docmill.decoding import read_text
from docmill.domain.assembly import DocumentBuilder, clean, iso_moment, metadata_text, present
from docmill.domain.contracts import SourceFile
from docmill.domain.documents import ParsedDocument
from docmill.domain.failures import readable
from docmill.domain.markup import plain
from docmill.domain.tables import piped

if TYPE_CHECKING:
    from docmill.domain.params import ParseParams

_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*))?")
_LEADING_TABS = re.compile(r"^[ \t]*\t[ \t]*", re.M)
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*")
_RULE = re.compile(r" {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*")
_FENCE = re.compile(r"([ \t]*)(`{3,}|~{3,})([^`]*)")
_ITEM = re.compile(r"([ \t]*)([-*+]|\d{1,9}[.)])(?:[ \t]+(.*)|$)")
_TABLE_RULE = re.compile(r" {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*")
_CELL_END = re.compile(r"(?<!\\)\|")
_DEFINITION = re.compile(r" {0,3}\[[^\^\[\]]{1,200}\]:\s+\S.*")
_QUOTE = re.compile(r" {0,3}(?:>[ \t]?)+")
_COMMENT_OPEN, _COMMENT_CLOSE = "<!--", "-->"
_FRONT_FIELD = re.compile(r"(title|authors?|date|lang|language)\s*[:=]\s*(.*)", re.I)
_FRONT_LINES = 200


class MarkdownParser:
    version = "2"
    types = frozenset({"markdown"})

    def parse(self, file: SourceFile, params: ParseParams) -> ParsedDocument:
        with readable("Markdown file"):
            builder = DocumentBuilder(file.type, max_characters=params.max_characters, deadline=file.deadline)
            front = add_markdown(builder, read_text(file.path, builder, max_characters=params.max_characters))
            metadata = present(
                author=front.get("author") or front.get("authors"),
                created_at=iso_moment(front.get("date")),
                language=front.get("language") or front.get("lang"),
            )
            return builder.build(title=front.get("title") or builder.first_heading(), metadata=metadata)


def add_markdown(builder: DocumentBuilder, text: str) -> dict[str, str]:
    """Add what ``text`` says as Markdown; the fields of its front matter."""
    lines = _LEADING_TABS.sub(lambda tabs: tabs.group().expandtabs(4), clean(text)).split("\n")
    front, start = _front_matter(lines)
    _Scanner(builder, lines, start).run()
    return front


def _front_matter(lines: list[str]) -> tuple[dict[str, str], int]:
    """The scalar fields that are wanted, and the line after the block. YAML (``---``) and TOML (``+++``).

    Read by lines, not by a YAML parser: four plain fields are wanted from a file that anyone may have written.
    """
    mark = lines[0].rstrip()
    if mark not in ("---", "+++"):
        return {}, 0
    for index in range(1, min(len(lines), _FRONT_LINES)):
        if lines[index].rstrip() in (mark, "..."):
            found = (_FRONT_FIELD.fullmatch(line.rstrip()) for line in lines[1:index])
            fields = {match.group(1).lower(): metadata_text(match.group(2).strip("\"'[] ")) for match in found if match}
            is_front = all(
                not line.strip() or line[0] in " #-}]" or ":" in line or "=" in line for line in lines[1:index]
            )
            return ({name: value for name, value in fields.items() if value}, index + 1) if is_front else ({}, 0)
    return {}, 0


class _Scanner:
    """One pass over the lines. ``_paragraph`` and ``_item`` hold what the next lines may continue."""

    def __init__(self, builder: DocumentBuilder, lines: list[str], start: int) -> None:
        self._builder = builder
        self._lines = lines
        self._at = start
        self._paragraph: list[str] = []
        self._item_marker = ""
        self._indents: list[int] = []  # where the text of each open list level begins
        self._after_blank = True
        self._comments_end = True  # turns false where one does not: the rest need not be searched again

    def run(self) -> None:
        while self._at < len(self._lines) and not self._builder.full:
            line = self._lines[self._at]
            if not line.strip():
                self._flush()
                self._after_blank = True
                self._at += 1
                continue
            if not (self._fence(line) or self._indented_code(line)):
                self._text_line(self._without_comments(line))
            self._after_blank = False
        self._flush()

    def _text_line(self, line: str) -> None:
        """A line that is no code. Takes it, and with a table its further lines."""
        self._at += 1
        quote = _QUOTE.match(line)
        if quote is not None:
            line = line[quote.end() :]
        if not line.strip():
            return
        if self._heading(line) or self._rule(line) or self._table(line) or self._list_item(line):
            return
        if _DEFINITION.fullmatch(line) and not self._paragraph:
            return
        if self._after_blank and self._indents and _indent(line) < self._indents[0]:
            self._indents.clear()
        self._paragraph.append(line.strip())

    def _flush(self) -> None:
        if not self._paragraph and not self._item_marker:
            return
        text = plain(" ".join(self._paragraph))
        if self._item_marker:
            self._builder.list_item(f"{self._item_marker} {text}" if text.strip() else "", len(self._indents))
        else:
            self._builder.paragraph(text)
        self._paragraph, self._item_marker = [], ""

    def _fence(self, line: str) -> bool:
        opening = _FENCE.fullmatch(line)
        if opening is None:
            return False
        self._flush()
        indent, mark = len(opening.group(1)), opening.group(2)
        body: list[str] = []
        self._at += 1
        while self._at < len(self._lines):
            inner = self._lines[self._at]
            self._at += 1
            closing = inner.strip()
            if len(closing) >= len(mark) and not closing.strip(mark[0]):
                break
            body.append(inner[min(indent, _indent(inner)) :])
        self._builder.code("\n".join(body))
        return True

    def _indented_code(self, line: str) -> bool:
        """Four blanks make code after an empty line, unless they belong to a list."""
        if self._indents or self._paragraph or not self._after_blank or _indent(line) < 4:
            return False
        body = []
        while self._at < len(self._lines):
            inner = self._lines[self._at]
            if inner.strip() and _indent(inner) < 4:
                break
            body.append(inner[4:])
            self._at += 1
        self._builder.code("\n".join(body))
        return True

    def _heading(self, line: str) -> bool:
        match = _ATX.fullmatch(line)
        if match is not None:
            self._flush()
            self._indents.clear()
            text = (match.group(2) or "").rstrip()
            closed = text.rstrip("#")
            if not closed or closed[-1].isspace():
                text = closed
            self._builder.heading(plain(text), len(match.group(1)))
            return True
        match = _SETEXT.fullmatch(line)
        if match is not None and self._paragraph and not self._item_marker:
            text = plain(" ".join(self._paragraph))
            self._paragraph = []
            self._builder.heading(text, 1 if match.group(1)[0] == "=" else 2)
            return True
        return False

    def _rule(self, line: str) -> bool:
        if _RULE.fullmatch(line) is None:
            return False
        self._flush()
        self._indents.clear()
        return True

    def _list_item(self, line: str) -> bool:
        match = _ITEM.fullmatch(line)
        if match is None:
            return False
        indent, marker, text = len(match.group(1)), match.group(2), match.group(3) or ""
        if self._paragraph and not self._indents and marker[0].isdigit() and marker[:-1] != "1":
            return False  # "... in\n1998. It was ..." goes on with a paragraph
        self._flush()
        while self._indents and indent < self._indents[-1]:
            self._indents.pop()
        self._indents.append(indent + min(len(marker) + 1, 2))
        self._item_marker = marker.replace(")", ".") if marker[0].isdigit() else "-"
        if text.strip():
            self._paragraph.append(text.strip())
        return True

    def _table(self, line: str) -> bool:
        """A line with pipes over a line of dashes begins a table."""
        following = self._lines[self._at] if self._at < len(self._lines) else ""
        if "|" not in line or "-" not in following or _TABLE_RULE.fullmatch(following) is None:
            return False
        self._flush()
        rows = [_cells(line)]
        self._at += 1
        while self._at < len(self._lines) and "|" in self._lines[self._at]:
            rows.append(_cells(self._lines[self._at]))
            self._at += 1
        self._builder.table(rows, has_header=bool(rows[0]))
        return True

    def _without_comments(self, line: str) -> str:
        """``line`` without HTML comments; a comment may take further lines with it."""
        while (opening := line.find(_COMMENT_OPEN)) >= 0 and line.count("`", 0, opening) % 2 == 0:
            closing = line.find(_COMMENT_CLOSE, opening + len(_COMMENT_OPEN))
            rest = line[closing + len(_COMMENT_CLOSE) :] if closing >= 0 else self._skip_comment()
            line = line[:opening] + rest
        return line

    def _skip_comment(self) -> str:
        """Move to the line that ends the comment; what follows it there. One that never ends takes its line only."""
        if self._comments_end:
            for index in range(self._at + 1, len(self._lines)):
                closing = self._lines[index].find(_COMMENT_CLOSE)
                if closing >= 0:
                    self._at = index
                    return self._lines[index][closing + len(_COMMENT_CLOSE) :]
            self._comments_end = False
        return ""


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _cells(line: str) -> str:
    cells = [plain(cell.replace("\\|", "|")) for cell in _CELL_END.split(line.strip().removeprefix("|"))]
    return piped(cells)


PLUGIN = MarkdownParser()
