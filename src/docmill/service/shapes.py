"""Turns rows of state.db into the results that several commands share."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from docmill.domain import events
from docmill.domain.redaction import redacted_values
from docmill.domain.results import (
    BatchSummary,
    ChunkCounts,
    DegradedDocument,
    DocumentCounts,
    DocumentProblem,
    Outcomes,
    Progress,
    RetryPolicy,
    Stage,
    TextYield,
)
from docmill.domain.status import Status
from docmill.stores import outcome_queries
from docmill.stores.queries import OF_BATCH, Queries, Row

PRIORITY_NAMES = {-1: "low", 0: "normal", 1: "high"}


def problem(row: Row) -> DocumentProblem:
    """Of a document's row."""
    return DocumentProblem(
        document_id=row["id"],
        uri=row["uri"],
        filename=PurePosixPath(row["uri"]).name,
        stage=row["error_stage"],
        error_code=row["error_code"],
        error_message=row["error_message"],
        occurred_at=row["error_at"],
        retry_count=row["retry_count"],
        hint=row["error_hint"],
        permanent=row["failed_key"] is not None,
    )


def text_yield(row: Row) -> TextYield | None:
    """Of a document's row; None where it has no pages."""
    if row["text_yield"] is None:
        return None
    stored = json.loads(row["text_yield"])
    return TextYield(characters_per_page=round(stored["characters"] / max(stored["pages"], 1), 1), **stored)


def degraded(row: Row) -> DegradedDocument:
    """Of a degraded document's row."""
    return DegradedDocument(
        document_id=row["id"],
        uri=row["uri"],
        filename=PurePosixPath(row["uri"]).name,
        reasons=outcome_queries.reasons_of(row),
        text_yield=text_yield(row),
    )


def outcomes(counts: outcome_queries.Counts, unread: Sequence[DocumentProblem] = ()) -> Outcomes:
    """``unread``: files that could not even be made known, and failed too."""
    failed = counts.failed + Counter(each.error_code for each in unread)
    return Outcomes(
        failed_documents=failed.total(),
        degraded_documents=counts.degraded_documents,
        failed=dict(failed.most_common()),
        degraded=dict(counts.degraded.most_common()),
    )


def endings(
    queries: Queries, condition: str, values: Sequence[Any], unread: Sequence[DocumentProblem] = ()
) -> dict[str, Any]:
    """The fields ``errors``, ``degraded`` and ``outcomes`` of a result, of the documents that ``condition`` chooses."""
    counts = outcome_queries.count_outcomes(queries, condition, values)
    failed = outcome_queries.failed_documents(queries, condition, values) if counts.failed else []
    partly = outcome_queries.degraded_documents(queries, condition, values) if counts.degraded else []
    return {
        "errors": [*unread, *map(problem, failed)],
        "degraded": list(map(degraded, partly)),
        "outcomes": outcomes(counts, unread),
    }


def reason(group: Row | None, failed: int) -> str | None:
    """Why a run that has ended is not clean; None where it is."""
    whole = group["status_message"] if group is not None and group["status"] == Status.FAILED else None
    return ", ".join(each for each in (whole, failed_words(failed)) if each) or None


def failed_words(failed: int) -> str | None:
    return f"{failed} document{'' if failed == 1 else 's'} failed" if failed else None


def document_counts(queries: Queries, group_id: int | None) -> DocumentCounts:
    counts = queries.run_counts(group_id) if group_id is not None else {}
    return DocumentCounts(
        completed=counts.get("completed", 0), failed=counts.get("failed", 0), degraded=counts.get("degraded", 0)
    )


def chunk_counts(group: Row | None) -> ChunkCounts:
    if group is None:
        return ChunkCounts()
    total, embedded = group["chunks_total"], group["chunks_embedded"]
    return ChunkCounts(total=total, embedded=embedded, reused=max(total - embedded, 0))


def stages(queries: Queries, group_id: int) -> list[Stage]:
    return [_stage(row) for row in queries.stages(group_id)]


def _stage(row: Row) -> Stage:
    ended = row["done"] + row["failed"] + row["skipped"] + row["cancelled"]
    if ended == row["total"]:
        status = Status.CANCELLED if row["cancelled"] else Status.COMPLETED if row["done"] else _without_any(row)
    else:
        status = Status.RUNNING if row["running"] or ended else Status.PENDING
    completed_at = row["completed_at"] if ended == row["total"] else None
    return Stage(
        name=row["name"],
        status=status.value,
        progress=round(ended / row["total"], 4) if row["total"] else 1.0,
        started_at=row["started_at"],
        completed_at=completed_at,
        duration_seconds=seconds_between(row["started_at"], completed_at),
        files_processed=row["done"] + row["failed"],
    )


