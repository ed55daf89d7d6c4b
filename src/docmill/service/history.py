"""Looks up what was done: lists of batches, run groups, runs and steps, with filters and totals; and their figures.

Reads only, and imports nothing heavy.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from math import ceil

from docmill.domain.events import seconds_between
from docmill.domain.redaction import redacted_values
from docmill.domain.results import (
    ActiveBatch,
    ActiveBatches,
    Aggregations,
    BatchList,
    Durations,
    RunGroupList,
    RunGroupShown,
    RunGroupStats,
    RunLifecycle,
    RunList,
    RunShown,
    StepList,
    StepStats,
)
from docmill.engine.lock import RUNNING
from docmill.errors import RunGroupNotFound, RunNotFound
from docmill.service import recording, shapes
from docmill.service.holding import find_holder
from docmill.service.inputs import instant
from docmill.service.targets import find_target
from docmill.settings import Settings, find_home
from docmill.stores import history
from docmill.stores.history import Chosen, ChosenBatches
from docmill.stores.queries import Queries, Row, reading


def list_batches(
    settings: Settings,
    *,
    limit: int,
    offset: int,
    status: str | None = None,
    type: str | None = None,  # noqa: A002 - the field's name in the JSON contract
    priority: str | None = None,
    created_after: str | None = None,
    created_before: str | None = None,
    search: str | None = None,
    sort: str = "created_at",
    descending: bool | None = None,
) -> BatchList:
    """``search``: in names and descriptions, whatever the case. ``descending`` None: newest first, names from a to z.

    Raises UsageError for what is no time.
    """
    chosen = ChosenBatches(
        status=status,
        type=type,
        priority=priority,
        created_after=instant(created_after),
        created_before=instant(created_before),
        search=search or None,
        sort=sort,
        descending=sort != "name" if descending is None else descending,
        limit=limit,
        offset=offset,
    )
    with reading(find_home(settings)) as queries, queries.snapshot():
        page = history.batches(queries, chosen)
        summaries = [shapes.batch_summary(queries, row) for row in page.rows]
    return BatchList(
        batches=summaries,
        aggregations=Aggregations(by_status=page.by_status, by_type=page.by_type),
        total=page.total,
        limit=limit,
        offset=offset,
    )


def list_active(settings: Settings, *, limit: int, offset: int) -> ActiveBatches:
    """Batches that are running or paused, and whether an engine is at them."""
    home = find_home(settings)
    engine = find_holder(home)
    with reading(home) as queries, queries.snapshot():
        total, rows = history.unfinished_batches(queries, limit, offset)
        batches = [_active(queries, row, engine_there=engine is not None and engine.state == RUNNING) for row in rows]
    return ActiveBatches(engine=engine, batches=batches, total=total, limit=limit, offset=offset)


def list_runs(
    settings: Settings,
    batch: str | None = None,
    *,
    limit: int,
    offset: int,
    run_group: int | None = None,
    statuses: Sequence[str] = (),
    include_steps: bool = False,
    include_document: bool = False,
) -> RunList:
    """Runs of a batch, of a run group, or of the home. Raises BatchNotFound, RunGroupNotFound."""
    with reading(find_home(settings)) as queries, queries.snapshot():
        chosen = _chosen(queries, batch, run_group, statuses=statuses, limit=limit, offset=offset)
        total, rows = history.runs(queries, chosen)
        steps = history.steps_of_runs(queries, [row["id"] for row in rows]) if include_steps else {}
        runs = [recording.run(row, steps.get(row["id"]), document=include_document) for row in rows]
    return RunList(runs=runs, total=total, limit=limit, offset=offset)


def show_run(settings: Settings, run_id: int) -> RunShown:
    """One run, with its steps and its document. Raises RunNotFound."""
    with reading(find_home(settings)) as queries, queries.snapshot():
        row = _run(queries, run_id)
        steps = history.steps_of_runs(queries, [run_id])[run_id]
    return RunShown(run=recording.run(row, steps, document=True))


def run_lifecycle(settings: Settings, run_id: int, *, include_group: bool = False) -> RunLifecycle:
    """What happened to one run, in order; with ``include_group`` also to its group. Raises RunNotFound."""
    with reading(find_home(settings)) as queries, queries.snapshot():
        row = _run(queries, run_id)
        found = history.lifecycle(queries, run_id, group_id=row["run_group_id"] if include_group else None)
    return RunLifecycle(
        run_id=run_id,
        run_group_id=row["run_group_id"],
        batch_id=row["batch_id"],
        uri=row["uri"],
        total=len(found),
        events=[recording.event(each) for each in found],
    )


def list_steps(
    settings: Settings,
    batch: str | None = None,
    *,
    limit: int,
    offset: int,
    run_group: int | None = None,
    statuses: Sequence[str] = (),
    types: Sequence[str] = (),
) -> StepList:
    """Steps of a batch, of a run group, or of the home. Raises BatchNotFound, RunGroupNotFound."""
    with reading(find_home(settings)) as queries, queries.snapshot():
        chosen = _chosen(queries, batch, run_group, statuses=statuses, types=types, limit=limit, offset=offset)
        total, rows = history.steps(queries, chosen)
    return StepList(steps=[recording.step(row) for row in rows], total=total, limit=limit, offset=offset)


def list_run_groups(
    settings: Settings, batch: str | None = None, *, limit: int, offset: int, statuses: Sequence[str] = ()
) -> RunGroupList:
    """Run groups of a batch, or of the home, newest first. Raises BatchNotFound."""
    with reading(find_home(settings)) as queries, queries.snapshot():
        chosen = _chosen(queries, batch, None, statuses=statuses, limit=limit, offset=offset)
        total, rows = history.groups(queries, chosen)
        groups = [recording.group(row, queries.run_counts(row["id"])) for row in rows]
    return RunGroupList(run_groups=groups, total=total, limit=limit, offset=offset)


def show_run_group(settings: Settings, group_id: int) -> RunGroupShown:
    """One run group, with the definitions that it runs. Raises RunGroupNotFound."""
    with reading(find_home(settings)) as queries, queries.snapshot():
        row = find_group(queries, group_id)
        counts = queries.run_counts(group_id)
    return RunGroupShown(run_group=recording.group(row, counts), pipeline=redacted_values(json.loads(row["pipeline"])))


def run_group_stats(settings: Settings, group_id: int) -> RunGroupStats:
    """Counts and durations of a run group. Raises RunGroupNotFound."""
    with reading(find_home(settings)) as queries, queries.snapshot():
        row = find_group(queries, group_id)
        runs = queries.run_counts(group_id)
        counted = history.step_statuses(queries, group_id)
        seconds = history.step_seconds(queries, group_id)
        times = history.run_times(queries, group_id)
    steps: Counter[str] = Counter()
    for each in counted:
        steps[each["status"]] += each["n"]
    return RunGroupStats(
        run_group_id=group_id,
        batch_id=row["batch_id"],
        status=row["status"],
        runs={name: number for name, number in runs.items() if number},
        steps=dict(steps),
        step_types=step_stats(counted, seconds),
        run_durations=durations(sorted(seconds_between(*each) for each in times)),
        retries=sum(each["retries"] for each in counted),
        reused=sum(each["reused"] for each in counted),
        duration=recording.duration(row["started_at"], row["completed_at"]),
    )


def step_stats(counted: Sequence[Row], seconds: dict[str, list[float]]) -> list[StepStats]:
    """``counted``: steps by name, type and status; ``seconds``: of those that were done, ascending, by name."""
    by_step: dict[tuple[str, str], list[Row]] = {}
    for row in counted:
        by_step.setdefault((row["name"], row["type"]), []).append(row)
    return [
        StepStats(
            name=name,
            type=step_type,
            total=sum(row["n"] for row in rows),
            by_status={row["status"]: row["n"] for row in rows},
            reused=sum(row["reused"] for row in rows),
            retries=sum(row["retries"] for row in rows),
            durations=durations(seconds.get(name, [])),
        )
        for (name, step_type), rows in by_step.items()
    ]


def durations(ascending: Sequence[float]) -> Durations | None:
    """Percentiles by nearest rank: the smallest value that so large a share of all values does not exceed."""
    if not ascending:
        return None

    def percentile(share: float) -> float:
        return ascending[ceil(share * len(ascending)) - 1]

    return Durations(
        count=len(ascending),
        min=ascending[0],
        p50=percentile(0.5),
        p95=percentile(0.95),
        max=ascending[-1],
        total=round(sum(ascending), 6),
    )


def _active(queries: Queries, batch: Row, *, engine_there: bool) -> ActiveBatch:
    group = queries.newest_group(batch["id"], [batch["status"]])
    return ActiveBatch(
        batch_id=batch["id"],
        name=batch["name"],
        status=batch["status"],
        priority=batch["priority"],
        run_group_id=group["id"] if group else None,
        engine_at_work=engine_there and batch["status"] == "running",
        started_at=group["started_at"] if group else batch["started_at"],
        paused_at=group["paused_at"] if group else None,
        progress=shapes.progress(queries, batch, group),
    )


def _chosen(
    queries: Queries,
    batch: str | None,
    run_group: int | None,
    *,
    limit: int,
    offset: int,
    statuses: Sequence[str] = (),
    types: Sequence[str] = (),
) -> Chosen:
    batch_id = None
    if batch is not None or run_group is not None:
        batch_id = find_target(queries, batch, run_group).batch_id
    return Chosen(
        batch_id=batch_id if run_group is None else None,
        run_group_id=run_group,
        statuses=statuses,
        types=types,
        limit=limit,
        offset=offset,
    )


def _run(queries: Queries, run_id: int) -> Row:
    row = history.find_run(queries, run_id)
    if row is None:
        raise RunNotFound(f"no run {run_id}", run_id=run_id)
    return row


def find_group(queries: Queries, group_id: int) -> Row:
    """Raises RunGroupNotFound."""
    row = queries.group(group_id)
    if row is None:
        raise RunGroupNotFound(
            f"no run group {group_id}", hint="`docmill run-groups list` shows them", run_group_id=group_id
        )
    return row
