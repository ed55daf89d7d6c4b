"""Reads OpenDocument texts, spreadsheets and presentations, as LibreOffice writes them.

The content is streamed: each block is taken as it ends and dropped from the tree at once.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import IO, TYPE_CHECKING

from docmill import safe_xml
from docmill.containers import open_package
from docmill.domain import opendocument as odf
from docmill.domain.assembly import DocumentBuilder, iso_moment, metadata_text, present
from docmill.domain.contracts import SourceFile
from docmill.domain.documents import ParsedDocument
from docmill.domain.elements import Element, attribute, local_name, within
from docmill.domain.failures import keeping_what_was_read, readable
from docmill.domain.tables import lines_of, piped
from docmill.errors import CorruptedFile, EncryptedFile

if TYPE_CHECKING:
    from docmill.domain.params import ParseParams

_CONTENT = "content.xml"
_STREAMED = tuple(
    f"{{*}}{name}"
    for name in ("p", "h", "list", "list-item", "table", "table-row", "page", "frame", "tracked-changes", "style")
)
_FURNITURE = frozenset({"page-number", "date-time", "header", "footer"})  # frames that stand on every slide


class OpenDocumentParser:
    version = "1"
    types = frozenset({"odt", "ods", "odp"})

    def parse(self, file: SourceFile, params: ParseParams) -> ParsedDocument:
        """Raises EncryptedFile, FileTooLarge for a package beyond what ``params`` allow, CorruptedFile otherwise."""
        with (
            readable("OpenDocument file"),
            file.path.open("rb") as stream,
            open_package(stream, params) as package,
        ):
            manifest = safe_xml.part_tree(package, "META-INF/manifest.xml")
            if next(within(manifest, "encryption-data"), None) is not None:
                raise EncryptedFile("the document is protected by a password")
            return _Reader(package, file, params).read()


class _Reader:
    """One document being read."""

    def __init__(self, package: zipfile.ZipFile, file: SourceFile, params: ParseParams) -> None:
        self._package = package
        self._type = file.type
        self._params = params
        self._builder = DocumentBuilder(file.type, max_characters=params.max_characters, deadline=file.deadline)
        self._styles = odf.StyleNames()
        self._lists = 0
        self._item_begins = False
        self._frame_class = ""
        self._pages = 0
        self._rows = 0
        self._cells = 0

    def read(self) -> ParsedDocument:
        if self._type == "odt":
            self._builder.paragraph("\n".join(odf.margins(safe_xml.part_tree(self._package, "styles.xml"))))
        self._body()
        if self._is_over():
            limits = f"max_rows {self._params.max_rows:,}, max_cells {self._params.max_cells:,}"
            self._builder.warn("ROWS_LEFT_OUT", f"the tables are larger than {limits}", degrades=True)
        if self._pages > self._params.max_pages:
            message = f"only the first {self._params.max_pages:,} slides are read (max_pages)"
            self._builder.warn("PAGES_LEFT_OUT", message, degrades=True)
        metadata = _metadata(safe_xml.part_tree(self._package, "meta.xml"))
        title = metadata.pop("title", None)
        if title is None and self._type != "ods":
            title = self._builder.first_heading()
        if self._type != "odp":
            return self._builder.build(title=title, metadata=metadata)
        document = self._builder.build(title=title, metadata={**metadata, "page_count": self._pages})
        return replace(document, page_characters=document.characters_of_pages(self._pages))

    def _body(self) -> None:
        if _CONTENT not in self._package.namelist():
            raise CorruptedFile("the package holds no content")
        with self._package.open(_CONTENT) as part, keeping_what_was_read(self._builder):
            self._stream(part)

    def _stream(self, part: IO[bytes]) -> None:
        events = safe_xml.stream(part, _STREAMED)
        inside = 0  # of a paragraph or of deleted text: what is nested there comes with it, or not at all
        for event, element in events:
            name = local_name(element)
            if name in ("p", "h", "tracked-changes"):
                inside += 1 if event == "start" else -1
                if inside == 0:
                    if name != "tracked-changes":
                        self._paragraph(element, name)
                    safe_xml.forget(element)
            elif inside == 0:
                self._structure(event, name, element, events)
            if self._builder.full or self._is_over() or self._pages > self._params.max_pages:
                return

    def _structure(self, event: str, name: str, element: Element, events: Iterator[tuple[str, Element]]) -> None:
        begins = event == "start"
        if name == "list":
            self._lists += 1 if begins else -1
        elif name == "list-item":
            self._item_begins = begins
        elif name == "table" and begins:
            self._table(element, events)
        elif name == "page":
            self._pages += begins
        elif name == "frame":
            self._frame_class = attribute(element, "class") or "" if begins else ""
        elif name == "style" and not begins:
            self._styles.add(element)
            safe_xml.forget(element)

    @property
    def _page(self) -> int | None:
        return self._pages or None

    def _paragraph(self, element: Element, name: str) -> None:
        if self._frame_class in _FURNITURE:
            return
        found = odf.paragraph(element)
        level = self._heading_level(element, name)
        if level:
            self._builder.heading(found.text, level, page=self._page)
        elif self._lists > 0 and found.text.strip():
            marker = "- " if self._item_begins else ""
            self._item_begins = False
            self._builder.list_item(f"{marker}{found.text.strip()}", self._lists, page=self._page)
        else:
            self._builder.paragraph(found.text, page=self._page)
        for text in (*found.boxes, *found.notes):
            self._builder.paragraph(text, page=self._page)

    def _heading_level(self, element: Element, name: str) -> int:
        if self._frame_class == "title":
            return 1 if self._pages == 1 else 2
        return odf.heading_level(element) if name == "h" else self._styles.title_level(element)

    def _table(self, table: Element, events: Iterator[tuple[str, Element]]) -> None:
        """The table that has just begun; tables in its cells are part of the cells' text."""
        rows, name = self._rows_of(table, events), attribute(table, "name") or ""
        if self._type != "ods":
            self._builder.table(map(piped, rows), has_header=True, page=self._page)
        else:
            lines = lines_of(rows)
            first = next(lines, None)
            if first is not None:
                self._builder.heading(name, 1)
                self._builder.table(chain([first], lines), has_header=False)

    def _rows_of(self, table: Element, events: Iterator[tuple[str, Element]]) -> Iterator[list[str]]:
        depth = 1
        for event, element in events:
            name = local_name(element)
            if name == "table":
                depth += 1 if event == "start" else -1
                if depth == 0:
                    safe_xml.forget(table)
                    return
            elif name == "table-row" and depth == 1 and event == "end":
                cells = odf.row_cells(element, self._params.max_cells)
                times = odf.times_repeated(element) if cells else 1
                safe_xml.forget(element)
                for _ in range(times):
                    self._rows += bool(cells)
                    self._cells += len(cells) or 1
                    if self._is_over():
                        return
                    if cells:
                        yield cells

    def _is_over(self) -> bool:
        return self._rows > self._params.max_rows or self._cells > self._params.max_cells


def _metadata(root: Element | None) -> dict[str, str]:
    stated: dict[str, str] = {}
    for item in () if root is None else root.iter():
        stated.setdefault(local_name(item), item.text or "")
    return present(
        title=metadata_text(stated.get("title")),
        author=metadata_text(stated.get("initial-creator") or stated.get("creator")),
        language=metadata_text(stated.get("language")),
        created_at=iso_moment(stated.get("creation-date")),
        modified_at=iso_moment(stated.get("date")),
    )


PLUGIN = OpenDocumentParser()
