"""LanceDB databases and embedding models."""

from __future__ import annotations

from typing import Any

from docmill.domain.results.shared import Page, Result


class DatabaseSummary(Result):
    name: str
    path: str
    size_bytes: int
    size_human: str


class DatabaseList(Page):
    lancedb_dir: str
    database_count: int
    databases: list[DatabaseSummary]


class TableInfo(Result):
    count: int
    size_bytes: int
    size_human: str
    files: int
    versions: int


class EmbeddingsInfo(Result):
    provider: str
    model: str
    vector_dim: int
    fingerprint: str


class IndexInfo(Result):
    """``unindexed_rows`` are searched as well, one after the other."""

    exists: bool
    type: str | None
    indexed_rows: int
    unindexed_rows: int
    size_bytes: int


class VersionInfo(Result):
    docmill: str
    lancedb: str
    stored_version: str


class DatabaseInfo(Result):
    name: str
    path: str
    size_bytes: int
    size_human: str
    files: int
    documents: TableInfo
    chunks: TableInfo
    embeddings: EmbeddingsInfo
    vector_index: IndexInfo
    full_text_index: IndexInfo
    tables: list[str]
    versions: VersionInfo


class StoredDocument(Result):
    id: str
    uri: str
    source: str
    title: str | None
    type: str
    version: int
    content_hash: str
    chunk_count: int
    created_at: str
    updated_at: str
    metadata: dict[str, Any]


class StoredDocumentList(Page):
    database: str
    document_count: int
    documents: list[StoredDocument]


class VacuumResult(Result):
    database: str
    status: str
    size_before_bytes: int
    size_after_bytes: int
    space_freed_bytes: int
    versions_removed: int
    seconds: float


class IndexResult(Result):
    """``vector_index_rows``: with fewer passages there is no vector index, and every search by vector is exact."""

    database: str
    status: str
    rows: int
    vector_index: IndexInfo
    full_text_index: IndexInfo
    vector_index_rows: int
    seconds: float


class ModelEntry(Result):
    name: str
    provider: str
    dimension: int
    max_tokens: int
    installed: bool
    available: bool
    size_bytes: int | None
    fingerprint: str | None
    note: str | None = None


class ModelList(Page):
    cache: str
    models: list[ModelEntry]


class ModelInstalled(Result):
    name: str
    path: str
    fingerprint: str
    size_bytes: int
    already_installed: bool
    message: str


class ModelFinding(Result):
    name: str
    file: str
    problem: str


class ModelVerified(Result):
    checked: list[str]
    findings: list[ModelFinding]
    clean: bool
    reason: str | None = None
