"""The outbox: what handlers are to be told, written in the transaction that makes it true, and what became of it.

A row of ``delivery`` is made for each handler of an event, when the event itself is. So nothing is told that did not
happen, nothing that happened is forgotten, and it is told once, however often an engine dies and does the work again.
Progress is the exception: a newer one takes the place of one that was not delivered yet.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from docmill.domain import payloads
from docmill.domain.events import now
from docmill.domain.payloads import PROGRESS
from docmill.domain.status import LifecycleEvent
from docmill.domain.workflow import HandledEvent
from docmill.stores.state.database import Transaction
from docmill.stores.state.logs import log

BATCH_EVENTS = (HandledEvent.GROUP_END.value, HandledEvent.PROGRESS.value)
KEPT = 10_000  # deliveries that are over and stay to be looked at

_NEW_EVENTS = (
    "SELECT e.event, e.run_group_id, e.run_id, e.step_id, e.attempt, e.status, e.status_message, e.at,"
    " d.id AS document_id, d.uri, s.name AS step,"
    " (SELECT f.name FROM run_step f WHERE f.run_id = e.run_id AND f.status = 'failed' LIMIT 1) AS failed_step"
    " FROM lifecycle_event e LEFT JOIN run r ON r.id = e.run_id LEFT JOIN document d ON d.id = r.document_id"
    " LEFT JOIN run_step s ON s.id = e.step_id WHERE e.id > ? ORDER BY e.id"
)
_INSERT = (
    "INSERT OR IGNORE INTO delivery (idempotency_key, batch_id, run_group_id, event, handler, payload, next_at,"
    " created_at, status, attempts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'pending', 0)"
)
_Delivery = tuple[str, int, int, str, str, str, str, str]


@dataclass(frozen=True, slots=True)
class _Listening:
    """A group that has handlers: ``handlers`` by event."""

    id: int
    batch_id: int
    created_at: str
    handlers: dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of a try. ``next_at``: it is put off until then; else ``error`` says why it is given up, if it is.

    key: the delivery's own; an id may belong to another one by now. handler: what logs call it. unreached: nobody was
    there to answer, so whatever else waits for that handler is put off as well. note: what a command printed, or where
    a report lies.
    """

    id: int
    key: str
    batch_id: int
    run_group_id: int
    event: str
    handler: str
    error: str | None = None
    next_at: str | None = None
    unreached: bool = False
    note: str | None = None


def merged(handlers: str, configuration: dict[str, Any]) -> str:
    """A workflow's handlers, and behind them those that a batch's configuration names, as JSON by event."""
    own = [*_webhook(configuration), *_report(configuration)]
    if not own:
        return handlers
    by_event: dict[str, list[dict[str, Any]]] = json.loads(handlers)
    for event, handler in own:
        by_event.setdefault(event, []).append(handler)
    return json.dumps(by_event, ensure_ascii=False)


