"""What handlers are told: the JSON of a lifecycle event, of a run group's end, and of its progress. Pure.

``phase`` is the whole job's: ``processing`` until its group has ended, then how it ended. What happened to one document
or step is told by ``event`` and ``status``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from docmill.domain.redaction import redacted_address
from docmill.domain.status import LifecycleEvent, Status

PROGRESS = "progress"
PROCESSING = "processing"
MOST_ERRORS = 100  # named in a group's end

_SENTENCES = {
    LifecycleEvent.GROUP_START: "Processing started",
    LifecycleEvent.ITEM_START: "{filename}: started",
    LifecycleEvent.ITEM_END: "{filename}: completed",
    LifecycleEvent.ITEM_FAILED: "{filename}: failed: {error}",
    LifecycleEvent.STEP_START: "{filename}: {step} started",
    LifecycleEvent.STEP_END: "{filename}: {step} completed",
    LifecycleEvent.STEP_FAILED: "{filename}: {step} failed: {error}",
}
_ENDS = {
    Status.COMPLETED: "Processing completed",
    Status.FAILED: "Processing failed: no document could be processed",
    Status.CANCELLED: "Processing cancelled",
}


def failure(said: str | None, stage: str | None) -> dict[str, Any]:
    """An ``error``. ``said`` as events, runs and steps keep it: the code, then what it means."""
    code, _, message = (said or "").partition(": ")
    return {"error_code": code or None, "error_message": message or None, "stage": stage}


def document(document_id: str, uri: str) -> dict[str, Any]:
    """An address is told without what in it is secret: the id says which document it is."""
    told = redacted_address(uri)
    return {"document_id": document_id, "uri": told, "filename": PurePosixPath(told).name}


def lifecycle(
    event: LifecycleEvent,
    *,
    at: str,
    status: str,
    batch_id: int,
    run_group_id: int,
    run_id: int | None = None,
    step: str | None = None,
    document: Mapping[str, Any] | None = None,
    error: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    reason: str | None = None,
) -> dict[str, Any]:
    """``data`` and ``reason`` are of a group's end: its counts, and why it was cancelled."""
    ended = event is LifecycleEvent.GROUP_END
    if ended:
        message = _ENDS[Status(status)] + (f": {reason}" if reason else "")
    else:
        names = {"filename": (document or {}).get("filename"), "step": step}
        message = _SENTENCES[event].format(**names, error=(error or {}).get("error_message"))
    told: dict[str, Any] = {
        "event": event.value,
        "timestamp": at,
        "phase": status if ended else PROCESSING,
        "message": message,
        "batch_id": batch_id,
        "run_group_id": run_group_id,
        "run_id": run_id,
        "step": step,
        "document": document,
        "status": status,
        "error": error,
        "process": {"id": run_group_id},
    }
    return {**told, "data": data} if data is not None else told


def progress(*, at: str, batch_id: int, run_group_id: int, percent: int, message: str) -> dict[str, Any]:
    """``percent`` from 0 to 100."""
    return {
        "event": PROGRESS,
        "timestamp": at,
        "phase": PROCESSING,
        "progress": percent,
        "message": message,
        "batch_id": batch_id,
        "run_group_id": run_group_id,
        "process": {"id": run_group_id},
    }
