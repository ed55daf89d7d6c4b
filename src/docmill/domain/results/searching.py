"""What is found, and what is exported."""

from __future__ import annotations

from pydantic import Field

from docmill.domain.results.shared import DocumentProblem, Outcomes, Result


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
