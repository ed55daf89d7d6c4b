"""Writes batches, run groups, runs and steps: what shall be done, and what other shells want of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from docmill.domain.events import now
from docmill.domain.planning import PlannedGroup, Selection
from docmill.domain.status import Entity, Status, Trigger, roll_up_group
from docmill.errors import InvalidState, ModelMismatch
from docmill.stores.state import asking, limits, outbox
from docmill.stores.state.database import Transaction
from docmill.stores.state.logs import log_group
from docmill.stores.state.numbering import next_id
from docmill.stores.state.transitions import Move, apply

PRIORITIES = {"low": -1, "normal": 0, "high": 1}


# A document is up to date where the database holds its rows by this very pipeline, or where this content has failed in
# this pipeline for good. One that another unfinished group is at is left to it.
_FREE = """
    state = 'active' AND NOT EXISTS (SELECT 1 FROM run r WHERE r.document_id = document.id AND r.database = :database
                                     AND r.status IN ('pending', 'running'))
"""
_UNSETTLED = """
    AND COALESCE(failed_key, '') != :rows_key
    AND NOT EXISTS (SELECT 1 FROM placement p WHERE p.document_id = document.id AND p.database = :database
                    AND p.settled_key = :rows_key AND p.state = 'stored')
"""
_DUE = _FREE + _UNSETTLED


def create_batch(tx: Transaction, row: dict[str, Any]) -> int:
    at = now()
    numbered = {"id": next_id(tx, "batch"), "status": "created", **row}
    return tx.insert_one("batch", {**numbered, "created_at": at, "updated_at": at})


def create_group(
    tx: Transaction, group: PlannedGroup, selection: Selection, *, most_running: int | None = None
) -> int | None:
    """A running group with a run for each document that is due; None where no document is and no rows must leave.

    Raises ModelMismatch where the database holds another model's vectors, ConcurrentBatchLimit where ``most_running``
    other batches run.
    """
    due = tx.rows(*_select("1", group, selection, limit=1))
    leaving = tx.value(  # a group of this batch that still runs takes them out before it ends
        "SELECT 1 FROM placement WHERE database = ?1 AND state = 'leaving' AND NOT EXISTS"
        " (SELECT 1 FROM run_group WHERE batch_id = ?2 AND database = ?1 AND status = 'running') LIMIT 1",
        [group.database, group.batch_id],
    )
    if not due and not leaving:
        asking.remember(tx, group)
        return None
    limits.require_room(tx, group.batch_id, most_running)
    require_model(tx, group)
    at = now()
    group_id = tx.insert_one(
        "run_group", {**new_row(tx, group.batch_id, definition_of(tx, group), Status.CREATED), "started_at": at}
    )
    apply(tx, [Move(Entity.GROUP, Trigger.START, group_id, group_id, at=at)])
    begin(tx, group_id, group, selection, at)
    return group_id


def new_row(tx: Transaction, batch_id: int, definition: dict[str, Any], status: Status) -> dict[str, Any]:
    """A run group as it is when it is made."""
    return {
        "id": next_id(tx, "run_group"),
        "batch_id": batch_id,
        **definition,
        "status": status.value,
        "control_cleanup": 0,
        "attempt": 1,
        "chunks_total": 0,
        "chunks_embedded": 0,
        "processing_seconds": 0.0,
        "created_at": now(),
    }


def definition_of(tx: Transaction, group: PlannedGroup) -> dict[str, Any]:
    """What a group does, as its row keeps it. The batch adds its priority and its own handlers."""
    [batch] = tx.rows("SELECT priority, configuration FROM batch WHERE id = ?", [group.batch_id])
    return {
        "workflow": group.workflow,
        "params": group.params,
        "pipeline": group.pipeline,
        "pipeline_key": group.rows_keys.all,
        "database": group.database,
        "priority": PRIORITIES[batch.priority],
        "no_cache": json.dumps(group.no_cache),
        "handlers": outbox.merged(group.handlers, json.loads(batch.configuration)),
    }


def begin(tx: Transaction, group_id: int, group: PlannedGroup, selection: Selection, at: str) -> None:
    """A run for each document that is due, in a group that has just been started."""
    due = tx.rows(*_select("id, content_hash, version", group, selection))
    _create_runs(tx, group_id, group, due, at)
    about = {"workflow": group.workflow, "params": group.params, "database": group.database}
    log_group(tx, "info", "started", group_id, documents=len(due), **about)


def require_model(tx: Transaction, group: PlannedGroup) -> None:
    found = tx.rows("SELECT model, fingerprint FROM database WHERE name = ?", [group.database])
    if not found:
        row = {"name": group.database, "model": group.model, "fingerprint": group.model_fingerprint}
        tx.insert("database", [{**row, "created_at": now()}])
    elif found[0].fingerprint != group.model_fingerprint:
        raise ModelMismatch(
            f"database {group.database} holds vectors of {found[0].model}, not of {group.model} as it is now",
            hint="store into another database: --set store.database=NAME",
            database=group.database,
            stored_model=found[0].model,
            model=group.model,
        )
    asking.remember(tx, group)


def _create_runs(tx: Transaction, group_id: int, group: PlannedGroup, due: Sequence[Any], at: str) -> None:
    max_retries = tx.value("SELECT max_retries FROM batch WHERE id = ?", [group.batch_id])
    first = next_id(tx, "run")
    tx.many(
        "INSERT INTO run (id, run_group_id, batch_id, document_id, database, content_hash, version, status, degraded,"
        " chunk_count, crashes, attempt, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, 'pending', 0, 0, 0, 1, ?)",
        [
            (run_id, group_id, group.batch_id, row.id, group.database, row.content_hash, row.version, at)
            for run_id, row in enumerate(due, first)
        ],
    )
    for number, step in enumerate(group.steps):
        tx.run(
            "INSERT INTO run_step (run_id, run_group_id, number, name, type, status, attempt, retry, retries, reused,"
            " engine_epoch, status_meta)"
            " SELECT id, run_group_id, ?, ?, ?, 'pending', 1, 0, ?, 0, 0, '{}' FROM run"
            " WHERE run_group_id = ? AND id >= ?",
            [number, step.name, step.type, max_retries if step.retries is None else step.retries, group_id, first],
        )


def _select(
    columns: str, group: PlannedGroup, selection: Selection, *, limit: int | None = None
) -> tuple[str, list[Any]]:
    key = group.rows_keys.sql("document", "?1")
    condition = (_FREE if selection.force else _DUE).replace(":rows_key", key).replace(":database", "?2")
    values: list[Any] = [group.rows_keys.value, group.database]
    for column, value in (("source", selection.source), ("batch_id", selection.batch_id)):
        if value is not None:
            values.append(value)
            condition += f" AND {column} = ?{len(values)}"
    if selection.document_ids is not None:
        values.append(json.dumps(selection.document_ids))
        condition += f" AND id IN (SELECT value FROM json_each(?{len(values)}))"  # noqa: S608 - a mark's number
    order = f"LIMIT {limit}" if limit is not None else "ORDER BY uri"
    return f"SELECT {columns} FROM document WHERE {condition} {order}", values  # noqa: S608 - our own columns and marks


def request(tx: Transaction, group_id: int, control: str | None, *, reason: str | None = None) -> None:
    """Leave word for the engine: ``pause``, ``cancel``, or None to take it back."""
    tx.run(
        "UPDATE run_group SET control = ?, control_reason = ? WHERE id = ? AND status = 'running'",
        [control, reason, group_id],
    )


def pause_group(tx: Transaction, group_id: int) -> None:
    fields = {"control": None, "paused_at": now(), "status_message": "paused"}
    apply(tx, [Move(Entity.GROUP, Trigger.PAUSE, group_id, group_id, fields=fields)])
    log_group(tx, "info", "paused", group_id, **_counts(tx, group_id))


def resume_group(tx: Transaction, group_id: int, *, most_running: int | None = None) -> None:
    """Raises ConcurrentBatchLimit where ``most_running`` other batches run."""
    limits.require_room(tx, tx.value("SELECT batch_id FROM run_group WHERE id = ?", [group_id]), most_running)
    fields = {"control": None, "paused_at": None, "status_message": None}
    apply(tx, [Move(Entity.GROUP, Trigger.RESUME, group_id, group_id, fields=fields)])
    log_group(tx, "info", "resumed", group_id)


def cancel_group(tx: Transaction, group_id: int, reason: str | None) -> None:
    """End a group: what is finished stays, what is not is cancelled."""
    _end_early(tx, group_id, Trigger.CANCEL, reason)
    log_group(tx, "warning", "cancelled", group_id, reason=reason, **_counts(tx, group_id))


def fail_group(tx: Transaction, group_id: int, reason: str | None) -> None:
    """As :func:`cancel_group`, where not a person has ended it, but a limit."""
    _end_early(tx, group_id, Trigger.FAIL, reason)
    log_group(tx, "error", "failed", group_id, reason=reason, **_counts(tx, group_id))


def _end_early(tx: Transaction, group_id: int, trigger: Trigger, reason: str | None) -> None:
    at = now()
    steps = tx.rows(
        "SELECT id, run_id FROM run_step WHERE run_group_id = ? AND status IN ('pending', 'running', 'error')",
        [group_id],
    )
    runs = tx.rows("SELECT id FROM run WHERE run_group_id = ? AND status IN ('pending', 'running')", [group_id])
    done = {"completed_at": at}
    moves = [Move(Entity.STEP, Trigger.CANCEL, row.id, group_id, row.run_id, at=at, fields=done) for row in steps]
    moves += [Move(Entity.RUN, Trigger.CANCEL, row.id, group_id, at=at, fields=done) for row in runs]
    fields = {"control": None, "completed_at": at, "status_message": reason}
    moves.append(Move(Entity.GROUP, trigger, group_id, group_id, at=at, message=reason, fields=fields))
    apply(tx, moves)


def cancel_run(tx: Transaction, group_id: int, run_id: int, message: str) -> None:
    """End one run that is not wanted any more, with what is unfinished of its steps."""
    at = now()
    fields = {"completed_at": at}
    sql = "SELECT id FROM run_step WHERE run_id = ? AND status IN ('pending', 'running', 'error')"
    steps = [row.id for row in tx.rows(sql, [run_id])]
    moves = [Move(Entity.STEP, Trigger.CANCEL, step, group_id, run_id, at=at, fields=fields) for step in steps]
    apply(tx, [*moves, Move(Entity.RUN, Trigger.CANCEL, run_id, group_id, at=at, message=message, fields=fields)])


def finish_group(tx: Transaction, group_id: int) -> Status:
    """End a group whose every run has ended. RUNNING where runs, or rows to take out, have come: then it goes on."""
    sql = (
        "SELECT 1 FROM placement p JOIN run_group g ON g.database = p.database"
        " WHERE g.id = ? AND p.state = 'leaving' LIMIT 1"
    )
    if tx.value(sql, [group_id]):
        return Status.RUNNING
    counts = tx.rows("SELECT status, COUNT(*) FROM run WHERE run_group_id = ? GROUP BY status", [group_id])
    status = roll_up_group(Counter({Status(name): number for name, number in counts}))
    if status is not Status.RUNNING:
        trigger = Trigger.FAIL if status is Status.FAILED else Trigger.FINISH
        fields = {"completed_at": now(), "status_message": None, "control": None}
        apply(tx, [Move(Entity.GROUP, trigger, group_id, group_id, fields=fields)])
        level = "error" if status is Status.FAILED else "info"
        log_group(tx, level, status.value, group_id, **_counts(tx, group_id), **_amounts(tx, group_id))
    return status


def renew_runs(tx: Transaction, group_id: int, group: PlannedGroup, document_ids: Sequence[str]) -> None:
    """One more run for each of these documents that is due: they changed or moved while the group was at them."""
    due: list[Any] = []
    for start in range(0, len(document_ids), 500):
        selection = Selection(document_ids=tuple(document_ids[start : start + 500]))
        due += tx.rows(*_select("id, content_hash, version", group, selection))
    if due:
        _create_runs(tx, group_id, group, due, now())


def retry_runs(
    tx: Transaction, group_id: int, run_ids: Sequence[int], *, reset: bool, most_running: int | None = None
) -> None:
    """Put failed runs back: their failed step and those after it. ``reset``: with all attempts ahead of them again;
    else they have those that are left, and one in any case.

    Raises InvalidState where another group is already at one of their documents, or the file has a newer version.
    """
    limits.require_room(tx, tx.value("SELECT batch_id FROM run_group WHERE id = ?", [group_id]), most_running)
    moves = []
    for run_id in run_ids:
        run = tx.rows("SELECT document_id, version, database FROM run WHERE id = ?", [run_id])[0]
        current = tx.value("SELECT version FROM document WHERE id = ? AND state = 'active'", [run.document_id])
        if current != run.version:
            raise InvalidState("the file has changed or gone since; run `docmill sync` or `docmill start` instead")
        sql = "SELECT 1 FROM run WHERE document_id = ? AND database = ? AND status IN ('pending', 'running')"
        if tx.value(sql, [run.document_id, run.database]):
            raise InvalidState("another run is at one of the documents already; `docmill status` shows it")
        tx.run(
            "UPDATE document SET failed_key = NULL, outcome = NULL, retry_count = IIF(?, 0, retry_count + 1)"
            " WHERE id = ?",
            [reset, run.document_id],
        )
        sql = "UPDATE run SET crashes = 0, not_before = NULL, completed_at = NULL, status_message = NULL WHERE id = ?"
        tx.run(sql, [run_id])
        moves.append(Move(Entity.RUN, Trigger.RETRY, run_id, group_id))
        fields: dict[str, Any] = {"retry_at": None, "completed_at": None, "status_message": None, "status_meta": "{}"}
        if reset:
            fields["retry"] = 0
        moves += [
            Move(Entity.STEP, Trigger.RETRY, row.id, group_id, run_id, fields=fields)
            for row in tx.rows(
                "SELECT id FROM run_step WHERE run_id = ? AND status IN ('failed', 'error', 'skipped')", [run_id]
            )
        ]
    if tx.value("SELECT status FROM run_group WHERE id = ?", [group_id]) != Status.RUNNING:
        # The time that it may take counts anew, or one that had used it up could not be retried.
        fields = {"completed_at": None, "status_message": None, "control": None, "processing_seconds": 0.0}
        moves.append(Move(Entity.GROUP, Trigger.RETRY, group_id, group_id, fields=fields))
    apply(tx, moves)
    log_group(tx, "info", "trying failed documents again", group_id, documents=len(run_ids))


def clean_up(tx: Transaction, group_ids: Sequence[int]) -> list[str]:
    """Forget what the cancelled runs of these groups had begun. Returns the step keys whose artifacts nobody else has.

    Artifacts that were there before the group, or that other runs lead to, stay.
    """
    keys: list[str] = []
    for group_id in group_ids:
        keys += [
            row.step_key
            for row in tx.rows(
                "SELECT DISTINCT s.step_key FROM run_step s JOIN run r ON r.id = s.run_id"
                " JOIN run_group g ON g.id = r.run_group_id JOIN artifact a ON a.step_key = s.step_key"
                " WHERE g.id = ? AND r.status = 'cancelled' AND a.created_at >= g.created_at AND s.step_key NOT IN"
                " (SELECT o.step_key FROM run_step o JOIN run x ON x.id = o.run_id"
                " WHERE x.status != 'cancelled' AND o.step_key IS NOT NULL)",
                [group_id],
            )
        ]
        tx.run(
            "DELETE FROM run_step WHERE run_id IN (SELECT id FROM run WHERE run_group_id = ? AND status = 'cancelled')",
            [group_id],
        )
    tx.many("DELETE FROM artifact WHERE step_key = ?", [(key,) for key in keys])
    return keys


def recover(tx: Transaction) -> int:
    """Put back the steps that a dead engine left running. No attempt is burnt. Returns how many there were."""
    steps = tx.rows("SELECT id, run_id, run_group_id FROM run_step WHERE status = 'running'")
    apply(tx, [Move(Entity.STEP, Trigger.RELEASE, row.id, row.run_group_id, row.run_id) for row in steps])
    for group_id, number in Counter(row.run_group_id for row in steps).items():
        log_group(tx, "warning", "went on after an engine had died; its unfinished steps were put back", group_id,
                  steps=number)  # fmt: skip
    return len(steps)


def _counts(tx: Transaction, group_id: int) -> dict[str, int]:
    """Runs of a group by status, of those statuses that any has."""
    rows = tx.rows("SELECT status, COUNT(*) FROM run WHERE run_group_id = ? GROUP BY status ORDER BY 1", [group_id])
    return {row[0]: row[1] for row in rows}


def _amounts(tx: Transaction, group_id: int) -> dict[str, Any]:
    sql = "SELECT chunks_total, chunks_embedded, processing_seconds FROM run_group WHERE id = ?"
    [row] = tx.rows(sql, [group_id])
    return {"chunks": row[0], "embedded": row[1], "seconds": round(row[2], 3)}
