"""Tells what happens in run groups, from SQLite alone and from any shell, as the events that the engine itself emits.

The lifecycle events are its source: each is written once, with the change it tells of, in the order of the commits. So
whoever remembers the last id that was told misses nothing and repeats nothing, whatever becomes of the engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from docmill.domain.events import (
    CompletedEvent,
    DocumentEvent,
    ErrorEvent,
    Event,
    ProgressEvent,
    StageCompleteEvent,
    StageProgress,
    seconds_between,
)
from docmill.domain.status import LifecycleEvent
from docmill.stores.queries import Queries, Row

_PAGE = 1000
_TOLD = tuple(each.value for each in (LifecycleEvent.ITEM_END, LifecycleEvent.ITEM_FAILED, LifecycleEvent.GROUP_END))
_NEXT = (
    "SELECT e.*, r.batch_id, r.document_id, r.degraded, r.chunk_count, r.status_message AS run_message,"
    " r.attempt AS run_attempt, COALESCE(d.uri, '') AS uri, s.name AS stage, s.retry"
    " FROM lifecycle_event e LEFT JOIN run r ON r.id = e.run_id LEFT JOIN document d ON d.id = r.document_id"
    " LEFT JOIN run_step s ON s.id = (SELECT f.step_id FROM lifecycle_event f WHERE f.run_id = e.run_id"
    "  AND f.event = 'step_failed' AND f.id < e.id ORDER BY f.id DESC LIMIT 1)"
    " WHERE e.run_group_id = ? AND e.id > ? AND e.event IN (?, ?, ?) ORDER BY e.id LIMIT ?"
)


@dataclass(slots=True)
class Feed:
    """One run group. Each call of :meth:`news` tells what has happened since the call before."""

    queries: Queries
    group_id: int
    cursor: int = 0
    _told: tuple[int, ...] = ()
    _first: tuple[datetime, int, int] | None = None

    def news(self) -> Iterator[Event]:
        """Documents, errors and ends in their order; and the progress, where there is any, behind the documents."""
        while rows := self.queries.rows(_NEXT, [self.group_id, self.cursor, *_TOLD, _PAGE]):
            for row in rows:
                self.cursor = row["id"]
                if row["event"] == LifecycleEvent.GROUP_END:
                    yield from self._progress()
                    yield from ending(self.queries, self.group_id, row)
                else:
                    yield from _document(row)
        yield from self._progress()

    def _progress(self) -> Iterator[Event]:
        group = self.queries.group(self.group_id)
        if group is None:  # its records were deleted meanwhile
            return
        event = self._rated(progress(self.queries, group))
        figures = (event.processed_files, event.failed_files, event.skipped_files, event.total_files,
                   event.chunks_total, *(stage.done for stage in event.stages))  # fmt: skip
        if figures != self._told:
            self._told = figures
            yield event

    def _rated(self, event: ProgressEvent) -> ProgressEvent:
        """With the speed since this feed began, and the time that is left at that speed."""
        at, done = datetime.now(UTC), event.processed_files
        if self._first is None:
            self._first = (at, done, event.chunks_total)
        began, done_before, chunks_before = self._first
        seconds, here = (at - began).total_seconds(), done - done_before
        left = event.total_files - event.skipped_files - done
        if seconds <= 0 or here <= 0:
            return event
        speed = round((event.chunks_total - chunks_before) / seconds, 1)
        return replace(event, chunks_per_second=speed, remaining_seconds=round(seconds / here * left, 1))


def progress(queries: Queries, group: Row) -> ProgressEvent:
    """How a group stands now."""
    counts = queries.run_counts(group["id"])
    counts.pop("degraded")
    total, failed = sum(counts.values()), counts.get("failed", 0)
    return ProgressEvent(
        group["batch_id"],
        group["id"],
        total,
        counts.get("completed", 0) + failed,
        failed,
        tuple(StageProgress(row["name"], row["done"], row["failed"], total) for row in queries.stages(group["id"])),
        group["chunks_total"],
        group["chunks_embedded"],
        max(group["chunks_total"] - group["chunks_embedded"], 0),
        skipped_files=counts.get("cancelled", 0),
    )


def ending(queries: Queries, group_id: int, end: Row | None = None) -> list[Event]:
    """The end of a group: each stage that was gone through, then the group. ``end``: its event; else its last one."""
    if end is None:
        sql = "SELECT * FROM lifecycle_event WHERE run_group_id = ? AND event = 'group_end' ORDER BY id DESC LIMIT 1"
        end = queries.row(sql, [group_id])
    group = queries.group(group_id)
    if group is None or end is None:
        return []
    batch_id, at = group["batch_id"], end["at"]
    events: list[Event] = [
        StageCompleteEvent(batch_id, group_id, row["name"], seconds_between(row["started_at"], row["completed_at"]), at)
        for row in queries.stages(group_id)
        if row["started_at"] and row["completed_at"]
    ]
    counts = queries.run_counts(group_id)
    documents, failed = counts.get("completed", 0), counts.get("failed", 0)
    message = f"{documents} documents" + (f", {failed} failed" if failed else "")
    message = f"cancelled: {message}" if end["status"] == "cancelled" else message
    figures = {"documents": documents, "failed": failed, "chunks": group["chunks_total"]}
    return [*events, CompletedEvent(batch_id, group_id, end["status"], message, figures, at)]


def _document(row: Row) -> Iterator[Event]:
    same = (row["batch_id"], row["run_group_id"], row["document_id"], row["uri"])
    if row["event"] == LifecycleEvent.ITEM_END:
        yield DocumentEvent(*same, "completed", bool(row["degraded"]), row["chunk_count"], row["at"])
        return
    code, _, message = (row["status_message"] or "").partition(": ")
    yield ErrorEvent(*same, row["stage"] or "", code, message, row["at"], row["retry"] or 0)
    yield DocumentEvent(*same, "failed", timestamp=row["at"])
