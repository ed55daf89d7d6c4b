"""Work: what `sync`, `start` and their kin answer, and how a batch stands."""

from __future__ import annotations

from pydantic import Field

from docmill.domain.results.batches import BatchSummary
from docmill.domain.results.shared import (
    DegradedDocument,
    DocumentProblem,
    Outcomes,
    Progress,
    Result,
    RetryPolicy,
    Stage,
)


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
    """One folder of a ``sync``. ``run_group_id`` is None where there was nothing to do.

    ``documents`` are of this run; ``errors``, ``degraded`` and ``outcomes`` of all that the folder holds.
    """

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
    degraded: list[DegradedDocument] = Field(default_factory=list)
    outcomes: Outcomes = Outcomes()
    reason: str | None = None


class SkippedSource(Result):
    """A source that could not be synced while others were."""

    source: str
    folder: str
    error_code: str
    error_message: str
    hint: str | None


class SyncResult(SourceSync):
    """The first folder's figures at the top level, each folder's own in ``sources``.

    ``skipped``: sources that were passed over where all of them were to be synced, with the reason.
    """

    sources: list[SourceSync]
    skipped: list[SkippedSource]


class RunResult(Result):
    """What ``start``, ``resume`` and ``retry`` answer once the work has ended or stopped.

    ``documents`` are of this run; ``errors``, ``degraded`` and ``outcomes`` of the whole batch.
    """

    batch_id: int
    run_group_id: int | None
    status: str
    message: str
    workflows: int
    documents: DocumentCounts
    chunks: ChunkCounts
    seconds: float
    errors: list[DocumentProblem]
    degraded: list[DegradedDocument] = Field(default_factory=list)
    outcomes: Outcomes = Outcomes()
    started_at: str | None = None
    resumed_at: str | None = None
    retried_at: str | None = None
    retried_files: int | None = None
    reason: str | None = None


class DetachedResult(Result):
    """What ``start --detach`` answers. ``pid``: the process that does the work; ``log``: where it writes."""

    batch_id: int
    run_group_id: int | None
    status: str
    pid: int | None
    log: str | None
    message: str


class WorkerResult(Result):
    """What a ``worker`` has done by the time it ends. ``stopped_by``: a signal or the time limit, if one ended it."""

    status: str
    message: str
    run_groups: int
    documents: DocumentCounts
    stopped_by: str | None
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
    degraded: list[DegradedDocument] = Field(default_factory=list)
    outcomes: Outcomes = Outcomes()
    retry_policy: RetryPolicy


class StatusWatched(BatchStatus):
    """``status --watch``: how a batch stands once its work has ended. ``reason``: why that is not clean."""

    reason: str | None


class EngineHolder(Result):
    """Who holds the engine's lock.

    ``state``: running, stopped (by a signal or a debugger), unresponsive (alive, but without a heartbeat for long), or
    gone (held, but not by the process that took it). ``process_began`` tells its pid from the same pid given anew;
    ``silent_seconds``: since its last heartbeat. ``hint``: what to do where it is not running.
    """

    pid: int
    started_at: str
    command: str
    state: str = "running"
    host: str = ""
    process_began: int | None = None
    silent_seconds: float | None = None
    hint: str | None = None


class HomeStatus(Result):
    """``status`` without a batch: the home at a glance."""

    home: str
    engine: EngineHolder | None
    batches: list[BatchSummary]
    documents: int
    chunks: int
    failed_documents: int
    outcomes: Outcomes = Outcomes()
    databases: list[str]
