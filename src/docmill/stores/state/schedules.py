"""Writes run groups that are to start later: made, started when their time has come, or failed where they cannot.

One that somebody else has started or cancelled meanwhile is left alone: that raises Overtaken.
"""

from __future__ import annotations

from typing import Any

from docmill.domain.events import now
from docmill.domain.planning import PlannedGroup, Selection
from docmill.domain.status import Entity, Status, Trigger
from docmill.errors import Overtaken
from docmill.stores.state import groups
from docmill.stores.state.database import Transaction
from docmill.stores.state.logs import log_group
from docmill.stores.state.transitions import Move, apply, refresh_batch


def create_scheduled(tx: Transaction, group: PlannedGroup, scheduled_for: str) -> int:
    """A group without runs that waits for its time."""
    return _insert(tx, group.batch_id, groups.definition_of(tx, group), scheduled_for)


def start_scheduled(tx: Transaction, group_id: int, group: PlannedGroup, selection: Selection) -> None:
    """Give a scheduled group the pipeline of now and a run for each document that is due, which may be none.

    Raises Overtaken, also where another group of its batch is at work or held; ModelMismatch.
    """
    _require_scheduled(tx, group_id)
    sql = "SELECT id FROM run_group WHERE batch_id = ? AND status IN ('running', 'paused') LIMIT 1"
    other = tx.value(sql, [group.batch_id])
    if other is not None:
        raise Overtaken(f"run group {other} of the same batch has just begun")
    groups.require_model(tx, group)
    fields = groups.definition_of(tx, group)
    at = now()
    move = Move(
        Entity.GROUP, Trigger.START, group_id, group_id, at=at, fields={**fields, "started_at": at, "control": None}
    )
    apply(tx, [move])
    groups.begin(tx, group_id, group, selection, at)


def fail_scheduled(tx: Transaction, group_id: int, reason: str) -> None:
    """A scheduled group whose time has come, and that cannot start. Raises Overtaken."""
    _require_scheduled(tx, group_id)
    at = now()
    started = Move(Entity.GROUP, Trigger.START, group_id, group_id, at=at, fields={"started_at": at})
    ended = {"completed_at": at, "status_message": reason}
    apply(tx, [started, Move(Entity.GROUP, Trigger.FAIL, group_id, group_id, at=at, message=reason, fields=ended)])
    log_group(tx, "error", "could not start", group_id, reason=reason)


def repeat_scheduled(tx: Transaction, group_id: int, scheduled_for: str) -> int:
    """Another group like this one, for another time."""
    columns = "workflow, params, pipeline, pipeline_key, database, priority, no_cache, handlers"
    [row] = tx.rows(f"SELECT batch_id, {columns} FROM run_group WHERE id = ?", [group_id])  # noqa: S608 - our own columns
    definition = {name: getattr(row, name) for name in columns.split(", ")}
    return _insert(tx, row.batch_id, definition, scheduled_for)


def replan(tx: Transaction, group_id: int, scheduled_for: str) -> None:
    """Move a scheduled group to another time. Raises Overtaken."""
    _require_scheduled(tx, group_id)
    tx.run("UPDATE run_group SET scheduled_for = ?, created_at = ? WHERE id = ?", [scheduled_for, now(), group_id])
    log_group(tx, "warning", "scheduled anew, as the clock was put back", group_id, scheduled_for=scheduled_for)


def times_taken(tx: Transaction, batch_id: int, after: str) -> set[str]:
    """Times later than ``after`` that groups of a batch were scheduled for, and that have begun or ended since."""
    sql = "SELECT scheduled_for FROM run_group WHERE batch_id = ? AND scheduled_for > ? AND status != 'scheduled'"
    return {row[0] for row in tx.rows(sql, [batch_id, after])}


def _require_scheduled(tx: Transaction, group_id: int) -> None:
    status = tx.value("SELECT status FROM run_group WHERE id = ?", [group_id])
    if status != Status.SCHEDULED:
        raise Overtaken(f"run group {group_id} is not scheduled any more: it is {status or 'gone'}")


def _insert(tx: Transaction, batch_id: int, definition: dict[str, Any], scheduled_for: str) -> int:
    row = groups.new_row(tx, batch_id, definition, Status.SCHEDULED)
    group_id = tx.insert_one("run_group", {**row, "scheduled_for": scheduled_for})
    refresh_batch(tx, group_id)
    log_group(tx, "info", "scheduled", group_id, scheduled_for=scheduled_for)
    return group_id
