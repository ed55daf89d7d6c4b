"""The one place where a status is written: a guarded UPDATE by the transitions table, and the event row with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from docmill.domain.events import now
from docmill.domain.status import ACTIVE_GROUPS, Entity, Status, Trigger, batch_status, transition
from docmill.errors import InvalidState
from docmill.stores.state.database import Transaction

# Within one transaction a row may start and end: starts are applied before ends, and steps before their runs.
_ORDER = [
    (Entity.GROUP, Trigger.START),
    (Entity.GROUP, Trigger.RETRY),
    (Entity.RUN, Trigger.RETRY),
    (Entity.STEP, Trigger.RETRY),
    (Entity.RUN, Trigger.START),
    (Entity.STEP, Trigger.START),
]
_RANK = {each: rank - len(_ORDER) for rank, each in enumerate(_ORDER)}


@dataclass(frozen=True, slots=True)
class Move:
    """One row that is to change its status. ``fields``: further columns to set; ``at``: when it happened."""

    entity: Entity
    trigger: Trigger
    id: int
    run_group_id: int
    run_id: int | None = None
    at: str = field(default_factory=now)
    message: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)


def apply(tx: Transaction, moves: Sequence[Move]) -> None:
    """Make all moves or none, and write their events in the order given.

    Raises InvalidState where a row does not stand where its trigger allows it.
    """
    alike: dict[tuple[Entity, Trigger, tuple[str, ...]], list[Move]] = defaultdict(list)
    for move in moves:
        alike[move.entity, move.trigger, tuple(move.fields)].append(move)
    for (entity, trigger, names), same in sorted(alike.items(), key=lambda item: _RANK.get(item[0][:2], 0)):
        row = transition(entity, trigger)
        sets = "".join(f", {name} = ?" for name in names)
        changed = tx.many(
            f"UPDATE {entity} SET status = '{row.target}'{sets} WHERE id = ? AND status IN ({_quoted(row.sources)})",  # noqa: S608 - names from our own enums and fields
            [[*(move.fields[name] for name in names), move.id] for move in same],
        )
        if changed != len(same):
            raise _refusal(tx, same)
    _record_events(tx, moves)
    for group in {move.id for move in moves if move.entity is Entity.GROUP}:
        refresh_batch(tx, group)


def refresh_batch(tx: Transaction, group_id: int) -> None:
    """Derive the status of a group's batch from all its groups'."""
    batch = tx.value("SELECT batch_id FROM run_group WHERE id = ?", [group_id])
    groups = [Status(row[0]) for row in tx.rows("SELECT status FROM run_group WHERE batch_id = ? ORDER BY id", [batch])]
    status, at = batch_status(groups), now()
    tx.run(
        "UPDATE batch SET status = ?, updated_at = ?, started_at = CASE WHEN ? = 'running' THEN COALESCE(started_at, ?)"
        " ELSE started_at END, completed_at = ? WHERE id = ?",
        [status.value, at, status.value, at, None if status in ACTIVE_GROUPS else at, batch],
    )


def _record_events(tx: Transaction, moves: Sequence[Move]) -> None:
    rows = []
    for move in moves:
        row = transition(move.entity, move.trigger)
        if row.event is not None:
            run = move.id if move.entity is Entity.RUN else move.run_id
            step = move.id if move.entity is Entity.STEP else None
            rows.append((row.event.value, move.run_group_id, run, step, row.target.value, move.message, move.at))
    tx.many(
        "INSERT INTO lifecycle_event (event, run_group_id, run_id, step_id, status, status_message, at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        rows,
    )


def _refusal(tx: Transaction, moves: Sequence[Move]) -> InvalidState:
    """Which row it was, after the guarded UPDATE has missed one."""
    for move in moves:
        row = transition(move.entity, move.trigger)
        current = tx.value(f"SELECT status FROM {move.entity} WHERE id = ?", [move.id])  # noqa: S608 - our own enum
        if current != row.target and current not in row.sources:
            return InvalidState(
                f"cannot {move.trigger} {move.entity} {move.id}: it is {current or 'gone'}",
                current_status=current,
                valid_statuses=sorted(row.sources),
            )
    sources = sorted(transition(moves[0].entity, moves[0].trigger).sources)
    return InvalidState(f"cannot {moves[0].trigger}: a row moved twice", valid_statuses=sources)


def _quoted(statuses: frozenset[Status]) -> str:
    return ", ".join(f"'{status}'" for status in sorted(statuses))
