"""Documents: what is known of each, where its passages lie, and what happened to it."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from docmill.domain.results.history import DeletionCounts
from docmill.domain.results.shared import DocumentProblem, Page, Result, TextYield


class DocumentRecord(Result):
    """``status``, of its current content: pending, running, completed, failed; ``state``: active, deleted, removed."""

    document_id: str
    uri: str
    source: str
    batch_id: int
    type: str | None
    state: str
    status: str
    degraded: bool
    reasons: list[str] = Field(default_factory=list)
    version: int
    content_hash: str
    size_bytes: int
    chunk_count: int
    error_code: str | None
    first_seen_at: str
    updated_at: str


class DocumentList(Page):
    documents: list[DocumentRecord]


class DocumentPlacement(Result):
    """A database that holds passages of a document. ``current``: those of its newest version, whole and published."""

    database: str
    state: str
    current: bool
    chunk_count: int
    updated_at: str


class ReasonShown(Result):
    """Why a document is degraded. ``messages``: what its parser said of it, each time."""

    code: str
    meaning: str | None
    hint: str | None
    messages: list[str]


class DocumentShown(Result):
    """``path`` is where its file lies, or lay; of what was fetched, its copy. ``origin``: what its server said of it,
    ``{"url", "etag", "last_modified", "fetched_at"}``. ``warnings``: of its parser, those that degrade nothing, as
    ``CODE: message``.
    """

    document: DocumentRecord
    path: str
    metadata: dict[str, Any]
    databases: list[DocumentPlacement]
    error: DocumentProblem | None
    reasons: list[ReasonShown] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    text_yield: TextYield | None = None
    origin: dict[str, str] | None = None


class DocumentVersionEvent(Result):
    """``event``: new, changed, described (its metadata), renamed, deleted, restored or removed."""

    version: int
    event: str
    uri: str
    content_hash: str
    size_bytes: int
    batch_id: int | None
    at: str


class DocumentHistory(Page):
    """Oldest first."""

    document_id: str
    uri: str
    source: str
    events: list[DocumentVersionEvent]


class DocumentDeleted(Result):
    """``leaving``: databases whose rows of it go with their next window, as an engine was at work.

    ``artifacts_deleted``: files of step outputs that no other document leads to, and ``bytes_freed`` with them.
    """

    document_id: str
    uri: str
    source: str
    dry_run: bool
    message: str
    leaving: list[str]
    artifacts_deleted: int
    bytes_freed: int
    statistics: DeletionCounts


class DocumentRestored(Result):
    document_id: str
    uri: str
    source: str
    message: str
