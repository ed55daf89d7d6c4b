"""``summary``: what a batch came to: its documents as they stand now, the work of a run group, and what follows.

Reads SQLite; and, where passages lie in a database, how long they are and which languages documents state.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

from docmill import registry
from docmill.domain.events import now, seconds_between
from docmill.domain.recommendations import SHORT_PART, SLOW_DOCUMENTS_SHARE, Facts, recommend
from docmill.domain.results import (
    DocumentFigure,
    ExportOptions,
    Insights,
    RunFigures,
    StageFigures,
    StorageUsed,
    SummaryResult,
    SummaryTotals,
    Throughput,
    ThroughputBin,
    TypeOutcomes,
)
from docmill.domain.status import Status
from docmill.errors import DatabaseNotFound, InvalidState
from docmill.filetypes import type_by_name
from docmill.service import shapes
from docmill.service.passage_lengths import Passages, read_passages
from docmill.service.targets import Target, find_target
from docmill.settings import Settings, find_home
from docmill.stores import database_folders, reading, summary_queries
from docmill.stores.queries import OF_BATCH, Queries, Row
from docmill.stores.queries import reading as reading_state

SHOWN_DOCUMENTS, SHOWN_RUNS = 10, 20
REPORT_FORMATS = ["html", "json"]
MOST_BINS = 60
_BIN_SECONDS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400)
_TIMED_FIELDS = ("started_at", "completed_at")


def summary(settings: Settings, batch: str | None, *, run_group: int | None = None) -> SummaryResult:
    """Of a batch, with the newest of its run groups that has begun; or with the one that is named.

    Raises UsageError where neither is named, BatchNotFound, RunGroupNotFound, InvalidState for a group that has not
    begun.
    """
    home = find_home(settings)
    with reading_state(home) as queries, queries.snapshot():
        target = find_target(queries, batch, run_group)
        group = _group(queries, target)
        placed = summary_queries.placed(queries, target.batch_id, group["database"]) if group else {}
        database = _find_database(home, group["database"]) if group and placed else None
        passages = read_passages(database, placed, _chunk_size(group) // SHORT_PART) if database else Passages()
        database_bytes = 0
        if database is not None:
            share = sum(placed.values()) / max(summary_queries.chunks_of(queries, database.name), 1)
            database_bytes = round(database_folders.size_bytes(database.folder) * share)
        return _Summary(queries, target.batch, group, placed, passages, database_bytes).result()


def _find_database(home: Path, name: str) -> reading.Database | None:
    """None where somebody has deleted its folder, which the next sync mends: all else can be told all the same."""
    try:
        return reading.Database(home, name)
    except DatabaseNotFound:
        return None


def _group(queries: Queries, target: Target) -> Row | None:
    if target.run_group_id is None:
        group = queries.newest_group(target.batch_id)
        return group if group is not None and group["status"] != Status.SCHEDULED else None
    group = target.groups[0]
    if group["status"] in (Status.SCHEDULED, Status.CREATED):
        raise InvalidState(
            f"run group {group['id']} has not begun",
            hint=f"docmill summary {target.batch_id}",
            current_status=group["status"],
            valid_statuses=["running", "paused", "completed", "failed", "cancelled"],
        )
    return group


@dataclass
class _Summary:
    """One summary while it is put together, from one snapshot of the state."""

    queries: Queries
    batch: Row
    group: Row | None
    placed: Mapping[str, int]
    passages: Passages
    database_bytes: int
    stages: list[StageFigures] = field(default_factory=list)

    def result(self) -> SummaryResult:
        queries, batch_id = self.queries, self.batch["id"]
        types = summary_queries.types_and_outcomes(queries, batch_id)
        source_bytes, artifacts_bytes = summary_queries.sizes(queries, batch_id)
        copies, copied_bytes = summary_queries.copies(queries, batch_id)
        times = summary_queries.reading_times(queries, batch_id, max(SHOWN_DOCUMENTS, self._few_documents(types)))
        seconds = {row["id"]: row["seconds"] for row in times.slowest}
        self.stages = _stages(queries, self.group)
        endings = shapes.endings(queries, OF_BATCH, [batch_id])
        facts = self._facts(types, times, (copies, copied_bytes), endings["outcomes"].degraded)
        return SummaryResult(
            **{name: self.batch[name] for name in ("name", "description", "type", "status", "source")},
            batch_id=batch_id,
            generated_at=now(),
            summary=self._totals(types, artifacts_bytes + self.database_bytes),
            insights=Insights(
                document_types={name: counts.total() for name, counts in types.items()},
                outcomes_by_type=[_outcomes(name, counts) for name, counts in types.items()],
                languages_detected=self.passages.languages,
                pages=summary_queries.pages(queries, batch_id),
                duplicate_files=copies,
                duplicate_bytes=copied_bytes,
                chunk_lengths=self.passages.lengths,
            ),
            storage=StorageUsed(
                source_bytes=source_bytes, artifacts_bytes=artifacts_bytes, database_bytes=self.database_bytes
            ),
            run=_run(queries, self.group) if self.group is not None else None,
            stages=self.stages,
            throughput=_throughput(queries, self.group),
            runs=[_figures(row) for row in summary_queries.latest_groups(queries, batch_id, SHOWN_RUNS)],
            largest=[_document(row, None) for row in summary_queries.largest(queries, batch_id, SHOWN_DOCUMENTS)],
            slowest=[_document(row, seconds[row["id"]]) for row in times.slowest[:SHOWN_DOCUMENTS]],
            recommendations=recommend(facts),
            export_options=ExportOptions(report_formats=REPORT_FORMATS, data_exports=list(registry.names("exporters"))),
            **endings,
        )

    def _few_documents(self, types: Mapping[str, Counter[str]]) -> int:
        """So many of the slowest ones as the rule about them may look at."""
        return ceil(SLOW_DOCUMENTS_SHARE * sum(counts.total() for counts in types.values()))

    def _totals(self, types: Mapping[str, Counter[str]], storage: int) -> SummaryTotals:
        counts = sum(types.values(), Counter[str]())
        work = summary_queries.all_groups(self.queries, self.batch["id"])
        seconds = work["seconds"] + _still_running(self.group)
        return SummaryTotals(
            total_files=counts.total(),
            successfully_processed=counts[summary_queries.COMPLETED] + counts[summary_queries.DEGRADED],
            degraded_files=counts[summary_queries.DEGRADED],
            failed_files=counts[summary_queries.FAILED],
            pending_files=counts[summary_queries.PENDING],
            total_processing_time=round(seconds, 3),
            average_processing_time_per_file=round(seconds / work["ended"], 4) if work["ended"] else None,
            total_chunks_created=sum(self.placed.values()),
            total_embeddings_generated=work["embedded"],
            total_storage_used=storage,
        )

    def _facts(
        self,
        types: Mapping[str, Counter[str]],
        times: summary_queries.ReadingTimes,
        copies: tuple[int, int],
        degraded: Mapping[str, int],
    ) -> Facts:
        queries, batch_id, group = self.queries, self.batch["id"], self.group
        embedding = next((each.duration_seconds for each in self.stages if each.name in self._embedding()), None)
        return Facts(
            batch=str(batch_id),
            documents=sum(counts.total() for counts in types.values()),
            failures=summary_queries.failures_by_type(queries, batch_id),
            degraded=degraded,
            failed_for_now=summary_queries.failed_for_now(queries, batch_id),
            copies=copies[0],
            copied_bytes=copies[1],
            read_documents=times.documents,
            reading_seconds=times.seconds,
            slowest_seconds=tuple(row["seconds"] for row in times.slowest),
            passages=self.passages.count,
            short_passages=self.passages.short,
            run_seconds=group["processing_seconds"] if group else 0.0,
            embedding_seconds=embedding or 0.0,
            chunks_total=group["chunks_total"] if group else 0,
            chunks_embedded=group["chunks_embedded"] if group else 0,
            again=summary_queries.done_again(queries, group["id"]) if group else 0,
            params=_params(group),
        )

    def _embedding(self) -> set[str]:
        return {each["name"] for each in _steps(self.group) if each["type"] == "embed"}


# ---- the work --------------------------------------------------------------------------------------------------------


def _run(queries: Queries, group: Row) -> RunFigures:
    counts = queries.run_counts(group["id"])
    return _figures({**dict(group), **{name: counts.get(name, 0) for name in ("completed", "degraded", "failed")}})


def _figures(group: Mapping[str, Any] | Row) -> RunFigures:
    model, _, _fingerprint = json.loads(group["pipeline"]).get("model", "").rpartition(" ")
    return RunFigures(
        run_group_id=group["id"],
        status=group["status"],
        message=group["status_message"],
        **{name: group[name] for name in ("workflow", "params", "database", *_TIMED_FIELDS)},
        model=model or None,
        processing_time=round(group["processing_seconds"] + _still_running(group), 3),
        completed=group["completed"],
        degraded=group["degraded"],
        failed=group["failed"],
        chunks_total=group["chunks_total"],
        chunks_embedded=group["chunks_embedded"],
        chunks_reused=max(group["chunks_total"] - group["chunks_embedded"], 0),
    )


def _still_running(group: Mapping[str, Any] | Row | None) -> float:
    """Seconds of a group's work that are not written down yet, as its engine is at it."""
    if group is None or group["status"] != Status.RUNNING or group["started_at"] is None:
        return 0.0
    written: float = group["processing_seconds"]
    return max(seconds_between(group["started_at"], now()) - written, 0.0)


