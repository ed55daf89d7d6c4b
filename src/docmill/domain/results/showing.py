"""A passage, or a document's text, as it lies in a database."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from docmill.domain.results.searching import Neighbour
from docmill.domain.results.shared import Result


class VectorShown(Result):
    """``norm``: its length, 1 but for rounding."""

    model: str
    dimension: int
    norm: float
    values: list[float]


class PassageShown(Result):
    """``position`` of ``chunk_count``, from 0. ``char_start`` to ``char_end`` of the document's text.

    context: title and headings as they were put in front of the text for the model, where they were.
    """

    database: str
    chunk_id: str
    document_id: str
    uri: str
    source: str
    title: str | None
    type: str
    version: int
    position: int
    chunk_count: int
    page_start: int | None
    page_end: int | None
    headings: list[str]
    char_start: int
    char_end: int
    tokens: int
    text: str
    context: str
    before: list[Neighbour]
    after: list[Neighbour]
    metadata: dict[str, Any]
    vector: VectorShown | None = None


class PassageSpan(Result):
    """Where a passage lies in its document's text."""

    chunk_id: str
    position: int
    char_start: int
    char_end: int
    tokens: int
    page_start: int | None
    page_end: int | None
    headings: list[str]


class DocumentText(Result):
    """``origin`` of the text: ``parsed``, as the parser gave it; ``passages``: put together from them.

    chunks: where they were asked for, in order; their places are those in ``text``.
    """

    database: str | None
    document_id: str
    uri: str
    source: str
    title: str | None
    type: str | None
    version: int
    status: str
    characters: int
    chunk_count: int
    origin: str
    text: str
    chunks: list[PassageSpan] | None = Field(default=None)
