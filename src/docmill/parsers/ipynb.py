"""Reads Jupyter notebooks: prose as Markdown, cells of code, and what they printed; pictures are left out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from docmill.decoding import byte_limit, decode_into, read_bytes
from docmill.domain.assembly import DocumentBuilder, clean, metadata_text, present
from docmill.domain.contracts import SourceFile
from docmill.domain.documents import ParsedDocument
from docmill.domain.failures import readable
from docmill.errors import CorruptedFile, FileTooLarge
from docmill.parsers.markdown import add_markdown

if TYPE_CHECKING:
    from docmill.domain.params import ParseParams

_PICTURES = 4  # bytes of pictures in base64 to a byte of text
_LONGEST_OUTPUT = 100_000  # characters; a cell in a loop may print millions of lines
_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;]{0,20}[A-Za-z]")


class IpynbParser:
    version = "1"
    types = frozenset({"ipynb"})

    def parse(self, file: SourceFile, params: ParseParams) -> ParsedDocument:
        """Raises CorruptedFile for what is no notebook, FileTooLarge for one that cannot be held in memory."""
        with readable("notebook"):
            limit = byte_limit(params.max_characters, markup=_PICTURES)
            if file.size_bytes > limit:
                raise FileTooLarge(
                    f"{file.size_bytes:,} bytes; a notebook of at most {limit:,} is read (max_characters)",
                    hint="raise parse.max_characters",
                )
            builder = DocumentBuilder(file.type, max_characters=params.max_characters, deadline=file.deadline)
            data = read_bytes(file.path, builder, max_characters=params.max_characters, markup=_PICTURES)
            notebook = _load(decode_into(data, builder))
            for cell in _cells(notebook):
                if builder.full:
                    break
                _add_cell(builder, cell)
            about = _mapping(notebook.get("metadata"))
            authors = [_mapping(each).get("name") for each in _sequence(about.get("authors"))]
            metadata = present(author=metadata_text(", ".join(each for each in authors if isinstance(each, str))))
            return builder.build(title=metadata_text(about.get("title")) or builder.first_heading(), metadata=metadata)


def _load(text: str) -> dict[str, Any]:
    try:
        notebook = json.loads(text, parse_int=str, parse_float=str)
    except json.JSONDecodeError as error:
        raise CorruptedFile(f"not JSON: {error.msg} in line {error.lineno}, column {error.colno}") from error
    except RecursionError:
        raise CorruptedFile("the JSON is nested too deeply") from None
    if not isinstance(notebook, dict) or not ("cells" in notebook or "worksheets" in notebook):
        raise CorruptedFile("the JSON is no notebook: it has no cells")
    return notebook


def _cells(notebook: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The cells of format 4, or those on the worksheets of format 3."""
    sheets = [notebook, *map(_mapping, _sequence(notebook.get("worksheets")))]
    for sheet in sheets:
        yield from map(_mapping, _sequence(sheet.get("cells")))


def _add_cell(builder: DocumentBuilder, cell: dict[str, Any]) -> None:
    kind, source = cell.get("cell_type"), _joined(cell.get("source", cell.get("input")))
    if kind == "markdown":
        add_markdown(builder, source)
    elif kind == "heading":  # of format 3
        builder.heading(source, int(cell["level"]) if str(cell.get("level")) in "123456" else 1)
    elif kind == "code":
        builder.code(source)
        for output in map(_mapping, _sequence(cell.get("outputs"))):
            _add_output(builder, _TERMINAL_CODES.sub("", _output_text(output)))
    else:
        builder.passage(source)


def _add_output(builder: DocumentBuilder, text: str) -> None:
    if len(text) > _LONGEST_OUTPUT:
        message = f"the outputs of cells are read up to {_LONGEST_OUTPUT:,} characters each"
        builder.warn("TEXT_TRUNCATED", message, degrades=True)
    builder.code(clean(text[:_LONGEST_OUTPUT]))


def _output_text(output: dict[str, Any]) -> str:
    """What an output says as text; a figure or a widget says nothing but its plain form, ``<Figure size ...>``."""
    if output.get("output_type") in ("error", "pyerr"):
        return f"{_joined(output.get('ename'))}: {_joined(output.get('evalue'))}"
    data = _mapping(output.get("data"))
    if any(kind.startswith("image/") for kind in data):
        return ""
    return _joined(output.get("text") or data.get("text/markdown") or data.get("text/plain"))


def _joined(value: object) -> str:
    """Notebooks keep text as one string or as a list of lines."""
    if isinstance(value, list):
        return "".join(line for line in value if isinstance(line, str))
    return value if isinstance(value, str) else ""


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _sequence(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


PLUGIN = IpynbParser()
