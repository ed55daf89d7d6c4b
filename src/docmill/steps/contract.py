"""Holds what plug-ins return to what they promise, so that nothing behind them has to doubt it.

Built-in parsers keep the promises by way of DocumentBuilder; those of third parties, and libraries gone wrong, may not.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, NoReturn

from docmill.domain.documents import Block, BlockKind, ParsedDocument, Warning  # noqa: A004 - the field's word
from docmill.errors import ProcessingError

MOST_BLOCKS = 2_000_000
MOST_WARNINGS = 1000
MOST_METADATA_BYTES = 1024**2
_LONGEST_TITLE = 1000
_LONGEST_WARNING = 10_000


def parsed(returned: Any, plugin: str, *, max_characters: int) -> ParsedDocument:
    """What a parser returned, cut to ``max_characters``.

    Raises ProcessingError that names the plug-in and what it got wrong.
    """
    if not isinstance(returned, ParsedDocument):
        _broken(plugin, f"it returned {type(returned).__name__} and no ParsedDocument")
    if not isinstance(returned.text, str):
        _broken(plugin, "its text is no text")
    document = _cut(returned, max_characters)
    try:
        document.text.encode("utf-8")
    except UnicodeEncodeError:
        _broken(plugin, "its text holds lone surrogates")
    if "\0" in document.text:
        _broken(plugin, "its text holds NUL characters")
    if document.title is not None and not _is_text(document.title, _LONGEST_TITLE):
        _broken(plugin, f"its title is no text of at most {_LONGEST_TITLE} characters")
    _check_blocks(document, plugin)
    _check_warnings(document, plugin)
    if not all(type(each) is int and each >= 0 for each in document.page_characters):
        _broken(plugin, "page_characters holds what is no count")
    return replace(document, metadata=metadata(document.metadata, plugin), warnings=document.warnings[:MOST_WARNINGS])


def metadata(given: Any, plugin: str) -> dict[str, Any]:
    """``given``, as JSON keeps it. Raises ProcessingError."""
    if not isinstance(given, dict):
        _broken(plugin, "its metadata is no mapping")
    if not given:
        return {}
    try:
        written = json.dumps(given, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        _broken(plugin, f"its metadata is not JSON: {str(error)[:100]}")
    if len(written) > MOST_METADATA_BYTES:
        _broken(plugin, f"its metadata takes {len(written):,} bytes; at most {MOST_METADATA_BYTES:,} are kept")
    kept: dict[str, Any] = json.loads(written)
    return kept


def _check_blocks(document: ParsedDocument, plugin: str) -> None:
    if len(document.blocks) > MOST_BLOCKS:
        _broken(plugin, f"it returned {len(document.blocks):,} blocks; at most {MOST_BLOCKS:,} are taken")
    text, position = document.text, 0
    for number, block in enumerate(document.blocks, 1):
        if not isinstance(block, Block) or type(block.kind) is not BlockKind or not _counts(block):
            _broken(plugin, f"block {number} is none: {str(block)[:100]}")
        if not position <= block.start < block.end <= len(text):
            _broken(plugin, f"block {number} lies outside the text or over another: {block.start} to {block.end}")
        if block.start > position and not text[position : block.start].isspace():
            _broken(plugin, f"there is text between blocks, before block {number}")
        if block.header_end and not block.start < block.header_end < block.end:
            _broken(plugin, f"the header of block {number} lies outside it")
        position = block.end
    if document.blocks and text[position:].strip():
        _broken(plugin, "there is text after the last block")


def _counts(block: Block) -> bool:
    """Spelled out, as there are millions of them."""
    return (
        type(block.start) is int
        and type(block.end) is int
        and type(block.level) is int
        and type(block.header_end) is int
        and (block.page is None or (type(block.page) is int and block.page >= 0))
        and block.start >= 0
        and block.level >= 0
        and block.header_end >= 0
    )


def _check_warnings(document: ParsedDocument, plugin: str) -> None:
    for each in document.warnings[:MOST_WARNINGS]:
        if not isinstance(each, Warning) or not _is_text(each.code, 64) or not _is_text(each.message, _LONGEST_WARNING):
            _broken(plugin, f"a warning is none: {str(each)[:100]}")


def _is_text(given: Any, longest: int) -> bool:
    if not isinstance(given, str) or len(given) > longest or "\0" in given:
        return False
    try:
        given.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _cut(document: ParsedDocument, most: int) -> ParsedDocument:
    """At most so many characters, and the blocks of what is left."""
    if len(document.text) <= most:
        return document
    kept = [block for block in document.blocks if isinstance(block, Block) and block.start < most]
    if kept and kept[-1].end > most:
        last = kept[-1]
        kept[-1] = replace(last, end=most, header_end=last.header_end if last.header_end < most else 0)
    warning = Warning("TEXT_TRUNCATED", "the text is longer than max_characters; the rest is cut", degrades=True)
    return replace(
        document,
        text=document.text[:most],
        blocks=tuple(kept),
        warnings=(*document.warnings[: MOST_WARNINGS - 1], warning),
    )


def _broken(plugin: str, what: str) -> NoReturn:
    raise ProcessingError(f"the plug-in {plugin} breaks its contract: {what}", hint="tell whoever made the plug-in")
