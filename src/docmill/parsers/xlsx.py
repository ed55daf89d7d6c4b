"""Reads Excel workbooks: each sheet a heading and a table, each row a line with its column names.

openpyxl in its read-only mode streams rows; what a file declares about its size is not believed.
"""

from __future__ import annotations

import datetime as dt
import re
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from typing import IO, TYPE_CHECKING, Any

from docmill import safe_xml
from docmill.containers import core_properties, open_package
from docmill.domain.assembly import DocumentBuilder
from docmill.domain.contracts import SourceFile
from docmill.domain.documents import ParsedDocument
from docmill.domain.elements import Element, local_name, within
from docmill.domain.failures import is_out_of_memory, readable, words_of
from docmill.domain.tables import lines_of

if TYPE_CHECKING:
    from docmill.domain.params import ParseParams

_SIGNIFICANT_DIGITS = 15  # what Excel keeps of a number
_MIDNIGHT = dt.time()
_BESIDE = re.compile(r"xl/(?:drawings/drawing|comments)/?\w*\.xml")
_MOST_PARTS = 1_000


class XlsxParser:
    version = "2"
    types = frozenset({"xlsx"})

    def parse(self, file: SourceFile, params: ParseParams) -> ParsedDocument:
        """Raises FileTooLarge for a package that declares more than ``params`` allow, CorruptedFile otherwise.

        A sheet that cannot be read costs that sheet and degrades the document.
        """
        with readable("Excel workbook"), file.path.open("rb") as stream, warnings.catch_warnings():
            # openpyxl warns of every feature of the file that it does not write back.
            warnings.simplefilter("ignore")
            with open_package(stream, params) as package:
                properties = core_properties(package)
                beside = list(_beside(package))
            return _Reader(file, params).read(stream, properties, beside)


class _Reader:
    def __init__(self, file: SourceFile, params: ParseParams) -> None:
        self._builder = DocumentBuilder(file.type, max_characters=params.max_characters, deadline=file.deadline)
        self._params = params
        self._rows = 0
        self._cells = 0
        self._failure: Exception | None = None

    def read(self, stream: IO[bytes], properties: dict[str, str], beside: list[str]) -> ParsedDocument:
        """``beside``: what stands in text boxes and comments; it follows the sheets."""
        from openpyxl import load_workbook

        stream.seek(0)
        with closing(load_workbook(stream, read_only=True, data_only=True, keep_links=False)) as book:
            for sheet in book.worksheets:
                if not self._sheet(sheet):
                    break
        if self._failure is not None and not self._builder.has_blocks:
            raise self._failure
        for text in beside:
            self._builder.paragraph(text)
        return self._builder.build(title=properties.pop("title", None), metadata=properties)

    def _sheet(self, sheet: Any) -> bool:
        """Add one sheet, if it holds anything; whether there is room for more."""
        sheet.reset_dimensions()
        lines = lines_of(self._bounded(sheet))
        first = next(lines, None)
        if first is not None:
            self._builder.heading(sheet.title, 1)
            self._builder.table(chain([first], lines), has_header=False)
        return not self._builder.full and not self._is_over()

    def _bounded(self, sheet: Any) -> Iterator[list[str]]:
        """The rows of a sheet that hold anything, as texts, until a limit is met or the sheet breaks off."""
        rows = sheet.iter_rows(values_only=True)
        while True:
            try:
                values = next(rows, None)
            except Exception as error:
                if is_out_of_memory(error):
                    raise
                self._failure = error
                message = f"sheet {sheet.title!r} cannot be read to its end: {words_of(error)}"
                self._builder.warn("DAMAGED_PART", message, degrades=True)
                return
            if values is None:
                return
            # Empty rows count as a cell: a sheet may declare a million of them in a few bytes.
            is_empty = all(value is None for value in values)
            self._rows += not is_empty
            self._cells += len(values) or 1
            if self._is_over():
                limits = f"max_rows {self._params.max_rows:,}, max_cells {self._params.max_cells:,}"
                self._builder.warn("ROWS_LEFT_OUT", f"the workbook is larger than {limits}", degrades=True)
                return
            if not is_empty:
                yield [_shown(value) for value in values]

    def _is_over(self) -> bool:
        return self._rows > self._params.max_rows or self._cells > self._params.max_cells


def _beside(package: zipfile.ZipFile) -> Iterator[str]:
    """The texts of drawings and comments, one each: openpyxl reads neither in its read-only mode."""
    for name in sorted(filter(_BESIDE.fullmatch, package.namelist()))[:_MOST_PARTS]:
        root = safe_xml.part_tree(package, name)
        for element in () if root is None else root.iter():
            if local_name(element) in ("txBody", "comment"):
                lines = ("".join(each.text or "" for each in within(one, "t")) for one in _paragraphs(element))
                yield "\n".join(line for line in lines if line.strip())


def _paragraphs(element: Element) -> list[Element]:
    """Of a text box; a comment is one of its own."""
    return list(within(element, "p")) or [element]


def _shown(value: Any) -> str:
    """A cell as a person writes it: dates in ISO, numbers without the noise of binary fractions."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return format(value, f".{_SIGNIFICANT_DIGITS}g")
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == _MIDNIGHT else value.isoformat(" ", "seconds")
    if isinstance(value, dt.time):
        return value.isoformat("seconds")
    return str(value)


PLUGIN = XlsxParser()
