"""Statuses, triggers, and the ONE table that says which trigger may move what from where to where.

Nothing else decides legality. Only ``stores.state`` writes a status, by a row of this table, together with the row's
lifecycle event. What a parent's status is follows from its children by :func:`roll_up_run` and :func:`roll_up_group`
and :func:`batch_status`, which are pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    CREATED = "created"
    SCHEDULED = "scheduled"
    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    ERROR = "error"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


class Entity(StrEnum):
    """What has a status of its own; the values are table names."""

    STEP = "run_step"
    RUN = "run"
    GROUP = "run_group"


class Trigger(StrEnum):
    START = "start"
    FINISH = "finish"
    REUSE = "reuse"
    RETRY_LATER = "retry_later"
    FAIL = "fail"
    RELEASE = "release"
    RETRY = "retry"
    REOPEN = "reopen"
    SKIP = "skip"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"


class LifecycleEvent(StrEnum):
    GROUP_START = "group_start"
    GROUP_END = "group_end"
    ITEM_START = "item_start"
    ITEM_END = "item_end"
    ITEM_FAILED = "item_failed"
    STEP_START = "step_start"
    STEP_END = "step_end"
    STEP_FAILED = "step_failed"


STATUSES: dict[Entity, frozenset[Status]] = {
    Entity.STEP: frozenset(
        {
            Status.PENDING,
            Status.RUNNING,
            Status.COMPLETED,
            Status.ERROR,
            Status.FAILED,
            Status.SKIPPED,
            Status.CANCELLED,
        }
    ),
    Entity.RUN: frozenset({Status.PENDING, Status.RUNNING, Status.COMPLETED, Status.FAILED, Status.CANCELLED}),
    Entity.GROUP: frozenset(
        {
            Status.CREATED,
            Status.SCHEDULED,
            Status.RUNNING,
            Status.PAUSED,
            Status.COMPLETED,
            Status.FAILED,
            Status.CANCELLED,
        }
    ),
}


@dataclass(frozen=True, slots=True)
class Transition:
    """``trigger`` moves ``entity`` from any of ``sources`` to ``target`` and writes ``event``."""

    entity: Entity
    trigger: Trigger
    sources: frozenset[Status]
    target: Status
    event: LifecycleEvent | None


def _row(
    entity: Entity, trigger: Trigger, sources: Sequence[Status], target: Status, event: LifecycleEvent | None = None
) -> Transition:
    return Transition(entity, trigger, frozenset(sources), target, event)


_S, _T, _L = Status, Trigger, LifecycleEvent
_STEP, _RUN, _GROUP = Entity.STEP, Entity.RUN, Entity.GROUP

TRANSITIONS: tuple[Transition, ...] = (
    _row(_STEP, _T.START, [_S.PENDING, _S.ERROR], _S.RUNNING, _L.STEP_START),
    _row(_STEP, _T.FINISH, [_S.RUNNING], _S.COMPLETED, _L.STEP_END),
    _row(_STEP, _T.REUSE, [_S.PENDING, _S.ERROR], _S.COMPLETED, _L.STEP_END),
    _row(_STEP, _T.RETRY_LATER, [_S.RUNNING], _S.ERROR, _L.STEP_FAILED),
    _row(_STEP, _T.FAIL, [_S.RUNNING, _S.ERROR], _S.FAILED, _L.STEP_FAILED),
    _row(_STEP, _T.RELEASE, [_S.RUNNING], _S.PENDING),  # drained, or its engine died: no attempt is burnt
    _row(_STEP, _T.RETRY, [_S.FAILED, _S.ERROR, _S.SKIPPED], _S.PENDING),  # another attempt
    _row(_STEP, _T.REOPEN, [_S.COMPLETED], _S.PENDING),  # its output has got lost; the attempt is the same
    _row(_STEP, _T.SKIP, [_S.PENDING], _S.SKIPPED),  # a step before it failed for good
    _row(_STEP, _T.CANCEL, [_S.PENDING, _S.RUNNING, _S.ERROR], _S.CANCELLED),
    _row(_RUN, _T.START, [_S.PENDING], _S.RUNNING, _L.ITEM_START),
    _row(_RUN, _T.FINISH, [_S.RUNNING], _S.COMPLETED, _L.ITEM_END),
    _row(_RUN, _T.FAIL, [_S.RUNNING], _S.FAILED, _L.ITEM_FAILED),
    _row(_RUN, _T.RETRY, [_S.FAILED], _S.PENDING),
    _row(_RUN, _T.CANCEL, [_S.PENDING, _S.RUNNING], _S.CANCELLED),
    _row(_GROUP, _T.START, [_S.CREATED, _S.SCHEDULED], _S.RUNNING, _L.GROUP_START),
    _row(_GROUP, _T.PAUSE, [_S.RUNNING], _S.PAUSED),
    _row(_GROUP, _T.RESUME, [_S.PAUSED], _S.RUNNING),
    _row(_GROUP, _T.FINISH, [_S.RUNNING], _S.COMPLETED, _L.GROUP_END),
    _row(_GROUP, _T.FAIL, [_S.RUNNING], _S.FAILED, _L.GROUP_END),
    _row(_GROUP, _T.RETRY, [_S.COMPLETED, _S.FAILED], _S.RUNNING, _L.GROUP_START),
    _row(_GROUP, _T.CANCEL, [_S.CREATED, _S.SCHEDULED, _S.RUNNING, _S.PAUSED], _S.CANCELLED, _L.GROUP_END),
)

_BY_TRIGGER = {(row.entity, row.trigger): row for row in TRANSITIONS}

ACTIVE_GROUPS = frozenset({Status.CREATED, Status.SCHEDULED, Status.RUNNING, Status.PAUSED})
ENDED_RUNS = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})


def transition(entity: Entity, trigger: Trigger) -> Transition:
    """The row for a trigger. KeyError where the entity knows no such trigger, which is a programming error."""
    return _BY_TRIGGER[entity, trigger]


def roll_up_run(steps: Iterable[Status]) -> Status:
    """A run's status from its steps'."""
    seen = set(steps)
    if Status.FAILED in seen:
        return Status.FAILED
    if Status.CANCELLED in seen:
        return Status.CANCELLED
    if seen <= {Status.COMPLETED, Status.SKIPPED}:
        return Status.COMPLETED
    return Status.PENDING if seen == {Status.PENDING} else Status.RUNNING


def roll_up_group(runs: Counter[Status]) -> Status:
    """How a started group stands, from the number of its runs in each status.

    One failed document does not fail the group: that is told in its counts. A group has failed when every document has.
    """
    if runs[Status.PENDING] or runs[Status.RUNNING]:
        return Status.RUNNING
    return Status.FAILED if runs[Status.FAILED] and not runs[Status.COMPLETED] else Status.COMPLETED


def batch_status(groups: Sequence[Status]) -> Status:
    """A batch's status from its groups', oldest first: whatever is under way, else how the newest ended."""
    for active in (Status.RUNNING, Status.PAUSED, Status.SCHEDULED):
        if active in groups:
            return active
    return groups[-1] if groups else Status.CREATED
