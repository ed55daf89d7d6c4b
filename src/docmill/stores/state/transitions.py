"""The one place where a status is written: a guarded UPDATE by the transitions table, and the event row with it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from docmill.domain.events import now
from docmill.domain.status import ACTIVE_GROUPS, Entity, Status, Trigger, batch_status, transition
from docmill.errors import InvalidState
from docmill.stores.state import outbox
from docmill.stores.state.database import Transaction

# Within one transaction a row may start and end: starts are applied before ends, and steps before their runs.
_ORDER = [
    (Entity.GROUP, Trigger.START),
    (Entity.GROUP, Trigger.RETRY),
    (Entity.RUN, Trigger.RETRY),
    (Entity.STEP, Trigger.RETRY),
    (Entity.STEP, Trigger.REOPEN),
    (Entity.RUN, Trigger.START),
    (Entity.STEP, Trigger.START),
]
_RANK = {each: rank - len(_ORDER) for rank, each in enumerate(_ORDER)}
_LAST = {Entity.RUN: 1, Entity.GROUP: 2}

# Lifecycle events are written once for each attempt; these triggers begin another one. A start after an error is one.
_ATTEMPTS = {
    (Entity.STEP, Trigger.START): "attempt + (status = 'error')",
    (Entity.STEP, Trigger.REUSE): "attempt + (status = 'error')",
    (Entity.STEP, Trigger.RETRY): "attempt + 1",
    (Entity.RUN, Trigger.RETRY): "attempt + 1",
    (Entity.GROUP, Trigger.RETRY): "attempt + 1",
}
_AHEAD = (
    "SELECT s.id FROM run_step s JOIN run_step e ON e.run_id = s.run_id AND e.number < s.number"
    " WHERE s.run_id IN ({}) AND s.status IN ('running', 'completed')"
    " AND e.status NOT IN ('completed', 'skipped') LIMIT 1"
)
_Kind = tuple[Entity, tuple[Trigger, ...], tuple[str, ...]]  # of a write: what it sets is the same for all of a kind
_MANY = 500  # well under SQLite's limit on the number of parameters


@dataclass(slots=True)
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

    What happens a second time within one attempt, as its engine died in between, has its event already and gets no
    other. Raises InvalidState where a row does not stand where its trigger allows it, or a step is ahead of another
    one that it depends on.
    """
    alike: dict[_Kind, list[tuple[Move, dict[str, Any]]]] = defaultdict(list)
    for move, triggers, fields in _writes(moves):
        alike[move.entity, triggers, tuple(fields)].append((move, fields))
    for (entity, triggers, names), same in sorted(alike.items(), key=lambda item: _rank(item[0][0], item[0][1][0])):
        first, last = transition(entity, triggers[0]), transition(entity, triggers[-1])
        sets = "".join(f", {name} = new.column{place}" for place, name in enumerate(names, start=2))
        if (entity, triggers[0]) in _ATTEMPTS:
            sets += f", attempt = {_ATTEMPTS[entity, triggers[0]]}"
        changed = tx.bulk(
            f"UPDATE {entity} SET status = '{last.target}'{sets} FROM (VALUES {{rows}}) AS new WHERE id = new.column1"  # noqa: S608 - names from our own enums and fields
            f" AND status IN ({_quoted(first.sources)})",
            [[move.id, *fields.values()] for move, fields in same],
        )
        if changed != len(same):
            raise _refusal(tx, [move for move, _fields in same])
    _require_order(tx, {move.run_id for move in moves if move.entity is Entity.STEP and move.run_id is not None})
    _record_events(tx, moves)
    for group in {move.id for move in moves if move.entity is Entity.GROUP}:
        refresh_batch(tx, group)


def _writes(moves: Sequence[Move]) -> Iterator[tuple[Move, tuple[Trigger, ...], dict[str, Any]]]:
    """Moves as rows are written: a step that starts and finishes here, as most do, is written once.

    The table allows the second after the first, as it allows the first; each still has its event.
    """
    steps = [move for move in moves if move.entity is Entity.STEP]
    starts = {move.id: move for move in steps if move.trigger is Trigger.START}
    ends = {move.id: move for move in steps if move.trigger is Trigger.FINISH}
    counts = Counter(move.id for move in steps)
    both = {each for each in starts.keys() & ends.keys() if counts[each] == 2}
    for move in moves:
        if move.entity is not Entity.STEP or move.id not in both:
            yield move, (move.trigger,), move.fields
        elif move.trigger is Trigger.START:
            yield move, (Trigger.START, Trigger.FINISH), move.fields | ends[move.id].fields


def _rank(entity: Entity, trigger: Trigger) -> int:
    return _RANK.get((entity, trigger), _LAST.get(entity, 0))


def _require_order(tx: Transaction, run_ids: Collection[int]) -> None:
    """No step has begun while one before it is still to be done."""
    ids = sorted(run_ids)
    for start in range(0, len(ids), _MANY):
        part = ids[start : start + _MANY]
        ahead = tx.value(_AHEAD.format(", ".join("?" for _ in part)), part)
        if ahead is not None:
            raise InvalidState(f"step {ahead} is ahead of one that it depends on")


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
    with outbox.enqueued(tx, {move.run_group_id for move in moves}):
        tx.bulk(
            "INSERT OR IGNORE INTO lifecycle_event"
            " (event, run_group_id, run_id, step_id, status, status_message, at, attempt)"
            " SELECT new.*, COALESCE((SELECT attempt FROM run_step WHERE id = new.column4),"
            " (SELECT attempt FROM run WHERE id = new.column3),"
            " (SELECT attempt FROM run_group WHERE id = new.column2)) FROM (VALUES {rows}) AS new",
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
