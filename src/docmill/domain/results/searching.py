"""What is found, what is shown of it, and what is exported."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from docmill.domain.results.shared import DocumentProblem, Outcomes, Result


class Neighbour(Result):
    text: str
    chunk_id: str
    char_start: int
    char_end: int


class AlsoIn(Result):
    """Another passage that says nearly the same."""

    uri: str
    source: str
    page_start: int | None
    page_end: int | None
    chunk_id: str
    document_id: str


class Hit(Result):
    """``score`` rises with relevance: cosine for vector, BM25 for fts, reciprocal rank fusion for hybrid.

    also_in: hits of lower rank that say nearly the same, and are left out of the list for it.
    """

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
    also_in: list[AlsoIn] = Field(default_factory=list)


class SearchResult(Result):
    query: str
    mode: str
    database: str
    hits: list[Hit]
    seconds: float


class Citation(Result):
    """A passage of a context. ``mark`` is how a text cites it; ``chunk_ids``: the best hit's first, then by position.

    tokens: of all that the context holds of it, its lines above the text included.
    """

    number: int
    mark: str
    score: float
    uri: str
    source: str
    title: str | None
    headings: list[str]
    page_start: int | None
    page_end: int | None
    char_start: int
    char_end: int
    chunk_ids: list[str]
    document_id: str
    tokens: int
    also_in: list[AlsoIn] = Field(default_factory=list)


class ContextResult(Result):
    """Passages as text for a prompt.

    boundary: the word that stands in the lines around each passage, and in no passage. tokens: of ``text``, counted by
    the tokenizer of ``model``. left_out: hits that ``max_tokens`` left no room for.
    """

    query: str
    mode: str
    database: str
    text: str
    boundary: str
    citations: list[Citation]
    tokens: int
    max_tokens: int | None
    left_out: int
    model: str
    seconds: float


class AnsweredQuery(SearchResult):
    """A line of the answers to many questions. ``line``: of the question, from 1; ``id``: what it was given."""

    line: int
    id: str | int | None


class AnsweredContext(ContextResult):
    """The same, as text for a prompt."""

    line: int
    id: str | int | None


class UnansweredQuery(Result):
    """A line that could not be answered. ``error``: as ``--json`` shows errors."""

    line: int
    id: str | int | None
    error: dict[str, Any]


class QueriesResult(Result):
    """``reason`` is set where the exit code is not 0."""

    database: str
    path: str | None
    queries: int
    answered: int
    failed: int
    seconds: float
    reason: str | None = None


class ExportResult(Result):
    """``rows``: passages; ``documents``: those that they are of. ``path``, ``size_bytes``: None for stdout.

    ``report``: the file that says what was exported, where one was asked for.
    """

    format: str
    database: str
    batch_id: int | None
    path: str | None
    rows: int
    documents: int
    size_bytes: int | None
    fields: list[str]
    compression: str | None = None
    report: str | None = None


class ExportedModel(Result):
    """Of the vectors."""

    name: str
    provider: str
    fingerprint: str
    vector_dim: int


class ExportedFile(Result):
    """``path``: within what was exported; of a single file its name. ``sha256``: of its bytes."""

    path: str
    size_bytes: int
    sha256: str


class ExportReport(Result):
    """What ``export --report`` writes beside the export. ``versions``: of the tables, at which all was read.

    Outcomes and failed documents are those of the batch, or of all batches that store into the database, and are not
    filtered; of failed documents, 1,000 are listed.
    """

    created_at: str
    docmill_version: str
    format: str
    compression: str | None
    database: str
    batch_id: int | None
    batch_name: str | None
    filter: str | None
    fields: list[str]
    rows: int
    documents: int
    size_bytes: int
    model: ExportedModel
    versions: dict[str, int]
    outcomes: Outcomes
    failed_documents: list[DocumentProblem]
    files: list[ExportedFile]
