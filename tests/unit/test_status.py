"""Every status against every trigger, on a real state.db: what the table allows happens, everything else is refused."""

from __future__ import annotations

from collections import Counter
from itertools import product
from sqlite3 import IntegrityError

import pytest

from docmill.domain.status import (
    STATUSES,
    TRANSITIONS,
    Entity,
    Status,
    Trigger,
    batch_status,
    roll_up_group,
    roll_up_run,
    transition,
)
from docmill.errors import InvalidState
from docmill.stores.state import State
from docmill.stores.state.transitions import Move, apply

PRODUCT = [
    (entity, status, trigger)
    for entity in Entity
    for status, trigger in product(sorted(STATUSES[entity]), Trigger)
    if any(row.entity is entity and row.trigger is trigger for row in TRANSITIONS)
]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    state = State.create(tmp_path_factory.mktemp("home"))
    with state.transaction() as tx:
        tx.run(
            "INSERT INTO batch (id, name, description, type, status, priority, workflow, params, configuration,"
            " max_retries, retry_delay, backoff_multiplier, jitter, created_at, updated_at)"
            " VALUES (1, 'b', '', 'manual', 'created', 'normal', 'w', 'p', '{}', 3, 5, 2, 0, '', '')"
        )
        tx.run(
            "INSERT INTO run_group (id, batch_id, workflow, params, pipeline, pipeline_key, database, priority, status,"
            " control_cleanup, attempt, no_cache, handlers, chunks_total, chunks_embedded, processing_seconds,"
            " created_at)"
            " VALUES (1, 1, 'w', 'p', '{}', 'k', 'default', 0, 'created', 0, 1, '[]', '{}', 0, 0, 0, '')"
        )
        tx.run(
            "INSERT INTO run (id, run_group_id, batch_id, document_id, database, content_hash, version, status,"
            " degraded, chunk_count, crashes, attempt, created_at)"
            " VALUES (1, 1, 1, 'd', 'default', 'c', 1, 'pending', 0, 0, 0, 1, '')"
        )
        tx.run(
            "INSERT INTO run_step (id, run_id, run_group_id, number, name, type, status, attempt, retry, retries,"
            " reused, engine_epoch, status_meta)"
            " VALUES (1, 1, 1, 0, 'parse', 'parse', 'pending', 1, 0, 0, 0, 0, '{}')"
        )
    return state


@pytest.mark.parametrize(("entity", "status", "trigger"), PRODUCT, ids=lambda value: str(value))
def test_each_status_with_each_trigger(state: State, entity: Entity, status: Status, trigger: Trigger) -> None:
    row = transition(entity, trigger)
    with state.transaction() as tx:
        tx.run("UPDATE run_step SET status = 'completed'")  # a run ends after its steps
        tx.run(f"UPDATE {entity} SET status = ? WHERE id = 1", [status.value])
        tx.run("DELETE FROM lifecycle_event")
    move = Move(entity, trigger, 1, 1, run_id=1)
    if status in row.sources:
        with state.transaction() as tx:
            apply(tx, [move])
            assert tx.value(f"SELECT status FROM {entity} WHERE id = 1") == row.target
            events = tx.rows("SELECT event, status FROM lifecycle_event ORDER BY id")
            assert [tuple(event) for event in events] == ([(row.event.value, row.target.value)] if row.event else [])
    else:
        with pytest.raises(InvalidState) as refused, state.transaction() as tx:
            apply(tx, [move])
        assert set(refused.value.context["valid_statuses"]) == set(row.sources)
        with state.transaction() as tx:
            assert tx.value(f"SELECT status FROM {entity} WHERE id = 1") == status
            assert tx.value("SELECT COUNT(*) FROM lifecycle_event") == 0


def test_one_illegal_move_undoes_the_whole_transaction(state: State) -> None:
    with state.transaction() as tx:
        tx.run("UPDATE run SET status = 'pending'")
        tx.run("UPDATE run_step SET status = 'completed'")
    with pytest.raises(InvalidState), state.transaction() as tx:
        apply(tx, [Move(Entity.RUN, Trigger.START, 1, 1), Move(Entity.STEP, Trigger.START, 1, 1, 1)])
    with state.transaction() as tx:
        assert tx.value("SELECT status FROM run") == "pending"


