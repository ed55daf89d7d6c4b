"""Reads Word documents: headings, lists, tables in place, footnotes, text boxes, headers and footers once.

The body is streamed with lxml rather than opened with python-docx, which needs the whole tree in memory, refuses the
strict flavour of the format and passes over insertions, content controls, text boxes and footnotes.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from itertools import chain
from typing import IO, TYPE_CHECKING

from docmill import safe_xml
from docmill.containers import core_properties, open_package, relations
from docmill.domain.assembly import DocumentBuilder, one_line
from docmill.domain.contracts import SourceFile
from docmill.domain.documents import ParsedDocument
from docmill.domain.elements import Element, attribute, local_name
from docmill.domain.failures import keeping_what_was_read, readable
from docmill.domain.tables import piped
from docmill.domain.wordprocessing import ParagraphText, Styles, paragraph_text, paragraphs, row_cells
from docmill.errors import CorruptedFile

if TYPE_CHECKING:
    from docmill.domain.params import ParseParams

_NAMESPACES = (
    "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "http://purl.oclc.org/ooxml/wordprocessingml/main",
)
_STREAMED = tuple(f"{{{namespace}}}{name}" for namespace in _NAMESPACES for name in ("p", "tr", "tbl"))
_NOTE_KINDS = ("footnotes", "endnotes")
_MOST_SIDE_PARTS = 64  # headers and footers; a generated document may have one a section


class DocxParser:
    version = "2"
    types = frozenset({"docx"})

    def parse(self, file: SourceFile, params: ParseParams) -> ParsedDocument:
        """Raises FileTooLarge for a package that declares more than ``params`` allow, CorruptedFile otherwise."""
        with (
            readable("Word document"),
            file.path.open("rb") as stream,
            open_package(stream, params) as package,
        ):
            return _Reader(package, file, params).read()


class _Reader:
    """One document being read."""

    def __init__(self, package: zipfile.ZipFile, file: SourceFile, params: ParseParams) -> None:
        self._package = package
        self._builder = DocumentBuilder(file.type, max_characters=params.max_characters, deadline=file.deadline)
        main = [relation.part for relation in relations(package, "") if relation.kind == "officeDocument"]
        self._main = main[0] if main else "word/document.xml"
        self._related = relations(package, self._main)
        self._styles = Styles(self._side_part("styles"))
        self._notes = dict(chain.from_iterable(self._notes_of(kind) for kind in _NOTE_KINDS))
        self._rows_read = 0
        self._max_rows = params.max_rows
        self._title: str | None = None

    def read(self) -> ParsedDocument:
        self._around("header")
        self._body()
        self._around("footer")
        self._comments()
        if self._rows_read > self._max_rows:
            message = f"only the first {self._max_rows:,} table rows are read (max_rows)"
            self._builder.warn("ROWS_LEFT_OUT", message, degrades=True)
        metadata = core_properties(self._package)
        title = metadata.pop("title", None) or self._title or self._builder.first_heading()
        return self._builder.build(title=title, metadata=metadata)

    def _body(self) -> None:
        if self._main not in self._package.namelist():
            raise CorruptedFile("the package holds no document part")
        with self._package.open(self._main) as part, keeping_what_was_read(self._builder):
            self._stream(part)

    def _stream(self, part: IO[bytes]) -> None:
        """Emit paragraphs and tables as they end; drop each from the tree at once."""
        events = safe_xml.stream(part, _STREAMED)
        depth = 0
        for event, element in events:
            if local_name(element) != "p":
                # Inside a paragraph a table belongs to a text box, and is read with it.
                if local_name(element) == "tbl" and event == "start" and depth == 0:
                    self._table(events, element)
            elif event == "start":
                depth += 1
            else:
                depth -= 1
                if depth == 0:
                    self._paragraph(element)
                    safe_xml.forget(element)
            if self._builder.full:
                return

    def _table(self, events: Iterator[tuple[str, Element]], table: Element) -> None:
        """The table that has just begun, with the tables inside its cells as part of the cells' text."""
        notes: list[str] = []
        self._builder.table(self._rows(events, table, notes), has_header=True)
        self._add_notes(notes)

    def _rows(self, events: Iterator[tuple[str, Element]], table: Element, notes: list[str]) -> Iterator[str]:
        depth = 1
        for event, element in events:
            name = local_name(element)
            if name == "tbl":
                depth += 1 if event == "start" else -1
                if depth == 0:
                    safe_xml.forget(table)
                    return
            elif name == "tr" and depth == 1 and event == "end":
                cells = row_cells(element)
                safe_xml.forget(element)
                self._rows_read += 1
                if self._rows_read > self._max_rows:
                    continue
                notes += [note for cell in cells for note in cell.notes]
                yield piped(cell.text for cell in cells)

    def _paragraph(self, element: Element) -> None:
        found = paragraph_text(element)
        if found.text.strip():
            level = self._styles.heading_level(element)
            if level:
                self._builder.heading(found.text, level)
                if self._title is None and self._styles.is_title(element):
                    self._title = one_line(found.text)
            elif list_level := self._styles.list_level(element):
                self._builder.list_item(f"- {found.text.strip()}", list_level)
            else:
                self._builder.paragraph(found.text)
        self._add_boxes(found)
        self._add_notes(found.notes)

    def _add_boxes(self, found: ParagraphText) -> None:
        if found.boxes:
            self._builder.paragraph("\n".join(found.boxes))

    def _add_notes(self, ids: list[str]) -> None:
        for note in ids:
            self._builder.paragraph(self._notes.pop(note, ""))

    def _around(self, kind: str) -> None:
        """The distinct paragraphs of all headers or footers, once."""
        parts = [relation.part for relation in self._related if relation.kind == kind][:_MOST_SIDE_PARTS]
        roots = (safe_xml.part_tree(self._package, part) for part in dict.fromkeys(parts))
        texts = (paragraph_text(item) for root in roots if root is not None for item in paragraphs(root))
        lines = dict.fromkeys(one_line("\n".join([text.text, *text.boxes])) for text in texts)
        # Page numbers stand alone in many footers and say nothing.
        self._builder.paragraph("\n".join(line for line in lines if any(map(str.isalpha, line))))

    def _comments(self) -> None:
        """What readers have written beside the text."""
        root = self._side_part("comments")
        for comment in () if root is None else root:
            self._builder.paragraph("\n".join(paragraph_text(each).text for each in paragraphs(comment)))

    def _notes_of(self, kind: str) -> Iterator[tuple[str, str]]:
        root = self._side_part(kind)
        for note in () if root is None else root:
            if local_name(note) in ("footnote", "endnote"):
                texts = [paragraph_text(paragraph).text for paragraph in paragraphs(note)]
                yield f"{kind[:3]}{attribute(note, 'id')}", "\n".join(texts)

    def _side_part(self, kind: str) -> Element | None:
        return next(
            (safe_xml.part_tree(self._package, relation.part) for relation in self._related if relation.kind == kind),
            None,
        )


PLUGIN = DocxParser()
