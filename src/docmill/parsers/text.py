"""Reads plain text and source code: paragraphs by empty lines, underlined lines as headings.

The lines of a paragraph stay as they are written: in a log, an address or a poem they mean something.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from docmill.decoding import read_text
from docmill.domain.assembly import DocumentBuilder, clean
from docmill.domain.contracts import SourceFile
from docmill.domain.documents import ParsedDocument
from docmill.domain.failures import readable

if TYPE_CHECKING:
    from docmill.domain.params import ParseParams

# reStructuredText's and setext's way: a line, and under it at least as many of one punctuation mark.
_UNDERLINE = re.compile(r"([=\-~^\"'`#*+:.<>_])\1{2,}")
_LONGEST_HEADING = 200


class TextParser:
    version = "2"
    types = frozenset({"text", "code"})

    def parse(self, file: SourceFile, params: ParseParams) -> ParsedDocument:
        with readable("text file"):
            builder = DocumentBuilder(file.type, max_characters=params.max_characters, deadline=file.deadline)
            text = clean(read_text(file.path, builder, max_characters=params.max_characters))
            if file.type == "code":
                _add_code(builder, text)
            else:
                add_text(builder, text)
            return builder.build(title=builder.first_heading())


def _groups(text: str) -> Iterator[list[str]]:
    """The lines between empty lines, without their trailing blanks."""
    group: list[str] = []
    for line in text.split("\n"):
        line = line.rstrip()
        if line:
            group.append(line)
        elif group:
            yield group
            group = []
    if group:
        yield group


def _add_code(builder: DocumentBuilder, text: str) -> None:
    for group in _groups(text):
        if builder.full:
            return
        builder.code("\n".join(group))


def add_text(builder: DocumentBuilder, text: str) -> None:
    """Add the paragraphs and headings of a plain, cleaned text."""
    marks: list[str] = []
    for group in _groups(text):
        if builder.full:
            return
        group = _without_overline(group)
        if len(group) >= 2 and _is_heading(group[0], group[1]):
            mark = group[1][0]
            if mark not in marks:
                marks.append(mark)
            builder.heading(group[0], marks.index(mark) + 1)
            group = group[2:]
        if group:
            builder.passage("\n".join(group))


def _without_overline(group: list[str]) -> list[str]:
    """reStructuredText allows a title to stand between two equal lines."""
    if len(group) >= 3 and group[0] == group[2] and _UNDERLINE.fullmatch(group[0]):
        return group[1:]
    return group


def _is_heading(line: str, underline: str) -> bool:
    return (
        _UNDERLINE.fullmatch(underline) is not None
        and len(line.strip()) <= min(len(underline), _LONGEST_HEADING)
        and any(character.isalnum() for character in line)
    )


PLUGIN = TextParser()
