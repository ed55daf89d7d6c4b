"""``ingest``: what became of each file, address and row."""

from __future__ import annotations

from pydantic import Field

from docmill.domain.results.shared import DocumentProblem, Result


class IngestedFile(Result):
    """``outcome``: new, changed, updated (its metadata, not its bytes), unchanged (``batch_id`` is where it lives) or
    duplicate (same bytes, another URI).
    """

    document_id: str | None
    document_hash: str | None
    uri: str
    source: str
    batch_id: int | None
    outcome: str
    message: str | None = None


class IngestCounts(Result):
    new: int = 0
    changed: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicate: int = 0
    ignored: int = 0
    failed: int = 0


class IngestProblem(DocumentProblem):
    """``line``: of the manifest's row, counted from 1; None for what was named otherwise."""

    line: int | None = None


class IngestTarget(Result):
    """Where documents went, or were found: files and addresses that no source is named for have one each."""

    batch_id: int
    source: str


class IngestResult(Result):
    """``batch_id`` and ``source`` are those of the first target; None where nothing could be ingested.

    ``counts`` count everything. ``files`` and ``errors`` list 10,000 each; ``not_listed`` is how many more there are.
    """

    batch_id: int | None
    source: str | None
    targets: list[IngestTarget] = Field(default_factory=list)
    files: list[IngestedFile]
    counts: IngestCounts
    errors: list[IngestProblem]
    warnings: list[str] = Field(default_factory=list)
    not_listed: int = 0
    reason: str | None = None
