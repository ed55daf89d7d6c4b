"""``start``: run a batch's documents through a pipeline."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from docmill.domain.events import Reporter, now
from docmill.domain.planning import Selection
from docmill.domain.results import DetachedResult, RunResult
from docmill.domain.sources import SourceSettings, Wishes
from docmill.domain.status import Trigger
from docmill.engine.lock import RUNNING
from docmill.errors import DocumentNotFound, InvalidState, Overtaken, UsageError
from docmill.service import detached, due, passwords, scheduling, sources
from docmill.service.controlling import supersede, writing
from docmill.service.engines import work_until_done
from docmill.service.holding import describe, find_holder
from docmill.service.outcomes import run_result
from docmill.service.pipelines import prepare
from docmill.service.recovery import recover_lost_database
from docmill.service.targets import find_target
from docmill.settings import Settings, find_home
from docmill.stores.queries import OF_BATCH, Queries, Row, reading
from docmill.stores.state import catalogue, groups

CACHED_STEPS = ("parse", "chunk", "embed")


def start(
    settings: Settings,
    reporter: Reporter,
    batch: str,
    *,
    workflow: str | None = None,
    params: str | None = None,
    overrides: list[str] | None = None,
    password_file: str | None = None,
    documents: list[str] | None = None,
    force: bool = False,
    no_cache: list[str] | None = None,
    override_schedule: bool = False,
    detach: bool = False,
) -> RunResult | DetachedResult:
    """Run the batch's documents that are due through a pipeline, and wait for the end.

    ``documents``: URIs; only these. ``no_cache``: step types that do not use what was computed before. ``force``: also
    documents that are up to date, and no step uses what was computed before. ``override_schedule``: a batch that is
    scheduled, before its time. ``detach``: do not wait; the engine that is at work does it, or one in the background.

    Raises InvalidState where the batch is paused, or scheduled for later; ConcurrentBatchLimit; DocumentNotFound.
    """
    wishes = Wishes(workflow, params, overrides or None, password_file=password_file)
    wish = _Wish(wishes, documents, force, no_cache or [], override_schedule)
    home = find_home(settings)
    began, started_at = time.perf_counter(), now()
    while True:
        try:
            batch_id, running, started = _begin(home, settings, reporter, batch, wish)
            break
        except Overtaken:  # a worker was faster, or the folder changed: what was written is known by now
            continue
    if detach:
        return _detach(home, settings, batch_id, running, started)
    if running:
        work_until_done(home, settings, reporter, running)
    newest = started or (running[-1] if running else None)
    return run_result(home, batch_id, newest, began, started_at=started_at)


def _detach(home: Path, settings: Settings, batch_id: int, running: list[int], started: int | None) -> DetachedResult:
    """Leave the work to the engine that is at work, and to a worker in the background.

    Also where there is an engine: it may be just about to end, or to be ended, and then the worker goes on.
    """
    if not running:
        said = "nothing to do: every document is up to date"
        return DetachedResult(
            batch_id=batch_id, run_group_id=None, status="completed", pid=None, log=None, message=said
        )
    engine = None if settings.take_over else find_holder(home)
    worker, log = None if settings.take_over else detached.find_worker(home), None
    if worker is None:
        worker, log = detached.start_worker(home, settings)
    pid, said = worker, f"process {worker} does it in the background"
    if engine is not None and engine.state != RUNNING:
        said = f"{describe(engine)}, is in the way; --take-over ends it"
    elif engine is not None and engine.pid != worker:
        pid, log = engine.pid, None
        said = f"{describe(engine)}, does it; process {worker} in the background goes on should that end before"
    return DetachedResult(
        batch_id=batch_id,
        run_group_id=started or running[-1],
        status="running",
        pid=pid,
        log=log,
        message=f"{said}; follow it with `docmill wait {batch_id}`",
    )


@dataclass(frozen=True, slots=True)
class _Wish:
    definitions: Wishes
    documents: list[str] | None
    force: bool
    no_cache: list[str]
    override_schedule: bool


def _begin(
    home: Path, settings: Settings, reporter: Reporter, batch: str, wish: _Wish
) -> tuple[int, list[int], int | None]:
    """Write down what is wanted. Returns the batch, its groups that run now, and the one that was begun, if any was."""
    with reading(home) as queries:
        target = find_target(queries, batch)
        row, waiting = target.batch, due.scheduled_group(queries, target.batch_id)
        selected = _document_ids(queries, row["id"], wish.documents) if wish.documents else None
        followed = queries.followed_source(row["id"])
        told = sources.definitions_of(queries, row).told(wish.definitions)
        profiles = sources.profiles_of(queries, row["id"])
    if row["status"] == "paused":
        raise target.refuse(Trigger.START, "docmill resume")
    if waiting is not None and row["status"] == "scheduled":
        started = _before_its_time(home, settings, reporter, waiting, wish, selected, told)
        return row["id"], [started], started
    pipeline = prepare(home, reporter, told.workflow, told.params, told.overrides, profiles)
    supersede(home, settings, row["id"], pipeline)
    recover_lost_database(home, reporter, pipeline.database)
    with writing(home) as state, state.transaction() as tx:
        selection = Selection(batch_id=row["id"], document_ids=selected, force=wish.force)
        if followed is not None:
            selection = Selection(source=followed, document_ids=selected, force=wish.force)
        if pipeline.password_files:
            for source in {followed} if followed is not None else catalogue.sources_of(tx, row["id"]):
                passwords.release(tx, source, passwords.due_before(pipeline, told_anew=True))
        planned = replace(pipeline.planned_group(row["id"]), no_cache=_not_cached(wish.no_cache, force=wish.force))
        group_id = groups.create_group(tx, planned, selection, most_running=settings.max_running_batches)
        sql = "SELECT id FROM run_group WHERE batch_id = ? AND status = 'running' ORDER BY id"
        return row["id"], [each.id for each in tx.rows(sql, [row["id"]])], group_id


def _before_its_time(
    home: Path,
    settings: Settings,
    reporter: Reporter,
    waiting: Row,
    wish: _Wish,
    selected: tuple[str, ...] | None,
    told: SourceSettings,
) -> int:
    """Start a scheduled group. By a cron expression, the time that was planned stays as it is."""
    early = waiting["scheduled_for"] > now()
    if early and not wish.override_schedule:
        raise InvalidState(
            f"batch {waiting['batch_id']} is scheduled for {waiting['scheduled_for']}",
            hint=f"docmill start {waiting['batch_id']} --override-schedule",
            current_status="scheduled",
            valid_statuses=["created", "completed", "failed", "cancelled"],
            scheduled_for=waiting["scheduled_for"],
        )
    by_hand = scheduling.ByHand(
        told,
        Selection(document_ids=selected, force=wish.force),
        _not_cached(wish.no_cache, force=wish.force),
        again_at=waiting["scheduled_for"] if early else None,
    )
    scheduling.start_now(home, settings, reporter, waiting, by_hand)
    return int(waiting["id"])


def _not_cached(named: list[str], *, force: bool) -> tuple[str, ...]:
    """Step types that compute anew: the named ones, and what is made of their output. Raises UsageError.

    Texts are embedded anew only where ``embed`` itself is meant: a vector follows from its text alone.
    """
    unknown = sorted(set(named) - set(CACHED_STEPS))
    if unknown:
        raise UsageError(f"step type {unknown[0]!r} keeps no results", hint=f"one of {', '.join(CACHED_STEPS)}")
    anew = set(CACHED_STEPS if force else named)
    if "parse" in anew:
        anew.add("chunk")
    return tuple(step for step in CACHED_STEPS if step in anew)


def _document_ids(queries: Queries, batch_id: int, named: list[str]) -> tuple[str, ...]:
    """Ids of a batch's documents, by URI or by id. Raises DocumentNotFound."""
    ids = []
    for each in named:
        sql = f"SELECT id FROM document d WHERE {OF_BATCH} AND state = 'active' AND (uri = ? OR id = ?)"  # noqa: S608 - a constant
        found = queries.value(sql, [batch_id, each, each])
        if found is None:
            raise DocumentNotFound(f"no document {each!r} in this batch", uri=each)
        ids.append(found)
    return tuple(ids)
