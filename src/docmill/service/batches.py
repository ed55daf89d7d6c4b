"""Batches: making and showing them, and saying how they stand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from docmill.domain.events import MessageEvent, Reporter, SilentReporter
from docmill.domain.results import BatchCreated, BatchShown, BatchStats, BatchStatus, FileCounts, HomeStatus
from docmill.errors import UsageError
from docmill.service import shapes
from docmill.service.holding import find_holder
from docmill.service.inputs import PRIORITIES, local_instant, one_of, utc, within
from docmill.settings import Settings, find_home
from docmill.stores import outcome_queries
from docmill.stores.database_folders import databases
from docmill.stores.queries import OF_BATCH, Row, reading

if TYPE_CHECKING:
    from docmill.domain.planning import PlannedGroup

MOST_RETRIES, MOST_DELAY_S, MOST_MULTIPLIER, MOST_SECONDS = 20, 86_400, 100, 366 * 86_400
TYPES = ("batch_processing", "incremental", "manual", "scheduled", "real_time")


@dataclass(frozen=True, slots=True)
class RetryOptions:
    """What a batch's creation says of retries; None: the default. Delays in seconds. Raises UsageError."""

    max_retries: int | None = None
    retry_delay: float | None = None
    backoff_multiplier: float | None = None
    jitter: float | None = None

    def __post_init__(self) -> None:
        within("max_retries", self.max_retries, 0, MOST_RETRIES)
        within("retry_delay", self.retry_delay, 0, MOST_DELAY_S)
        within("backoff_multiplier", self.backoff_multiplier, 1, MOST_MULTIPLIER)
        within("jitter", self.jitter, 0, 1)

    def given(self) -> dict[str, float]:
        return {name: value for name, value in asdict(self).items() if value is not None}


def create_batch(
    settings: Settings,
    *,
    reporter: Reporter | None = None,
    name: str,
    description: str = "",
    type: str = "batch_processing",  # noqa: A002 - the field's name in the JSON contract
    priority: str = "normal",
    workflow: str = "batch",
    params: str = "default",
    filter_types: list[str] | None = None,
    created_after: str | None = None,
    webhook_url: str | None = None,
    webhook_events: list[str] | None = None,
    webhook_token_env: str | None = None,
    webhook_secret_env: str | None = None,
    webhook_job_id: str | None = None,
    report_on_completion: bool = False,
    report_folder: str | None = None,
    key: str | None = None,
    source: str | None = None,
    scheduled_start: str | None = None,
    cron: str | None = None,
    max_processing_time: float | None = None,
    retries: RetryOptions | None = None,
) -> BatchCreated:
    """A new batch; with a ``key`` that was used before, the batch that it made then.

    ``scheduled_start``: a time, local where it names no zone. ``cron``: five fields, by the local clock. Raises
    UsageError.
    """
    from docmill.service import completion_reports, definitions, sources, timetable, webhooks

    if cron is not None:
        cron, type = timetable.check(cron), "scheduled"  # noqa: A001 - as above
    when = local_instant(scheduled_start)
    if type == "scheduled" and not (cron or when):
        raise UsageError("a batch of type scheduled needs to know when", hint="--cron EXPR, or --scheduled-start TIME")
    within("max_processing_time", max_processing_time, 0.001, MOST_SECONDS)
    one_of("type", type, TYPES)
    one_of("priority", priority, PRIORITIES)
    if not name.strip():
        raise UsageError("a batch needs a name", hint="--name NAME")
    home = find_home(settings)
    definitions.resolve(home, workflow, params, [])
    configuration = {
        "filters": {"document_type": filter_types or [], "created_after": utc(created_after)},
        **webhooks.configuration(
            webhook_url,
            events=webhook_events,
            token_env=webhook_token_env,
            secret_env=webhook_secret_env,
            job_id=webhook_job_id,
        ),
        **completion_reports.configuration(on_completion=report_on_completion, folder=report_folder),
    }
    row = {
        **sources.batch_row(name, type, configuration),
        "description": description,
        "priority": priority,
        "source": source,
        "key": key,
        "workflow": workflow,
        "params": params,
        "cron": cron,
        "max_processing_time": max_processing_time,
        **(retries or RetryOptions()).given(),
    }
    from docmill.stores.state import State, groups

    planned = _planned(home, reporter or SilentReporter(), workflow, params, source) if when or cron else None
    state = State(home)
    try:
        with state.transaction() as tx:
            known = tx.rows("SELECT id, name, status FROM batch WHERE key = ?", [key]) if key else []
            batch_id = known[0].id if known else groups.create_batch(tx, row)
            if planned is not None and not known:
                from docmill.service import scheduling

                scheduling.schedule(tx, planned(batch_id), at=when, cron=cron)
            status = tx.value("SELECT status FROM batch WHERE id = ?", [batch_id])
    finally:
        state.close()
    return BatchCreated(
        batch_id=batch_id,
        name=known[0].name if known else name,
        status=status,
        created=not known,
        message=f"batch {batch_id} was there already" if known else f"created batch {batch_id}",
    )


