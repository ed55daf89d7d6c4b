"""Batches that start by themselves: at a time, or by a cron expression. Whoever works here starts what is due.

A schedule is a run group in status ``scheduled``. When its time has come, its source's folder is scanned, its documents
that are due get runs, and by a cron expression the next group is scheduled: all in one transaction, so that a start
happens once, however many look. Times that were missed while nobody looked are made up once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from docmill.domain.events import MessageEvent, Reporter, now
from docmill.domain.planning import PlannedGroup, Selection
from docmill.domain.sources import SourceSettings, Wishes
from docmill.errors import (
    ConcurrentBatchLimit,
    DocmillError,
    InvalidState,
    NotFoundError,
    Overtaken,
    StoppedError,
    StorageError,
)
from docmill.service import due, sources, timetable
from docmill.service.controlling import writing
from docmill.service.looking import Looked, look, refuse_mass_deletion
from docmill.service.pipelines import prepare
from docmill.service.recovery import recover_lost_database
from docmill.settings import Settings
from docmill.stores.queries import Row, reading
from docmill.stores.state import catalogue, limits, ruling, schedules
from docmill.stores.state.database import Transaction
from docmill.stores.state.logs import log_group

_MOST_TOLD = 20  # files that could not be read, by name


@dataclass(frozen=True, slots=True)
class ByHand:
    """How somebody starts a scheduled group before its time. ``wanted``: which documents, within the group's own.

    ``again_at``: when the next one is due, where the cron expression is not to say.
    """

    told: SourceSettings
    wanted: Selection = field(default_factory=Selection)
    no_cache: tuple[str, ...] = ()
    again_at: str | None = None


def schedule(tx: Transaction, planned: PlannedGroup, *, at: str | None, cron: str | None) -> int | None:
    """The first group of a new batch that has a schedule: at its time, else at the expression's first."""
    if at is None and cron is None:
        return None
    when = at if at is not None else timetable.next_time(cron or "", datetime.now(UTC))
    return schedules.create_scheduled(tx, planned, when)


def start_due(
    home: Path, settings: Settings, reporter: Reporter, *, meanwhile: Callable[[], None] = lambda: None
) -> list[int]:
    """Start every scheduled group whose time has come. Returns the ids of those that run now, or could not begin.

    One that cannot begin, as its folder is gone or its workflow is broken, ends as failed, with the reason. Where as
    many batches run as may, the others stay scheduled. ``meanwhile`` is called before each file that is read, and may
    raise StoppedError: then what is due stays so.
    """
    with reading(home) as queries:
        _replan(home, due.misplanned_groups(queries))
        found = due.due_groups(queries)
        begun = []
        for row in found:
            if due.batches_running(queries) >= settings.max_running_batches:
                break  # before its folder is read, which may take long
            try:
                start_now(home, settings, reporter, row, meanwhile=meanwhile)
                reporter.emit(MessageEvent("info", f"batch {row['batch_id']} ({row['name']}) is due and begins"))
            except (ConcurrentBatchLimit, StoppedError):
                break
            except (InvalidState, Overtaken):
                continue  # its folder is held, or changed under another shell: the next look starts it
            except (DocmillError, OSError) as error:
                _fail(home, row, error.message if isinstance(error, DocmillError) else str(error), reporter)
            begun.append(row["id"])
    return begun


