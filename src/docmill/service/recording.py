"""Turns rows of runs, steps, run groups and events into the records that programs read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from docmill.domain.events import seconds_between
from docmill.domain.results import (
    GroupChunks,
    LifecycleRecord,
    LogRecord,
    RunCounts,
    RunDocument,
    RunGroupRecord,
    RunRecord,
    StepRecord,
)
from docmill.filetypes import type_by_name
from docmill.service.shapes import PRIORITY_NAMES
from docmill.stores.queries import Row


def step(row: Row) -> StepRecord:
    ended = row["completed_at"] is not None
    measured = row["duration_seconds"] if ended and row["status"] == "completed" else None
    return StepRecord(
        id=row["id"],
        run_id=row["run_id"],
        run_group_id=row["run_group_id"],
        number=row["number"],
        name=row["name"],
        type=row["type"],
        status=row["status"],
        attempt=row["attempt"],
        retry=row["retry"],
        retries=row["retries"],
        retry_at=row["retry_at"] if row["status"] == "error" else None,
        reused=bool(row["reused"]),
        worker_id=row["worker_id"],
        status_message=row["status_message"],
        status_meta=json.loads(row["status_meta"]),
        started_at=row["started_at"],
        completed_at=row["completed_at"],
        duration=duration(row["started_at"], row["completed_at"]) if measured is None else max(measured, 0.0),
    )


def run(row: Row, steps: Sequence[Row] | None, *, document: bool) -> RunRecord:
    """``steps`` None: they were not asked for."""
    meta = {"crashes": row["crashes"] or None, "not_before": row["not_before"] if _unfinished(row) else None}
    return RunRecord(
        id=row["id"],
        run_group_id=row["run_group_id"],
        batch_id=row["batch_id"],
        document_id=row["document_id"],
        uri=row["uri"],
        version=row["version"],
        content_hash=row["content_hash"],
        workflow=row["workflow"],
        params=row["params"],
        database=row["database"],
        status=row["status"],
        status_message=row["status_message"],
        status_meta={name: value for name, value in meta.items() if value is not None},
        degraded=bool(row["degraded"]),
        chunk_count=row["chunk_count"],
        priority=PRIORITY_NAMES[row["priority"]],
        attempt=row["attempt"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        completed_at=row["completed_at"],
        duration=duration(row["started_at"], row["completed_at"]),
        steps=[step(each) for each in steps] if steps is not None else None,
        document=_document(row) if document and row["uri"] is not None else None,
    )


def group(row: Row, counts: Mapping[str, int]) -> RunGroupRecord:
    """``counts``: its runs by status, and ``degraded``."""
    by_status = {name: number for name, number in counts.items() if name != "degraded"}
    total, embedded = row["chunks_total"], row["chunks_embedded"]
    return RunGroupRecord(
        id=row["id"],
        batch_id=row["batch_id"],
        workflow=row["workflow"],
        params=row["params"],
        database=row["database"],
        status=row["status"],
        status_message=row["status_message"],
        priority=PRIORITY_NAMES[row["priority"]],
        attempt=row["attempt"],
        scheduled_for=row["scheduled_for"],
        control=row["control"],
        counts=RunCounts(total=sum(by_status.values()), degraded=counts.get("degraded", 0), **by_status),
        chunks=GroupChunks(total=total, embedded=embedded, reused=max(total - embedded, 0)),
        created_at=row["created_at"],
        started_at=row["started_at"],
        paused_at=row["paused_at"],
        completed_at=row["completed_at"],
        duration=duration(row["started_at"], row["completed_at"]),
        processing_seconds=round(max(row["processing_seconds"], 0.0), 3),
    )


def event(row: Row) -> LifecycleRecord:
    return LifecycleRecord(
        id=row["id"],
        event=row["event"],
        attempt=row["attempt"],
        run_group_id=row["run_group_id"],
        run_id=row["run_id"],
        step_id=row["step_id"],
        step=row["step_name"],
        status=row["status"],
        status_message=row["status_message"],
        at=row["at"],
    )


def log_entry(row: Row) -> LogRecord:
    return LogRecord(
        timestamp=row["at"],
        level=row["level"],
        message=row["message"],
        context=json.loads(row["context"]),
        run_group_id=row["run_group_id"],
    )


def duration(started_at: str | None, completed_at: str | None) -> float | None:
    """Seconds, of what has begun and ended."""
    return None if started_at is None or completed_at is None else seconds_between(started_at, completed_at)


def _document(row: Row) -> RunDocument:
    metadata: dict[str, Any] = json.loads(row["meta"])
    return RunDocument(
        document_id=row["document_id"],
        uri=row["uri"],
        filename=PurePosixPath(row["uri"]).name,
        source=row["source"],
        type=row["document_type"] or type_by_name(f"x{row['suffix']}"),
        version=row["document_version"],
        content_hash=row["document_hash"],
        size_bytes=row["size_bytes"],
        state=row["document_state"],
        metadata=metadata,
        first_seen_at=row["first_seen_at"],
        updated_at=row["document_updated_at"],
    )


def _unfinished(row: Row) -> bool:
    return row["status"] in ("pending", "running")