def _planned(
    home: Path, reporter: Reporter, workflow: str, params: str, source: str | None
) -> Callable[[int], PlannedGroup]:
    """What a schedule needs: that the definitions, the model and the source are there is seen now, and not at night."""
    from docmill.service.pipelines import prepare

    with reading(home) as queries:
        if source is not None and queries.source(source) is None:
            text = f"there is no source {source!r} yet: `docmill sync` or `docmill ingest` makes it"
            reporter.emit(MessageEvent("warning", text))
    return prepare(home, reporter, workflow, params, []).planned_group


def show_batch(settings: Settings, batch: str) -> BatchShown:
    with reading(find_home(settings)) as queries, queries.snapshot():
        row = queries.batch(batch)
        ids = queries.rows("SELECT id FROM run_group WHERE batch_id = ? ORDER BY id", [row["id"]])
        return BatchShown(
            batch=shapes.batch_summary(queries, row),
            configuration=shapes.configuration(row),
            retry_policy=shapes.retry_policy(queries, row),
            max_processing_time=row["max_processing_time"],
            cron=row["cron"],
            scheduled_start=queries.value(
                "SELECT MIN(scheduled_for) FROM run_group WHERE batch_id = ? AND status = 'scheduled'", [row["id"]]
            ),
            run_groups=[each["id"] for each in ids],
        )


def status(settings: Settings, batch: str) -> BatchStatus:
    with reading(find_home(settings)) as queries, queries.snapshot():
        row = queries.batch(batch)
        group = queries.newest_group(row["id"])
        by_status, by_type = queries.file_counts(row["id"])
        progress = shapes.progress(queries, row, group)
        return BatchStatus(
            batch=shapes.batch_summary(queries, row),
            status=row["status"],
            run_group_id=group["id"] if group else None,
            progress=progress,
            stages=shapes.stages(queries, group["id"]) if group else [],
            stats=_stats(group, progress.processed_files),
            files=FileCounts(total=sum(by_status.values()), by_status=by_status, by_type=by_type),
            retry_policy=shapes.retry_policy(queries, row),
            **shapes.endings(queries, OF_BATCH, [row["id"]]),
        )


def home_status(settings: Settings) -> HomeStatus:
    """The home at a glance."""
    home = find_home(settings)
    with reading(home) as queries, queries.snapshot():
        outcomes = shapes.outcomes(outcome_queries.count_outcomes(queries, "1", []))
        own = queries.own_documents()
        return HomeStatus(
            home=str(home),
            engine=find_holder(home),
            batches=[shapes.batch_summary(queries, row, own[row["id"]]) for row in queries.newest_batches(20)],
            documents=own.total(),
            chunks=queries.value("SELECT COALESCE(SUM(chunk_count), 0) FROM placement WHERE state = 'stored'"),
            failed_documents=outcomes.failed_documents,
            outcomes=outcomes,
            databases=databases(home),
        )


def _stats(group: Row | None, done: int) -> BatchStats:
    if group is None:
        return BatchStats(
            processing_time_ms=0, total_chunks=0, total_embeddings=0, average_processing_time_per_file_ms=None
        )
    milliseconds = int(shapes.processing_seconds(group) * 1000)
    return BatchStats(
        processing_time_ms=milliseconds,
        total_chunks=group["chunks_total"],
        total_embeddings=group["chunks_embedded"],
        average_processing_time_per_file_ms=round(milliseconds / done, 1) if done else None,
    )
