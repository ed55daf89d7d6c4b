"""What is found, and what is exported."""

from __future__ import annotations

from pydantic import Field

from docmill.domain.results.shared import Result


class Neighbour(Result):
    text: str
    chunk_id: str
    char_start: int
    char_end: int


class Hit(Result):
    """``score`` rises with relevance: cosine for vector, BM25 for fts, reciprocal rank fusion for hybrid."""

    rank: int
    score: float
    uri: str
    source: str
    title: str | None
    page_start: int | None
    page_end: int | None
    headings: list[str]
    char_start: int
    char_end: int
    text: str
    chunk_id: str
    document_id: str
    before: list[Neighbour] = Field(default_factory=list)
    after: list[Neighbour] = Field(default_factory=list)


class SearchResult(Result):
    query: str
    mode: str
    database: str
    hits: list[Hit]
    seconds: float


class ExportResult(Result):
    format: str
    database: str
    batch_id: int | None
    path: str | None
    rows: int
    size_bytes: int | None
    fields: list[str]