def start_now(
    home: Path,
    settings: Settings,
    reporter: Reporter,
    row: Row,
    by_hand: ByHand | None = None,
    *,
    meanwhile: Callable[[], None] = lambda: None,
) -> None:
    """Start a scheduled group: by what its batch's definitions are now, or as ``by_hand`` says.

    Raises Overtaken where it is not scheduled any more, ConcurrentBatchLimit, and whatever a ``sync`` of the batch's
    folder would raise.
    """
    with reading(home) as queries:
        batch = queries.batch(str(row["batch_id"]))
        how = by_hand or ByHand(sources.definitions_of(queries, batch))
        profiles = sources.profiles_of(queries, row["batch_id"])
    prepare(home, reporter, how.told.workflow, how.told.params, how.told.overrides)  # before a folder is looked through
    looked = _look(home, row["source"], meanwhile)
    profiles |= looked.profiles if looked is not None else set()
    pipeline = prepare(home, reporter, how.told.workflow, how.told.params, how.told.overrides, profiles)
    recover_lost_database(home, reporter, pipeline.database)
    planned = replace(pipeline.planned_group(row["batch_id"]), no_cache=how.no_cache)
    upcoming = _times(row)
    with writing(home) as state, state.transaction() as tx:
        limits.require_room(tx, row["batch_id"], settings.max_running_batches)
        selection = replace(how.wanted, batch_id=row["batch_id"])
        if looked is not None:
            catalogue.record_changes(tx, looked.source, looked.batch_id, looked.changes)
            ruling.apply(tx, looked.source, looked.before, looked.settings)
            selection = replace(how.wanted, source=looked.source)
        schedules.start_scheduled(tx, row["id"], planned, selection)
        if looked is not None:
            _log_unread(tx, row["id"], looked)
        _schedule_next(tx, row, upcoming, how.again_at)
    for error in looked.errors[:_MOST_TOLD] if looked is not None else ():
        reporter.emit(MessageEvent("warning", f"{error.uri}: {error.error_message}"))


def _look(home: Path, source: str | None, meanwhile: Callable[[], None]) -> Looked | None:
    """The batch's folder, scanned; None where it follows none. Raises as ``sync`` does."""
    if source is None:
        return None
    with reading(home) as queries:
        known = queries.source(source)
    if known is None:
        raise NotFoundError(f"there is no source {source!r}", hint="make it with `docmill sync` or `docmill ingest`")
    folder = sources.folder_path(known["folder"])
    if folder is None:
        return None
    looked = look(home, folder, known["name"], Wishes(), meanwhile=meanwhile)
    if "/" in looked.scan.unreadable:
        raise StorageError(f"the folder {folder} cannot be read: {looked.scan.unreadable['/']}")
    refuse_mass_deletion(looked)
    return looked


def _log_unread(tx: Transaction, group_id: int, looked: Looked) -> None:
    """What a ``sync`` would answer with: here nobody waits for an answer."""
    for error in looked.errors[:_MOST_TOLD]:
        about = {"uri": error.uri, "error_code": error.error_code}
        log_group(tx, "error", error.error_message, group_id, **about)
    if len(looked.errors) > _MOST_TOLD:
        log_group(tx, "error", "further files could not be read", group_id, files=len(looked.errors) - _MOST_TOLD)


def _fail(home: Path, row: Row, reason: str, reporter: Reporter) -> None:
    upcoming = _times(row)
    try:
        with writing(home) as state, state.transaction() as tx:
            schedules.fail_scheduled(tx, row["id"], reason)
            _schedule_next(tx, row, upcoming, None)
    except Overtaken:
        return
    message = f"batch {row['batch_id']} ({row['name']}) is due and cannot start: {reason}"
    reporter.emit(MessageEvent("warning", message))


def _replan(home: Path, misplanned: list[Row]) -> None:
    """Plan anew what was planned by a clock that has been put back since: its time may never come."""
    for row in misplanned:
        upcoming = _times(row)
        try:
            with writing(home) as state, state.transaction() as tx:
                schedules.replan(tx, row["id"], _unused(tx, row["batch_id"], upcoming))
        except Overtaken:
            continue


def _schedule_next(tx: Transaction, row: Row, upcoming: Iterator[str], again_at: str | None) -> None:
    if row["cron"] is not None:
        schedules.repeat_scheduled(tx, row["id"], again_at or _unused(tx, row["batch_id"], upcoming))


def _times(row: Row) -> Iterator[str]:
    """From now on, by the batch's expression; none where it has none."""
    return timetable.times(row["cron"], datetime.now(UTC)) if row["cron"] is not None else iter(())


def _unused(tx: Transaction, batch_id: int, upcoming: Iterator[str]) -> str:
    """The first time that no group of the batch has begun for: a clock that was put back makes none come twice."""
    taken = schedules.times_taken(tx, batch_id, now())
    return next(time for time in upcoming if time not in taken)
