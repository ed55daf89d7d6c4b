"""Reads CSV and TSV: one line a record, with the column names in each line where the file has them."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from docmill.decoding import read_text
from docmill.domain.assembly import DocumentBuilder
from docmill.domain.contracts import SourceFile
from docmill.domain.documents import ParsedDocument
from docmill.domain.failures import readable
from docmill.domain.tables import lines_of

if TYPE_CHECKING:
    from docmill.domain.params import ParseParams

_DELIMITERS = ",;\t|"
_SAMPLE_CHARACTERS = 64 * 1024
_SAMPLE_ROWS = 50


class DelimitedParser:
    version = "2"
    types = frozenset({"csv", "tsv"})

    def parse(self, file: SourceFile, params: ParseParams) -> ParsedDocument:
        with readable(f"{file.type} file"):
            csv.field_size_limit(sys.maxsize)
            builder = DocumentBuilder(file.type, max_characters=params.max_characters, deadline=file.deadline)
            text = read_text(file.path, builder, max_characters=params.max_characters)
            delimiter = _delimiter(text[:_SAMPLE_CHARACTERS], usual="\t" if file.type == "tsv" else ",")
            rows = _bounded(_rows(text, delimiter), builder, params.max_rows)
            builder.table(lines_of(rows), has_header=False)
            return builder.build()


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    return csv.reader(_lines(text), delimiter=delimiter)


def _lines(text: str) -> Iterator[str]:
    """The lines of ``text`` with their ends, one by one: a list of them would double the memory."""
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        # A file with carriage returns alone is one "line" here; csv wants them apart.
        yield from text[start:end].splitlines(keepends=True) if "\r" in text[start : end - 2] else (text[start:end],)
        start = end


def _bounded(rows: Iterator[list[str]], builder: DocumentBuilder, most: int) -> Iterator[list[str]]:
    yield from islice(rows, most)
    if next(rows, None) is not None:
        builder.warn("ROWS_LEFT_OUT", f"only the first {most:,} rows are read (max_rows)", degrades=True)


def _delimiter(sample: str, *, usual: str) -> str:
    """The delimiter that cuts the first rows most evenly into more than one column; ``usual`` wins ties."""
    best, best_score = usual, (0.0, 0)
    for delimiter in usual + _DELIMITERS.replace(usual, ""):
        widths = [len(row) for row in islice(_rows(sample, delimiter), _SAMPLE_ROWS) if row]
        if not widths:
            continue
        width = max(set(widths), key=lambda count: (widths.count(count), count))
        if width < 2:
            continue
        score = (round(widths.count(width) / len(widths), 1), 1 if delimiter == usual else 0)
        if score > best_score:
            best, best_score = delimiter, score
    return best


PLUGIN = DelimitedParser()
