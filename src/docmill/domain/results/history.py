"""What was done, looked up afterwards or while it goes on: run groups, runs, steps, events, logs; and their deletion.

``duration`` is in seconds and never negative, however a clock was set meanwhile; None where the thing has not ended.
"""

from __future__ import annotations

from typing import Any

from docmill.domain.results.runs import EngineHolder
from docmill.domain.results.shared import Page, Progress, Result


class StepRecord(Result):
    """``retry``: failed attempts so far; ``retries``: how many are allowed beyond the first.

    ``attempt`` counts every try, also those that a person asked for. ``reused``: its output was there already.
    """

    id: int
    run_id: int
    run_group_id: int
    number: int
    name: str
    type: str
    status: str
    attempt: int
    retry: int
    retries: int
    retry_at: str | None
    reused: bool
    worker_id: str | None
    status_message: str | None
    status_meta: dict[str, Any]
    started_at: str | None
    completed_at: str | None
    duration: float | None


class RunDocument(Result):
    """The document of a run as it is now; the run's own ``version`` may be an older one."""

    document_id: str
    uri: str
    filename: str
    source: str
    type: str | None
    version: int
    content_hash: str
    size_bytes: int
    state: str
    metadata: dict[str, Any]
    first_seen_at: str
    updated_at: str


class RunRecord(Result):
    """``steps`` and ``document`` are None unless they were asked for; ``document`` also where it is known no more."""

    id: int
    run_group_id: int
    batch_id: int
    document_id: str
    uri: str | None
    version: int
    content_hash: str
    workflow: str
    params: str
    database: str
    status: str
    status_message: str | None
    status_meta: dict[str, Any]
    degraded: bool
    chunk_count: int
    priority: str
    attempt: int
    created_at: str
    started_at: str | None
    completed_at: str | None
    duration: float | None
    steps: list[StepRecord] | None = None
    document: RunDocument | None = None


class RunList(Page):
    runs: list[RunRecord]


class RunShown(Result):
    run: RunRecord


class StepList(Page):
    steps: list[StepRecord]


class LifecycleRecord(Result):
    """One event. ``run_id`` is None for a group's own, ``step`` unless it is a step's."""

    id: int
    event: str
    attempt: int
    run_group_id: int
    run_id: int | None
    step_id: int | None
    step: str | None
    status: str
    status_message: str | None
    at: str


class RunLifecycle(Result):
    run_id: int
    run_group_id: int
    batch_id: int
    uri: str | None
    total: int
    events: list[LifecycleRecord]


class RunCounts(Result):
    """Runs of a group by status; ``degraded`` lies within ``completed``."""

    total: int = 0
    pending: int = 0
    running: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    degraded: int = 0


class GroupChunks(Result):
    total: int
    embedded: int
    reused: int


class RunGroupRecord(Result):
    """``control`` is what another shell wants of it and its engine has not obeyed yet: pause or cancel.

    ``processing_seconds`` counts the time that engines were at it, ``duration`` from its start to its end.
    """

    id: int
    batch_id: int
    workflow: str
    params: str
    database: str
    status: str
    status_message: str | None
    priority: str
    attempt: int
    scheduled_for: str | None
    control: str | None
    counts: RunCounts
    chunks: GroupChunks
    created_at: str
    started_at: str | None
    paused_at: str | None
    completed_at: str | None
    duration: float | None
    processing_seconds: float


class RunGroupList(Page):
    run_groups: list[RunGroupRecord]


class RunGroupShown(Result):
    """``pipeline``: the definitions as they were when it started, overrides and defaults included."""

    run_group: RunGroupRecord
    pipeline: dict[str, Any]


class Durations(Result):
    """Seconds, of ``count`` things; percentiles by nearest rank."""

    count: int
    min: float
    p50: float
    p95: float
    max: float
    total: float


class StepStats(Result):
    """One step of the workflow over all runs. ``retries``: attempts beyond each first one.

    ``durations`` are of steps that were done; None where all were reused.
    """

    name: str
    type: str
    total: int
    by_status: dict[str, int]
    reused: int
    retries: int
    durations: Durations | None


class RunGroupStats(Result):
    run_group_id: int
    batch_id: int
    status: str
    runs: dict[str, int]
    steps: dict[str, int]
    step_types: list[StepStats]
    run_durations: Durations | None
    retries: int
    reused: int
    duration: float | None


class ActiveBatch(Result):
    """A running or paused batch. ``engine_at_work``: an engine has it in its hands this moment."""

    batch_id: int
    name: str
    status: str
    priority: str
    run_group_id: int | None
    engine_at_work: bool
    started_at: str | None
    paused_at: str | None
    progress: Progress


class ActiveBatches(Page):
    engine: EngineHolder | None
    batches: list[ActiveBatch]


class LogRecord(Result):
    """``level``: debug, info, warning or error."""

    timestamp: str
    level: str
    message: str
    context: dict[str, Any]
    run_group_id: int | None


class BatchLogs(Page):
    """Entries oldest first; ``offset`` leaves out the newest ones."""

    batch_id: int
    level: str
    logs: list[LogRecord]


class Followed(Result):
    """The end of a ``--follow``: how the batch stood then, and how much was told."""

    batch_id: int
    status: str
    told: int


class BatchEvents(Result):
    """``events`` only where one document was asked for; else they have been told already, one a line."""

    batch_id: int
    run_group_id: int | None
    status: str
    told: int
    events: list[dict[str, Any]] | None = None


class DeletionCounts(Result):
    """Records, not results: passages and vectors are counted nowhere here."""

    deleted_steps: int = 0
    deleted_lifecycle_events: int = 0
    deleted_deliveries: int = 0
    deleted_runs: int = 0
    deleted_run_groups: int = 0
    deleted_log_entries: int = 0
    deleted_documents: int = 0
    deleted_document_versions: int = 0
    deleted_sources: int = 0
    deleted_batches: int = 0
    total_deleted: int = 0


class RunGroupDeleted(Result):
    run_group_id: int
    batch_id: int
    dry_run: bool
    message: str
    statistics: DeletionCounts


class BatchDeleted(Result):
    """``leaving``: databases whose rows of its documents go with their next window, as an engine was at work."""

    batch_id: int
    name: str
    dry_run: bool
    message: str
    leaving: list[str]
    statistics: DeletionCounts