def _without_any(row: Row) -> Status:
    """Of a stage that has ended and that no document has passed."""
    return Status.FAILED if row["failed"] else Status.SKIPPED


def progress(queries: Queries, batch: Row, group: Row | None) -> Progress:
    """Of the newest group; of a batch that was never started, its documents are all to do."""
    if group is None:
        total = int(
            queries.value(f"SELECT COUNT(*) FROM document d WHERE {OF_BATCH} AND state = 'active'", [batch["id"]])  # noqa: S608 - a constant
        )
        return Progress(
            total_files=total,
            processed_files=0,
            failed_files=0,
            skipped_files=0,
            percentage=0.0,
            current_stage=None,
            message="not started",
        )
    counts = queries.run_counts(group["id"])
    done, failed = counts.get("completed", 0), counts.get("failed", 0)
    cancelled = counts.get("cancelled", 0)
    left = counts.get("pending", 0) + counts.get("running", 0)
    total = done + failed + cancelled + left
    return Progress(
        total_files=total,
        processed_files=done + failed,
        failed_files=failed,
        skipped_files=cancelled,
        percentage=round(100 * (done + failed) / total, 1) if total else 100.0,
        current_stage=_current_stage(queries, group["id"]) if left else group["status"],
        message=group["status_message"] or f"{done + failed} of {total} documents",
        estimated_completion=_estimate(group, done + failed, left),
    )


def _current_stage(queries: Queries, group_id: int) -> str | None:
    """The first that documents are still in. Each step of a group is looked at: not for one that has ended."""
    return next((stage.name for stage in stages(queries, group_id) if stage.progress < 1), None)


def _estimate(group: Row, done: int, left: int) -> str | None:
    if group["status"] != Status.RUNNING or not done or not left:
        return None
    elapsed = seconds_between(group["started_at"], _now())
    assert elapsed is not None
    when = datetime.now(UTC) + timedelta(seconds=elapsed / done * left)
    return when.isoformat(timespec="seconds").replace("+00:00", "Z")


def batch_summary(queries: Queries, batch: Row, own: int | None = None) -> BatchSummary:
    """``own``: the batch's own documents, where they have been counted."""
    group = queries.newest_group(batch["id"])
    totals = queries.row(
        "SELECT COALESCE(SUM(chunks_total), 0), COALESCE(SUM(chunks_embedded), 0) FROM run_group WHERE batch_id = ?",
        [batch["id"]],
    )
    assert totals is not None
    return BatchSummary(
        batch_id=batch["id"],
        name=batch["name"],
        description=batch["description"],
        type=batch["type"],
        status=batch["status"],
        priority=batch["priority"],
        source=batch["source"],
        created_at=batch["created_at"],
        updated_at=batch["updated_at"],
        started_at=batch["started_at"],
        completed_at=batch["completed_at"],
        documents=queries.documents_of_batch(batch["id"], own),
        failed_documents=queries.failed_of_batch(batch["id"]),
        progress=progress(queries, batch, group),
        total_chunks=totals[0],
        total_embeddings=totals[1],
    )


def retry_policy(queries: Queries, batch: Row) -> RetryPolicy:
    retries = queries.value(
        "SELECT COALESCE(MAX(retry_count), 0) FROM document d INDEXED BY document_retried"  # noqa: S608 - a constant
        f" WHERE {OF_BATCH} AND state = 'active' AND retry_count > 0",
        [batch["id"]],
    )
    return RetryPolicy(
        max_retries=batch["max_retries"],
        retry_delay=batch["retry_delay"],
        backoff_multiplier=batch["backoff_multiplier"],
        jitter=batch["jitter"],
        current_retries=retries,
    )


def configuration(batch: Row) -> dict[str, Any]:
    stored: dict[str, Any] = redacted_values(json.loads(batch["configuration"]))
    return {"workflow": batch["workflow"], "params": batch["params"], **stored}


def processing_seconds(group: Row) -> float:
    """That engines were at a run group; of one that runs, since it began, as they are written down at the end."""
    spent = max(float(group["processing_seconds"]), 0.0)
    if group["status"] == Status.RUNNING:
        spent = max(spent, seconds_between(group["started_at"], events.now()) or 0.0)
    return spent


def seconds_between(start: str | None, end: str | None) -> float | None:
    return None if start is None or end is None else events.seconds_between(start, end)


def _now() -> str:
    return datetime.now(UTC).isoformat()
