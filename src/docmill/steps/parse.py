"""The parse step: choose the parser, run it, and hold its result to what the contract promises."""

from __future__ import annotations

from pathlib import Path

from docmill import registry
from docmill.domain.contracts import Parser, SourceFile
from docmill.domain.documents import ParsedDocument
from docmill.domain.params import ParseParams
from docmill.errors import EmptyDocument, UnsupportedType
from docmill.filetypes import FileType


def parser_named(method: str, file_type: FileType) -> Parser:
    """``auto`` is the parser of the file's type. Raises UnsupportedType where a named one does not read it."""
    parser: Parser = registry.load("parsers", file_type.parser if method == "auto" else method)
    if file_type.name not in parser.types:
        raise UnsupportedType(f"parser {method!r} does not read {file_type.name} files", hint="use parse method auto")
    return parser


def parse(path: Path, file_type: FileType, method: str, params: ParseParams) -> ParsedDocument:
    """Raises a DocumentError; a document without any text is one, never a success."""
    parser = parser_named(method, file_type)
    document = parser.parse(SourceFile(path, file_type.name, path.stat().st_size), params)
    if not document.blocks or not document.text.strip():
        raise EmptyDocument("there is no text in it")
    return document