def _webhook(configuration: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    if not configuration.get("webhook_url"):
        return []
    webhook = {"type": "webhook", "url": configuration["webhook_url"]}
    for name in ("token_env", "secret_env", "job_id"):
        if configuration.get(f"webhook_{name}"):
            webhook[name] = configuration[f"webhook_{name}"]
    return [(event, webhook) for event in configuration.get("webhook_events") or BATCH_EVENTS]


def _report(configuration: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    if not configuration.get("report_on_completion"):
        return []
    folder = configuration.get("report_folder")
    return [(HandledEvent.GROUP_END.value, {"type": "report", **({"folder": folder} if folder else {})})]


@contextmanager
def enqueued(tx: Transaction, group_ids: Collection[int]) -> Iterator[None]:
    """Around the writing of lifecycle events: those that are new by then are put into the outbox.

    Costs one look where none of the groups has a handler.
    """
    listening = {group_id: found for group_id in group_ids if (found := _listening(tx, group_id))}
    last = tx.value("SELECT COALESCE(MAX(id), 0) FROM lifecycle_event") if listening else 0
    yield
    if listening:
        deliveries: list[_Delivery] = []
        for row in tx.rows(_NEW_EVENTS, [last]):
            if row.run_group_id in listening:
                deliveries += _deliveries(tx, listening[row.run_group_id], row)
        tx.many(_INSERT, deliveries)


def tell_progress(tx: Transaction, group_id: int, *, percent: int, message: str) -> None:
    """How far a running group has come, for whoever wants to know. Replaces what was not delivered yet."""
    group = _listening(tx, group_id)
    if group is None or tx.value("SELECT status FROM run_group WHERE id = ?", [group_id]) != "running":
        return
    at = now()
    payload = payloads.progress(at=at, batch_id=group.batch_id, run_group_id=group_id, percent=percent, message=message)
    for handler in group.handlers.get(PROGRESS, []):
        text, body = _canonical(handler), _body(payload, handler)
        key = _key(group, PROGRESS, at, text)
        replaced = tx.run(
            "UPDATE delivery SET idempotency_key = ?, payload = ?, created_at = ? WHERE run_group_id = ?"
            " AND event = ? AND handler = ? AND status = 'pending'",
            [key, body, at, group_id, PROGRESS, text],
        )
        if not replaced:
            tx.many(_INSERT, [(key, group.batch_id, group_id, PROGRESS, text, body, at, at)])


def settle(tx: Transaction, settled: Sequence[Settlement]) -> None:
    """Write down what became of tries. One whose delivery was replaced or deleted meanwhile leaves no trace."""
    at = now()
    for each in settled:
        if each.next_at is not None:
            sets, values = "attempts = attempts + 1, next_at = ?, last_error = ?", [each.next_at, each.error]
        elif each.error is not None:
            sets, values = "status = 'failed', attempts = attempts + 1, last_error = ?", [each.error]
        else:
            sets = "status = 'delivered', attempts = attempts + 1, delivered_at = ?, last_error = NULL"
            values = [at]
        found = tx.run(
            f"UPDATE delivery SET {sets} WHERE id = ? AND idempotency_key = ? AND status = 'pending'",  # noqa: S608 - one of the constants above
            [*values, each.id, each.key],
        )
        if found and each.unreached and each.next_at is not None:
            tx.run(
                "UPDATE delivery SET next_at = ?1 WHERE status = 'pending' AND next_at < ?1"
                " AND handler = (SELECT handler FROM delivery WHERE id = ?2)",
                [each.next_at, each.id],
            )
        if found:
            _log(tx, each)


def renew(tx: Transaction) -> int:
    """Put back what was given up, with all tries ahead of it again. Returns how many there were."""
    at = now()
    sets = "status = 'pending', attempts = 0, next_at = ?, created_at = ?"
    return tx.run(f"UPDATE delivery SET {sets} WHERE status = 'failed'", [at, at])  # noqa: S608 - a constant


def forget_old(tx: Transaction) -> int:
    """Drop deliveries that are over, but for the newest. An event's own row keeps it from being told again."""
    last = tx.value("SELECT COALESCE(MAX(id), 0) FROM delivery")
    return tx.run("DELETE FROM delivery WHERE status != 'pending' AND id <= ?", [last - KEPT])


def _listening(tx: Transaction, group_id: int) -> _Listening | None:
    sql = "SELECT batch_id, created_at, handlers FROM run_group WHERE id = ? AND handlers != '{}'"
    rows = tx.rows(sql, [group_id])
    return _Listening(group_id, rows[0].batch_id, rows[0].created_at, json.loads(rows[0].handlers)) if rows else None


def _deliveries(tx: Transaction, group: _Listening, row: Any) -> list[_Delivery]:
    """Of one event, for each of its handlers."""
    event = LifecycleEvent(row.event)
    if event is LifecycleEvent.GROUP_END:  # "80 %" must not come after "completed"
        sql = "DELETE FROM delivery WHERE run_group_id = ? AND event = ? AND status = 'pending'"
        tx.run(sql, [group.id, PROGRESS])
    handlers = group.handlers.get(event.value)
    if not handlers:
        return []
    failed = event in (LifecycleEvent.ITEM_FAILED, LifecycleEvent.STEP_FAILED)
    ended = event is LifecycleEvent.GROUP_END
    payload = payloads.lifecycle(
        event,
        at=row.at,
        status=row.status,
        batch_id=group.batch_id,
        run_group_id=group.id,
        run_id=row.run_id,
        step=row.step,
        document=payloads.document(row.document_id, row.uri) if row.document_id else None,
        error=payloads.failure(row.status_message, row.step or row.failed_step) if failed else None,
        data=_summary(tx, group.id) if ended else None,
        reason=row.status_message if ended else None,
    )
    deliveries = []
    for handler in handlers:
        text = _canonical(handler)
        key = _key(group, event.value, f"{row.run_id} {row.step_id} {row.attempt}", text)
        body = _body(payload, handler)
        deliveries.append((key, group.batch_id, group.id, event.value, text, body, row.at, row.at))
    return deliveries


def _summary(tx: Transaction, group_id: int) -> dict[str, Any]:
    """The ``data`` of a group's end."""
    runs = dict(tx.rows("SELECT status, COUNT(*) FROM run WHERE run_group_id = ? GROUP BY status", [group_id]))
    sql = "SELECT COUNT(*) FROM run WHERE run_group_id = ? AND status = 'completed' AND degraded = 1"
    degraded = tx.value(sql, [group_id])
    group = tx.rows(
        "SELECT chunks_total, chunks_embedded, processing_seconds, database FROM run_group WHERE id = ?", [group_id]
    )[0]
    failed = tx.rows(
        "SELECT d.id, d.uri, d.retry_count, r.status_message, r.completed_at, s.name FROM run r"
        " JOIN document d ON d.id = r.document_id"
        " LEFT JOIN run_step s ON s.run_id = r.id AND s.status = 'failed'"
        " WHERE r.run_group_id = ? AND r.status = 'failed' ORDER BY d.uri LIMIT ?",
        [group_id, payloads.MOST_ERRORS],
    )
    return {
        "database": group.database,
        "documents": {
            "completed": runs.get("completed", 0),
            "failed": runs.get("failed", 0),
            "degraded": degraded,
            "cancelled": runs.get("cancelled", 0),
        },
        "chunks": {
            "total": group.chunks_total,
            "embedded": group.chunks_embedded,
            "reused": max(group.chunks_total - group.chunks_embedded, 0),
        },
        "seconds": round(group.processing_seconds, 3),
        "errors": [_error(row) for row in failed],
    }


def _error(row: Any) -> dict[str, Any]:
    error = {**payloads.document(row.id, row.uri), **payloads.failure(row.status_message, row.name)}
    return {**error, "occurred_at": row.completed_at, "retry_count": row.retry_count}


def _log(tx: Transaction, settled: Settlement) -> None:
    """What was given up, and what commands printed."""
    given_up = settled.error is not None and settled.next_at is None
    if not given_up and not settled.note:
        return
    what = f"{settled.event} was not delivered to {settled.handler}: {settled.error}"
    log(
        tx,
        "warning" if given_up else "info",
        what if given_up else _noted(settled),
        batch_id=settled.batch_id,
        run_group_id=settled.run_group_id,
        event=settled.event,
        handler=settled.handler,
        idempotency_key=settled.key,
        attempts=tx.value("SELECT attempts FROM delivery WHERE id = ?", [settled.id]),
        **({"error": settled.error} if settled.error else {}),
        **({"output": settled.note} if settled.note else {}),
    )


def _noted(settled: Settlement) -> str:
    return (
        "wrote the report" if settled.handler == "report" else f"{settled.handler} printed something on {settled.event}"
    )


def _canonical(handler: dict[str, Any]) -> str:
    return json.dumps(handler, sort_keys=True, ensure_ascii=False)


def _body(payload: dict[str, Any], handler: dict[str, Any]) -> str:
    job = {"jobId": handler["job_id"]} if handler.get("job_id") else {}
    return json.dumps({**payload, **job}, ensure_ascii=False)


def _key(group: _Listening, event: str, occurrence: str, handler: str) -> str:
    """The same for the same happening and handler, however often it is written; another in every other home."""
    parts = (str(group.id), group.created_at, event, occurrence, handler)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
