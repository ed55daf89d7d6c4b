"""``stats``: how long the work of a run group took, and how much it got through.

Reads only, and imports nothing heavy.
"""

from __future__ import annotations

from heapq import nlargest
from typing import Any

from docmill.domain.events import seconds_between
from docmill.domain.results import (
    SlowRun,
    StatsDurations,
    StatsSteps,
    StatsThroughput,
    StepThroughput,
    TypeDurations,
)
from docmill.errors import RunGroupNotFound, UsageError
from docmill.filetypes import type_by_name
from docmill.service import recording, shapes
from docmill.service.history import durations as spread
from docmill.service.history import find_group, step_stats
from docmill.settings import Settings, find_home
from docmill.stores import figures, history
from docmill.stores.queries import Queries, Row, reading


def durations(
    settings: Settings, run_group: int | None = None, *, batch: str | None = None, slowest: int = 5
) -> StatsDurations:
    """How long documents took, by type too, and the slowest ones. Raises RunGroupNotFound, BatchNotFound."""
    with reading(find_home(settings)) as queries, queries.snapshot():
        group = _group(queries, run_group, batch)
        seconds: dict[int, float] = {}
        by_type: dict[str, list[float]] = {}
        types: dict[int, str] = {}
        for run_id, began, ended, stored_type, suffix in figures.run_times(queries, group["id"]):
            seconds[run_id] = seconds_between(began, ended)
            types[run_id] = stored_type or type_by_name(f"x{suffix}") or "unknown"
            by_type.setdefault(types[run_id], []).append(seconds[run_id])
        slow = nlargest(slowest, seconds, key=lambda run_id: seconds[run_id])
        runs, steps = figures.runs_by_id(queries, slow), figures.longest_steps(queries, slow)
        about = _about(queries, group)
    spreads = [(name, spread(sorted(each))) for name, each in by_type.items()]
    return StatsDurations(
        **about,
        runs=spread(sorted(seconds.values())),
        by_type=[
            TypeDurations(type=name, durations=each)
            for name, each in sorted(spreads, key=lambda pair: -pair[1].total if pair[1] else 0)
            if each is not None
        ],
        slowest=[_slow(runs[each], types[each], seconds[each], steps.get(each)) for each in slow],
    )


def steps(settings: Settings, run_group: int | None = None, *, batch: str | None = None) -> StatsSteps:
    """How often each step was done and reused, and how long it took. Raises RunGroupNotFound, BatchNotFound."""
    with reading(find_home(settings)) as queries, queries.snapshot():
        group = _group(queries, run_group, batch)
        counted = history.step_statuses(queries, group["id"])
        seconds = history.step_seconds(queries, group["id"])
        return StatsSteps(**_about(queries, group), step_stats=step_stats(counted, seconds))


def throughput(settings: Settings, run_group: int | None = None, *, batch: str | None = None) -> StatsThroughput:
    """How much the run group, and each of its steps, got through. Raises RunGroupNotFound, BatchNotFound."""
    with reading(find_home(settings)) as queries, queries.snapshot():
        group = _group(queries, run_group, batch)
        about, amounts = _about(queries, group), figures.amounts(queries, group["id"])
        done = figures.steps_done(queries, group["id"])
        reused = figures.amounts_reused(queries, group["id"]) if any(row["reused"] for row in done) else {}
    seconds = about["processing_seconds"]
    return StatsThroughput(
        **about,
        documents=amounts["documents"],
        pages=amounts["pages"] or 0,
        chunks=group["chunks_total"],
        chunks_embedded=group["chunks_embedded"],
        size_bytes=amounts["size_bytes"] or 0,
        documents_per_second=_rate(amounts["documents"], seconds),
        pages_per_minute=_rate(60 * (amounts["pages"] or 0), seconds),
        chunks_per_second=_rate(group["chunks_total"], seconds),
        bytes_per_second=_rate(amounts["size_bytes"] or 0, seconds),
        step_throughput=[_step(row, amounts, reused.get(row["name"]), seconds) for row in done],
    )


def _group(queries: Queries, run_group: int | None, batch: str | None) -> Row:
    """The one that is named, else the latest one: of a batch, or of the home."""
    if run_group is not None:
        if batch is not None:
            raise UsageError("name a run group or a batch, not both")
        return find_group(queries, run_group)
    batch_id = queries.batch(batch)["id"] if batch is not None else None
    found = figures.latest_group(queries, batch_id)
    if found is None:
        whose = f"batch {batch_id} has" if batch_id is not None else "this home has"
        raise RunGroupNotFound(
            f"{whose} no run group that has begun", hint="`docmill sync` or `docmill start` begins one"
        )
    return found


def _about(queries: Queries, group: Row) -> dict[str, Any]:
    return {
        "run_group_id": group["id"],
        "batch_id": group["batch_id"],
        "batch": queries.batch(str(group["batch_id"]))["name"],
        "workflow": group["workflow"],
        "params": group["params"],
        "status": group["status"],
        "started_at": group["started_at"],
        "completed_at": group["completed_at"],
        "duration": recording.duration(group["started_at"], group["completed_at"]),
        "processing_seconds": round(shapes.processing_seconds(group), 3),
    }


def _slow(run: Row, document_type: str, seconds: float, step: Row | None) -> SlowRun:
    return SlowRun(
        run_id=run["id"],
        document_id=run["document_id"],
        uri=run["uri"],
        type=document_type,
        status=run["status"],
        duration=seconds,
        longest_step=step["name"] if step is not None else None,
        longest_step_duration=step["seconds"] if step is not None else None,
    )


def _step(row: Row, amounts: Row, reused: Row | None, most_seconds: float) -> StepThroughput:
    """``amounts``: of all documents; ``reused``: of those for which the step was not done."""

    def of(name: str) -> int:
        return int((amounts[name] or 0) - ((reused[name] or 0) if reused is not None else 0)) if row["documents"] else 0

    seconds = seconds_between(row["began"], row["ended"]) if row["began"] and row["ended"] else 0.0
    if most_seconds:
        seconds = min(seconds, most_seconds)
    return StepThroughput(
        name=row["name"],
        type=row["type"],
        documents=row["documents"],
        pages=of("pages"),
        chunks=of("chunks"),
        seconds=round(seconds, 3),
        work_seconds=round(row["work_seconds"], 3),
        documents_per_second=_rate(row["documents"], seconds),
        pages_per_minute=_rate(60 * of("pages"), seconds),
        chunks_per_second=_rate(of("chunks"), seconds),
    )


def _rate(amount: float, seconds: float) -> float | None:
    return round(amount / seconds, 2) if amount and seconds > 0 else None