def _stages(queries: Queries, group: Row | None) -> list[StageFigures]:
    if group is None:
        return []
    work = summary_queries.work_seconds(queries, group["id"])
    return [
        StageFigures(
            **{name: getattr(stage, name) for name in StageFigures.model_fields if name != "work_seconds"},
            work_seconds=round(work[stage.name], 3) if stage.name in work else None,
        )
        for stage in shapes.stages(queries, group["id"])
    ]


def _throughput(queries: Queries, group: Row | None) -> Throughput | None:
    """What was done in each of at most ``MOST_BINS`` parts of the time from a group's start to its last step."""
    if group is None or group["started_at"] is None:
        return None
    read, embedded = summary_queries.moments(queries, group["id"])
    if not read and not embedded:
        return None
    start = group["started_at"]
    span = max(seconds_between(start, each[-1][0]) for each in (read, embedded) if each)
    width = next((each for each in _BIN_SECONDS if span / each < MOST_BINS), None) or 86_400 * ceil(
        span / 86_400 / MOST_BINS
    )
    read_in, embedded_in = _binned(read, start, width), _binned(embedded, start, width)
    return Throughput(
        bin_seconds=width,
        bins=[
            ThroughputBin(
                offset_seconds=round(number * width, 1),
                documents_read=read_in[number],
                chunks_embedded=embedded_in[number],
            )
            for number in range(int(max(span, 0) / width) + 1)
        ],
    )


