"""The parse step: choose the parser, run it, and hold its result to what the contract promises."""

from __future__ import annotations

from docmill import registry
from docmill.domain.contracts import Parser, SourceFile
from docmill.domain.deadline import OutOfTime
from docmill.domain.documents import ParsedDocument
from docmill.domain.params import ParseParams
from docmill.errors import DocumentTimeout, EmptyDocument, UnsupportedType
from docmill.filetypes import TYPES
from docmill.steps import contract


def parser_named(method: str, type_name: str) -> Parser:
    """``auto`` is the parser of the file's type. Raises UnsupportedType where a named one does not read it."""
    known = TYPES.get(type_name)
    parser: Parser = registry.load("parsers", (known.parser if known else type_name) if method == "auto" else method)
    if type_name not in parser.types:
        raise UnsupportedType(f"parser {method!r} does not read {type_name} files", hint="use parse method auto")
    return parser


def parse(file: SourceFile, method: str, params: ParseParams) -> ParsedDocument:
    """Raises a DocumentError; a document without any text is one, never a success."""
    parser = parser_named(method, file.type)
    try:
        returned = parser.parse(file, params)
    except OutOfTime:
        raise DocumentTimeout(
            f"nothing of it could be read within {params.max_seconds:g} s", hint="raise parse.max_seconds"
        ) from None
    document = contract.parsed(returned, _called(parser), max_characters=params.max_characters)
    if not document.blocks or not document.text.strip():
        raise EmptyDocument("there is no text in it")
    return document


def _called(plugin: object) -> str:
    return f"{type(plugin).__module__}.{type(plugin).__qualname__}"