def test_a_row_may_start_and_end_in_one_transaction(state: State) -> None:
    with state.transaction() as tx:
        tx.run("UPDATE run SET status = 'pending'")
        tx.run("UPDATE run_step SET status = 'pending'")
        tx.run("DELETE FROM lifecycle_event")
        moves = [
            Move(Entity.RUN, Trigger.START, 1, 1),
            Move(Entity.STEP, Trigger.START, 1, 1, 1),
            Move(Entity.STEP, Trigger.FINISH, 1, 1, 1),
            Move(Entity.RUN, Trigger.FINISH, 1, 1),
        ]
        apply(tx, moves)
        events = [row.event for row in tx.rows("SELECT event FROM lifecycle_event ORDER BY id")]
    assert events == ["item_start", "step_start", "step_end", "item_end"]


def test_every_target_and_source_is_a_status_of_its_entity() -> None:
    for row in TRANSITIONS:
        assert row.sources <= STATUSES[row.entity]
        assert row.target in STATUSES[row.entity]
    assert len({(row.entity, row.trigger) for row in TRANSITIONS}) == len(TRANSITIONS)


def test_roll_up_of_a_run() -> None:
    done, pending, running = Status.COMPLETED, Status.PENDING, Status.RUNNING
    assert roll_up_run([done, Status.SKIPPED]) is done
    assert roll_up_run([done, Status.FAILED, pending]) is Status.FAILED
    assert roll_up_run([done, pending]) is running
    assert roll_up_run([pending, pending]) is pending
    assert roll_up_run([done, Status.CANCELLED]) is Status.CANCELLED


def test_roll_up_of_a_group() -> None:
    assert roll_up_group(Counter({Status.COMPLETED: 2, Status.FAILED: 1})) is Status.COMPLETED
    assert roll_up_group(Counter({Status.FAILED: 1})) is Status.FAILED
    assert roll_up_group(Counter({Status.COMPLETED: 2, Status.PENDING: 1})) is Status.RUNNING
    assert roll_up_group(Counter()) is Status.COMPLETED


def test_status_of_a_batch() -> None:
    assert batch_status([]) is Status.CREATED
    assert batch_status([Status.FAILED, Status.COMPLETED]) is Status.COMPLETED
    assert batch_status([Status.RUNNING, Status.COMPLETED]) is Status.RUNNING
    assert batch_status([Status.PAUSED, Status.CANCELLED]) is Status.PAUSED


def attempts(state: State) -> list[tuple[str, int]]:
    with state.transaction() as tx:
        return [tuple(row) for row in tx.rows("SELECT event, attempt FROM lifecycle_event ORDER BY id")]


def step(*triggers: Trigger) -> list[Move]:
    return [Move(Entity.STEP, trigger, 1, 1, run_id=1) for trigger in triggers]


def test_what_happens_again_after_a_crash_is_told_once_and_another_attempt_anew(state: State) -> None:
    with state.transaction() as tx:
        tx.run("UPDATE run_step SET status = 'pending', attempt = 1")
        tx.run("DELETE FROM lifecycle_event")
    for trigger in (Trigger.START, Trigger.RELEASE, Trigger.START, Trigger.RETRY_LATER, Trigger.START, Trigger.FINISH):
        with state.transaction() as tx:
            apply(tx, step(trigger))
    first = [("step_start", 1), ("step_failed", 1), ("step_start", 2), ("step_end", 2)]
    assert attempts(state) == first
    for trigger in (Trigger.REOPEN, Trigger.START, Trigger.FAIL, Trigger.RETRY, Trigger.START, Trigger.FINISH):
        with state.transaction() as tx:
            apply(tx, step(trigger))
    assert attempts(state) == [*first, ("step_failed", 2), ("step_start", 3), ("step_end", 3)]


def test_no_step_is_ahead_of_one_that_it_depends_on(state: State) -> None:
    with state.transaction() as tx:
        tx.run("UPDATE run_step SET status = 'pending'")
        tx.run(
            "INSERT INTO run_step (id, run_id, run_group_id, number, name, type, status, attempt, retry, retries,"
            " reused, engine_epoch, status_meta)"
            " VALUES (2, 1, 1, 1, 'chunk', 'chunk', 'pending', 1, 0, 0, 0, 0, '{}')"
        )
    later = Move(Entity.STEP, Trigger.START, 2, 1, run_id=1)
    with pytest.raises(InvalidState, match="ahead"), state.transaction() as tx:
        apply(tx, [later])
    with state.transaction() as tx:
        apply(tx, [later, *step(Trigger.START, Trigger.FINISH)])
        tx.run("UPDATE run SET status = 'running'")
    with pytest.raises(IntegrityError, match="cannot complete before its steps"), state.transaction() as tx:
        apply(tx, [Move(Entity.RUN, Trigger.FINISH, 1, 1)])
