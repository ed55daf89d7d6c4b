"""What a document is once it has been read: its text, its blocks, and the chunks cut from it.

These are plain dataclasses, because they cross process borders by the thousand. They turn into JSON and back; the bytes
of that JSON are what artifacts hold. All offsets count Unicode characters of ``ParsedDocument.text``; spans are
half-open, ``[start, end)``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class BlockKind(StrEnum):
    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST_ITEM = "list_item"
    TABLE = "table"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Block:
    """One structural piece of the text.

    level:      headings 1 (top) to 6; list items their depth, 1 is outermost; else 0.
    page:       1-based, where the format has pages.
    header_end: tables only: the header row is ``text[start:header_end]`` (without its line end); 0 where the table has
                none, or where each row already carries its column names. The rows of a table are lines.
    """

    kind: BlockKind
    start: int
    end: int
    level: int = 0
    page: int | None = None
    header_end: int = 0


@dataclass(frozen=True)
class Warning:  # noqa: A001 - the field's word; the builtin of this name is never wanted in these modules
    """Something that was not as it should be, though the document was read. ``degrades``: text may be missing."""

    code: str
    message: str
    page: int | None = None
    degrades: bool = False


@dataclass(frozen=True)
class Member:
    """A file inside a document, which is a document of its own. ``name``: with ``/``, encoded as URIs are."""

    name: str
    content_hash: str
    suffix: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A document's text and structure.

    blocks:   in text order, not overlapping; between two blocks lies only white space.
    title:    from the content or the file's own metadata, never from the file's name; None where there is none.
    metadata: JSON values only; the common keys are ``author``, ``language``, ``page_count``, ``created_at``,
              ``modified_at`` (ISO-8601, UTC), each present only where the file says so.
    page_characters: how many characters of text each page gave, where the format has pages; page 1 first.
    members:  what lies in it, where it is an archive or a mail with attachments.
    """

    type: str
    text: str
    blocks: tuple[Block, ...]
    title: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[Warning, ...] = ()
    page_characters: tuple[int, ...] = ()
    members: tuple[Member, ...] = ()

    @property
    def degraded(self) -> bool:
        return any(warning.degrades for warning in self.warnings)

    def characters_of_pages(self, pages: int) -> tuple[int, ...]:
        """How many characters the blocks of each page have, for ``page_characters``."""
        counts = [0] * pages
        for block in self.blocks:
            if block.page is not None and block.page <= pages:
                counts[block.page - 1] += block.end - block.start
        return tuple(counts)

    def to_json(self) -> dict[str, Any]:
        record = {name: getattr(self, name) for name in ("type", "text", "title", "metadata")}
        record |= _found_in(self)
        record["blocks"] = [[b.kind.value, b.start, b.end, b.level, b.page, b.header_end] for b in self.blocks]
        record["warnings"] = [asdict(warning) for warning in self.warnings]
        return record

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> ParsedDocument:
        blocks = tuple(Block(BlockKind(kind), *rest) for kind, *rest in record["blocks"])
        warnings = tuple(Warning(**warning) for warning in record["warnings"])
        return cls(
            record["type"], record["text"], blocks, record["title"], record["metadata"], warnings, *_found(record)
        )


@dataclass(frozen=True)
class Chunk:
    """A passage: what is embedded, stored, found and shown.

    text:       ``lead + parsed.text[char_start:char_end]``, exactly.
    lead_chars: how many characters at the front of ``text`` repeat a table's header row and its line end, where the
                passage is a later piece of that table; 0 everywhere else.
    context:    title and heading path, put in front of ``text`` for the embedding model only.
    headings:   the heading path, outermost first.
    tokens:     of ``text`` by the embedding model's tokenizer, without special tokens.
    """

    text: str
    char_start: int
    char_end: int
    tokens: int
    lead_chars: int = 0
    context: str = ""
    headings: tuple[str, ...] = ()
    page_start: int | None = None
    page_end: int | None = None

    @property
    def embedded_text(self) -> str:
        """What the model reads."""
        return f"{self.context}\n{self.text}" if self.context else self.text

    def to_json(self) -> list[Any]:
        return [
            self.text,
            self.char_start,
            self.char_end,
            self.tokens,
            self.lead_chars,
            self.context,
            list(self.headings),
            self.page_start,
            self.page_end,
        ]

    @classmethod
    def from_json(cls, record: list[Any]) -> Chunk:
        text, start, end, tokens, lead, context, headings, page_start, page_end = record
        return cls(text, start, end, tokens, lead, context, tuple(headings), page_start, page_end)


@dataclass(frozen=True)
class ChunkedDocument:
    """What remains of a document once it is cut: its passages, and what is told of it. The chunk step's artifact."""

    type: str
    title: str | None
    metadata: dict[str, Any]
    warnings: tuple[Warning, ...]
    chunks: tuple[Chunk, ...]
    page_characters: tuple[int, ...] = ()
    members: tuple[Member, ...] = ()

    @property
    def degraded(self) -> bool:
        return bool(self.reasons)

    @property
    def reasons(self) -> list[str]:
        """Codes of the warnings that degrade it, each once."""
        return list(dict.fromkeys(warning.code for warning in self.warnings if warning.degrades))

    def to_json(self) -> dict[str, Any]:
        return {
            **_found_in(self),
            "type": self.type,
            "title": self.title,
            "metadata": self.metadata,
            "warnings": [asdict(warning) for warning in self.warnings],
            "chunks": [chunk.to_json() for chunk in self.chunks],
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> ChunkedDocument:
        return cls(
            record["type"],
            record["title"],
            record["metadata"],
            tuple(Warning(**warning) for warning in record["warnings"]),
            tuple(Chunk.from_json(chunk) for chunk in record["chunks"]),
            *_found(record),
        )


def _found_in(document: ParsedDocument | ChunkedDocument) -> dict[str, Any]:
    """What few documents have, and is left out of the JSON of the others."""
    found: dict[str, Any] = {}
    if document.page_characters:
        found["page_characters"] = list(document.page_characters)
    if document.members:
        found["members"] = [[each.name, each.content_hash, each.suffix, each.size_bytes] for each in document.members]
    return found


def _found(record: dict[str, Any]) -> tuple[tuple[int, ...], tuple[Member, ...]]:
    return tuple(record.get("page_characters", ())), tuple(Member(*each) for each in record.get("members", ()))