def _binned(moments: Sequence[tuple[str, int]], start: str, width: float) -> Counter[int]:
    found: Counter[int] = Counter()
    for at, number in moments:
        found[max(int(seconds_between(start, at) / width), 0)] += number
    return found


# ---- documents -------------------------------------------------------------------------------------------------------


def _outcomes(name: str, counts: Counter[str]) -> TypeOutcomes:
    return TypeOutcomes(
        type=name,
        total=counts.total(),
        completed=counts[summary_queries.COMPLETED],
        degraded=counts[summary_queries.DEGRADED],
        failed=counts[summary_queries.FAILED],
        pending=counts[summary_queries.PENDING],
    )


def _document(row: Row, seconds: float | None) -> DocumentFigure:
    found = shapes.text_yield(row)
    return DocumentFigure(
        document_id=row["id"],
        uri=row["uri"],
        type=row["type"] or type_by_name(f"x{row['suffix']}"),
        status=row["outcome"] or summary_queries.PENDING,
        size_bytes=row["size_bytes"],
        pages=found.pages if found else None,
        chunk_count=row["chunk_count"],
        seconds=None if seconds is None else round(seconds, 3),
    )


# ---- what the run was given ------------------------------------------------------------------------------------------


def _steps(group: Row | None) -> list[dict[str, Any]]:
    return list(json.loads(group["pipeline"]).get("steps", [])) if group is not None else []


def _params(group: Row | None) -> dict[str, dict[str, Any]]:
    return {each["type"]: each["params"] for each in _steps(group)}


def _chunk_size(group: Row | None) -> int:
    return int(_params(group).get("chunk", {}).get("size") or 0)
