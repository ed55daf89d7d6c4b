"""Reads PowerPoint presentations: slides in their order, titles, lists, tables, charts' words, and speakers' notes.

The slides are read with lxml, one at a time, rather than opened with python-pptx, which takes every picture and video
of the package into memory, and gives up the whole where one slide is damaged.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from docmill import safe_xml
from docmill.containers import Relation, core_properties, open_package, relations
from docmill.domain import slides
from docmill.domain.assembly import DocumentBuilder
from docmill.domain.contracts import SourceFile
from docmill.domain.documents import ParsedDocument
from docmill.domain.elements import Element, children, path
from docmill.domain.failures import is_out_of_memory, readable, words_of
from docmill.domain.tables import piped
from docmill.errors import CorruptedFile

if TYPE_CHECKING:
    from docmill.domain.params import ParseParams

_LARGEST_SLIDE = 32 * 1024**2  # of XML; pictures lie in parts of their own


class PptxParser:
    version = "1"
    types = frozenset({"pptx"})

    def parse(self, file: SourceFile, params: ParseParams) -> ParsedDocument:
        """Raises FileTooLarge for a package that declares more than ``params`` allow, CorruptedFile otherwise.

        A slide that cannot be read costs that slide and degrades the document. Pages are slides, hidden ones too.
        """
        with (
            readable("presentation"),
            file.path.open("rb") as stream,
            open_package(stream, params) as package,
        ):
            return _Reader(package, file, params).read()


class _Reader:
    """One presentation being read."""

    def __init__(self, package: zipfile.ZipFile, file: SourceFile, params: ParseParams) -> None:
        self._package = package
        self._params = params
        self._builder = DocumentBuilder(file.type, max_characters=params.max_characters, deadline=file.deadline)
        self._rows = 0
        self._failure: Exception | None = None
        self._titled = False

    def read(self) -> ParsedDocument:
        parts = self._slides()
        for number, part in enumerate(parts[: self._params.max_pages], start=1):
            if self._builder.full:
                break
            self._guarded(part, number)
        if len(parts) > self._params.max_pages:
            message = f"only the first {self._params.max_pages:,} of {len(parts):,} slides are read (max_pages)"
            self._builder.warn("PAGES_LEFT_OUT", message, degrades=True)
        if self._rows > self._params.max_rows:
            message = f"only the first {self._params.max_rows:,} table rows are read (max_rows)"
            self._builder.warn("ROWS_LEFT_OUT", message, degrades=True)
        if self._failure is not None and not self._builder.has_blocks:
            raise self._failure
        metadata = {**core_properties(self._package), "page_count": len(parts)}
        title = metadata.pop("title", None) or self._builder.first_heading()
        document = self._builder.build(title=str(title) if title else None, metadata=metadata)
        return replace(document, page_characters=document.characters_of_pages(len(parts)))

    def _slides(self) -> list[str]:
        """The parts of the slides, in the order of the show. Raises CorruptedFile where nothing tells it."""
        main = next((item.part for item in relations(self._package, "") if item.kind == "officeDocument"), None)
        main = main or "ppt/presentation.xml"
        root = safe_xml.part_tree(self._package, main)
        if root is None:
            raise CorruptedFile("the package holds no readable presentation part")
        known = {item.id: item.part for item in relations(self._package, main) if item.kind == "slide"}
        # An entry has two attributes called id: its own number, and in a namespace the relation's.
        ids = [
            next((value for key, value in entry.attrib.items() if key.endswith("}id")), "")
            for entry in children(path(root, "sldIdLst"), "sldId")
        ]
        return [known[each] for each in ids if each in known]

    def _guarded(self, part: str, number: int) -> None:
        try:
            self._slide(part, number)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            self._failure = error
            self._builder.warn(
                "DAMAGED_PART", f"the slide is unreadable: {words_of(error)}", page=number, degrades=True
            )

    def _slide(self, part: str, number: int) -> None:
        if self._package.getinfo(part).file_size > _LARGEST_SLIDE:
            raise CorruptedFile(f"it has more than {_LARGEST_SLIDE:,} bytes of XML")
        root = safe_xml.tree(self._package.read(part))
        related = relations(self._package, part)
        found = [shape for shape in slides.shapes(root) if not slides.is_furniture(shape)]
        for shape in sorted(found, key=lambda shape: not slides.is_title(shape)):  # the title first, wherever it stands
            if slides.is_title(shape):
                self._builder.heading(slides.text_of(shape), 2 if self._titled else 1, page=number)
                self._titled = True
            elif slides.is_table(shape):
                self._builder.table(self._bounded(shape), has_header=True, page=number)
            else:
                self._text(shape, number)
                self._elsewhere(shape, related, number)
        self._notes(related, number)

    def _text(self, shape: Element, number: int) -> None:
        found = slides.paragraphs_of(shape)
        for paragraph in found:
            if self._builder.full:
                return
            if slides.is_subheading(paragraph, found):
                self._builder.heading(paragraph.text, 3, page=number)
            elif paragraph.level:
                self._builder.list_item(f"- {paragraph.text.strip()}", paragraph.level, page=number)
            else:
                self._builder.paragraph(paragraph.text, page=number)

    def _bounded(self, frame: Element) -> Iterator[str]:
        for row in slides.table_rows(frame):
            self._rows += 1
            if self._rows > self._params.max_rows:
                return
            yield piped(row)

    def _elsewhere(self, shape: Element, related: list[Relation], number: int) -> None:
        """The words of a chart or a diagram."""
        drawn = slides.drawn_elsewhere(shape)
        part = next((item.part for item in related if drawn and item.id == drawn[1]), None)
        if drawn is None or part is None:
            return
        root = safe_xml.part_tree(self._package, part)
        lines = slides.chart_lines(root) if drawn[0] == "chart" else slides.diagram_lines(root)
        self._builder.paragraph("\n".join(lines), page=number)

    def _notes(self, related: list[Relation], number: int) -> None:
        part = next((item.part for item in related if item.kind == "notesSlide"), None)
        root = None if part is None else safe_xml.part_tree(self._package, part)
        for shape in slides.shapes(root):
            if not slides.is_furniture(shape):
                text = "\n".join(paragraph.text for paragraph in slides.paragraphs_of(shape))
                self._builder.paragraph(text, page=number)


PLUGIN = PptxParser()
