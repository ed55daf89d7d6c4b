"""What every command returns: one frozen model each, rendered as text or as JSON in one place.

Field names are the JSON contract. Times are UTC ISO-8601 strings with ``Z``, sizes bytes, durations seconds unless the
name says ``_ms``. Lists carry ``total`` (before paging), ``limit`` and ``offset``.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Result(BaseModel):
    """Frozen and closed: what is not declared cannot be returned."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Page(Result):
    total: int
    limit: int
    offset: int


# ---- shared pieces ---------------------------------------------------------------------------------------------------


class DocumentProblem(Result):
    """One document's error, the same everywhere."""

    document_id: str | None
    uri: str
    filename: str
    stage: str
    error_code: str
    error_message: str
    occurred_at: str
    retry_count: int
    hint: str | None = None


class Progress(Result):
    """Files = completed + failed + ignored + those still to do; ``skipped_files`` are the ignored ones."""

    total_files: int
    processed_files: int
    failed_files: int
    skipped_files: int
    percentage: float
    current_stage: str | None
    message: str
    estimated_completion: str | None = None


class Stage(Result):
    """One step type's share of a run group. ``progress`` goes from 0 to 1."""

    name: str
    status: str
    progress: float
    started_at: str | None
    completed_at: str | None
    duration_seconds: float | None
    files_processed: int


class RetryPolicy(Result):
    max_retries: int
    retry_delay: float
    backoff_multiplier: float
    current_retries: int = 0


# ---- home and definitions --------------------------------------------------------------------------------------------


class InitResult(Result):
    home: str
    created: bool
    message: str


class Problem(Result):
    """One finding in a definition. ``path`` is the key's path, such as ``steps[2].retries``; ``line`` is 1-based.

    ``level``: ``error`` makes the definition unusable; ``note`` only tells.
    """

    file: str
    line: int | None
    path: str
    message: str
    suggestion: str | None = None
    level: str = "error"


class DefinitionSummary(Result):
    id: str
    name: str
    description: str
    source: str
    file: str


class DefinitionList(Page):
    """``problems`` belong to files that could not be read; they never hide the others."""

    kind: str
    definitions: list[DefinitionSummary]
    problems: list[Problem]


class DefinitionShown(Result):
    kind: str
    id: str
    source: str
    file: str
    definition: dict[str, Any]
    yaml: str


class ValidationResult(Result):
    """``reason`` is set where the exit code is not 0."""

    kind: str
    valid: bool
    checked: list[str]
    problems: list[Problem]


class DefinitionAdded(Result):
    kind: str
    id: str
    file_path: str
    message: str


class DefinitionDeleted(Result):
    kind: str
    id: str
    message: str


class ParamTargets(Page):
    database: str
    param_sets: list[DefinitionSummary]


# ---- batches and documents -------------------------------------------------------------------------------------------


class BatchCreated(Result):
    """``created`` is False where the same key gave the batch that was already there."""

    batch_id: int
    name: str
    status: str
    created: bool
    message: str


class BatchSummary(Result):
    batch_id: int
    name: str
    description: str
    type: str
    status: str
    priority: str
    source: str | None
    created_at: str
    updated_at: str
    started_at: str | None
    completed_at: str | None
    progress: Progress
    total_chunks: int
    total_embeddings: int


class BatchList(Page):
    batches: list[BatchSummary]


class BatchShown(Result):
    batch: BatchSummary
    configuration: dict[str, Any]
    retry_policy: RetryPolicy
    run_groups: list[int]


class IngestedFile(Result):
    """``outcome``: new, changed, unchanged (``batch_id`` is where it lives) or duplicate (same bytes, another URI)."""

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
    unchanged: int = 0
    duplicate: int = 0
    ignored: int = 0
    failed: int = 0


class IngestResult(Result):
    batch_id: int
    source: str
    files: list[IngestedFile]
    counts: IngestCounts
    errors: list[DocumentProblem]
    reason: str | None = None


# ---- runs ------------------------------------------------------------------------------------------------------------


class ScanCounts(Result):
    files: int = 0
    new: int = 0
    changed: int = 0
    renamed: int = 0
    deleted: int = 0
    unchanged: int = 0
    ignored: int = 0


class DocumentCounts(Result):
    """Of this run; ``degraded`` lies within ``completed``."""

    completed: int = 0
    failed: int = 0
    degraded: int = 0


class ChunkCounts(Result):
    """Of this run: total = embedded + reused."""

    total: int = 0
    embedded: int = 0
    reused: int = 0


class IgnoredFiles(Result):
    """Files that the scan passed over, by the rule that did it."""

    rule: str
    count: int
    examples: list[str]


class SourceSync(Result):
    """One folder of a ``sync``. ``run_group_id`` is None where there was nothing to do."""

    batch_id: int
    run_group_id: int | None
    source: str
    folder: str
    database: str
    status: str
    scan: ScanCounts
    ignored: list[IgnoredFiles]
    documents: DocumentCounts
    chunks: ChunkCounts
    seconds: float
    errors: list[DocumentProblem]
    reason: str | None = None


class SyncResult(SourceSync):
    """The first folder's figures at the top level, and each folder's own in ``sources``."""

    sources: list[SourceSync]


class RunResult(Result):
    """What ``start``, ``resume`` and ``retry`` answer once the work has ended or stopped."""

    batch_id: int
    run_group_id: int | None
    status: str
    message: str
    workflows: int
    documents: DocumentCounts
    chunks: ChunkCounts
    seconds: float
    errors: list[DocumentProblem]
    started_at: str | None = None
    resumed_at: str | None = None
    retried_at: str | None = None
    retried_files: int | None = None
    reason: str | None = None


class ProgressSaved(Result):
    processed_files: int
    current_stage: str | None


class PauseResult(Result):
    batch_id: int
    run_group_id: int
    status: str
    message: str
    paused_at: str | None
    progress_saved: ProgressSaved


class CleanupResult(Result):
    partial_results_cleaned: bool
    processed_files_retained: int


class CancelResult(Result):
    batch_id: int
    run_group_id: int | None
    status: str
    message: str
    reason: str | None
    cancelled_at: str | None
    cleanup: CleanupResult


class BatchStats(Result):
    processing_time_ms: int
    total_chunks: int
    total_embeddings: int
    average_processing_time_per_file_ms: float | None


class FileCounts(Result):
    total: int
    by_status: dict[str, int]
    by_type: dict[str, int]


class BatchStatus(Result):
    batch: BatchSummary
    status: str
    run_group_id: int | None
    progress: Progress
    stages: list[Stage]
    stats: BatchStats
    files: FileCounts
    errors: list[DocumentProblem]
    retry_policy: RetryPolicy


class EngineHolder(Result):
    pid: int
    started_at: str
    command: str


class HomeStatus(Result):
    """``status`` without a batch: the home at a glance."""

    home: str
    engine: EngineHolder | None
    batches: list[BatchSummary]
    documents: int
    chunks: int
    failed_documents: int
    databases: list[str]


# ---- search and export -----------------------------------------------------------------------------------------------


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
    before: list[Neighbour] = []
    after: list[Neighbour] = []


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


# ---- databases and models --------------------------------------------------------------------------------------------


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
    versions: int


class EmbeddingsInfo(Result):
    provider: str
    model: str
    vector_dim: int
    fingerprint: str


class IndexInfo(Result):
    exists: bool
    indexed_rows: int
    unindexed_rows: int


class VersionInfo(Result):
    docmill: str
    lancedb: str
    stored_version: str


class DatabaseInfo(Result):
    name: str
    path: str
    size_bytes: int
    size_human: str
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
