"""Batches, and what is put into them."""

from __future__ import annotations

from typing import Any

from docmill.domain.results.shared import Page, Progress, Result, RetryPolicy


class BatchCreated(Result):
    """``created`` is False where the same key gave the batch that was already there."""

    batch_id: int
    name: str
    status: str
    created: bool
    message: str


class BatchSummary(Result):
    """``documents``, ``failed_documents``: as they are now. ``progress`` is of the newest run group, the totals are of
    all that there were.
    """

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
    documents: int
    failed_documents: int
    progress: Progress
    total_chunks: int
    total_embeddings: int


class Aggregations(Result):
    """Of all batches that the filters let through, whichever page is shown."""

    by_status: dict[str, int]
    by_type: dict[str, int]


class BatchList(Page):
    batches: list[BatchSummary]
    aggregations: Aggregations


class BatchShown(Result):
    """``scheduled_start``: when it is to start next; ``max_processing_time`` in seconds."""

    batch: BatchSummary
    configuration: dict[str, Any]
    retry_policy: RetryPolicy
    max_processing_time: float | None
    cron: str | None
    scheduled_start: str | None
    run_groups: list[int]
