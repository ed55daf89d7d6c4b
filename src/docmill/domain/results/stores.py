"""LanceDB databases and embedding models."""

from __future__ import annotations

from typing import Any

from docmill.domain.results.shared import Page, Result


class DatabaseSummary(Result):
    """``documents`` and ``chunks``: as the state has them there. ``model`` None: docmill does not know the database."""

    name: str
    path: str
    size_bytes: int
    size_human: str
    documents: int
    chunks: int
    model: str | None


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
    """``unindexed_rows`` are searched as well, one after the other. ``coverage``: the share of rows in it, 0 to 1."""

    exists: bool
    type: str | None
    indexed_rows: int
    unindexed_rows: int
    coverage: float
    size_bytes: int
    size_human: str


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
    """``document_count``: of the whole database; ``total``: of those that the filter lets through."""

    database: str
    path: str
    document_count: int
    filter: str | None
    documents: list[StoredDocument]


class VacuumResult(Result):
    database: str
    status: str
    size_before_bytes: int
    size_before_human: str
    size_after_bytes: int
    size_after_human: str
    space_freed_bytes: int
    space_freed_human: str
    versions_removed: int
    seconds: float


class DatabaseDropped(Result):
    """``sources``: their next sync fills it again; ``batches``: those would with their next start."""

    dry_run: bool
    database: str
    message: str
    documents: int
    chunks: int
    space_freed_bytes: int
    space_freed_human: str
    sources: list[str]
    batches: list[str]
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


class ModelServed(Result):
    """Told when the server listens. ``openai_url`` and ``ollama_url`` are what clients call the base URL."""

    address: str
    host: str
    port: int
    openai_url: str
    ollama_url: str
    model: str
    quantization: str
    dimension: int
    max_tokens: int
    fingerprint: str
    threads: int
    pid: int
