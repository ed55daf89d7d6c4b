"""Deletes records of work: run groups and batches, with all that depends on them. Never artifacts or rows of databases.

Rows in the databases are the engine's: of a document that is deleted here, the placements stay, marked as leaving,
until its rows are gone.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from docmill.domain.events import now
from docmill.domain.status import ACTIVE_GROUPS, STATUSES, Entity, Status, batch_status
from docmill.errors import BatchNotFound, InvalidState, NotAllowedError, RunGroupNotFound
from docmill.stores.state import catalogue
from docmill.stores.state.database import Transaction
from docmill.stores.state.numbering import retire_ids

Deleted = Counter[str]
"""Numbers of rows by what they were, in the plural."""

_IDLE_GROUPS = sorted(STATUSES[Entity.GROUP] - ACTIVE_GROUPS)
_IDLE_BATCHES = sorted({*_IDLE_GROUPS, Status.CREATED})


def delete_group(tx: Transaction, group_id: int) -> Deleted:
    """A run group, its runs, their steps, its events and deliveries. The log of its batch stays.

    Raises RunGroupNotFound, InvalidState while it is active.
    """
    found = tx.rows("SELECT batch_id, status FROM run_group WHERE id = ?", [group_id])
    if not found:
        raise RunGroupNotFound(f"no run group {group_id}", hint="`docmill run-groups list` shows them")
    if found[0].status in ACTIVE_GROUPS:
        raise InvalidState(
            f"run group {group_id} is {found[0].status}",
            hint=f"docmill cancel --run-group {group_id}",
            current_status=found[0].status,
            valid_statuses=[status.value for status in _IDLE_GROUPS],
        )
    deleted = _delete_work(tx, "id = ?", group_id)
    _stand_by_what_is_left(tx, found[0].batch_id)
    return deleted


def delete_batch(tx: Transaction, batch_id: int, *, with_documents: bool) -> Deleted:
    """A batch and all its records. ``with_documents``: also those that it has, whose rows then leave the databases.

    A source that it followed follows another batch that has documents of it, else it is forgotten. Raises
    BatchNotFound, InvalidState while anything of it is unfinished, NotAllowedError where its documents are not to go.
    """
    _require_idle(tx, batch_id)
    documents = tx.value("SELECT COUNT(*) FROM document WHERE batch_id = ? AND state = 'active'", [batch_id])
    if documents and not with_documents:
        raise NotAllowedError(
            f"batch {batch_id} has {documents} documents",
            hint="--with-documents takes them out of the index too; their files stay where they are",
            documents=documents,
        )
    deleted = _delete_work(tx, "batch_id = ?", batch_id)
    deleted += _delete_documents(tx, batch_id)
    deleted["log_entries"] = tx.run("DELETE FROM log_entry WHERE batch_id = ?", [batch_id])
    deleted["sources"] = _release_sources(tx, batch_id)
    retire_ids(tx, "batch")
    deleted["batches"] = tx.run("DELETE FROM batch WHERE id = ?", [batch_id])
    return deleted


def remove_document(tx: Transaction, document_id: str) -> tuple[Deleted, list[str]]:
    """Leave a tombstone of a document: it stays out of the index, though its file is there, until it is restored.

    Its runs that have ended go, with their steps and events, and so does its history. Returns what was deleted, and the
    step keys of artifacts that nobody else leads to.
    """
    ended = "SELECT id FROM run WHERE document_id = ? AND status NOT IN ('pending', 'running')"
    keys = _keys_of_nobody_else(tx, document_id)
    retire_ids(tx, "run")
    deleted = Deleted()
    for name, table in {"steps": "run_step", "lifecycle_events": "lifecycle_event"}.items():
        deleted[name] = tx.run(f"DELETE FROM {table} WHERE run_id IN ({ended})", [document_id])  # noqa: S608 - our own names
    deleted["runs"] = tx.run(f"DELETE FROM run WHERE id IN ({ended})", [document_id])  # noqa: S608 - a constant
    deleted["document_versions"] = tx.run("DELETE FROM document_version WHERE document_id = ?", [document_id])
    at = now()
    catalogue.bury(tx, document_id, None, itself=False)
    tx.run("UPDATE document SET state = 'removed', updated_at = ? WHERE id = ?", [at, document_id])
    tx.run(
        "UPDATE placement SET state = 'leaving', settled_key = NULL, updated_at = ? WHERE document_id = ?",
        [at, document_id],
    )
    tx.many("DELETE FROM artifact WHERE step_key = ?", [(key,) for key in keys])
    return deleted, keys


def restore_document(tx: Transaction, document_id: str) -> None:
    """Take a tombstone away: the next scan of its folder, or a new look into the document that it lies in, brings the
    document back, with the id it had.
    """
    tx.run(
        "UPDATE placement SET settled_key = NULL WHERE document_id = (SELECT parent_id FROM document WHERE id = ?)",
        [document_id],
    )
    tx.run("UPDATE document SET state = 'deleted', updated_at = ? WHERE id = ?", [now(), document_id])


def _keys_of_nobody_else(tx: Transaction, document_id: str) -> list[str]:
    rows = tx.rows(
        "SELECT DISTINCT s.step_key FROM run_step s JOIN run r ON r.id = s.run_id JOIN artifact a"
        " ON a.step_key = s.step_key WHERE r.document_id = ? AND s.step_key NOT IN (SELECT o.step_key FROM run_step o"
        " JOIN run x ON x.id = o.run_id WHERE x.document_id != ? AND o.step_key IS NOT NULL)",
        [document_id, document_id],
    )
    return [row.step_key for row in rows]


def _require_idle(tx: Transaction, batch_id: int) -> None:
    found = tx.value("SELECT status FROM batch WHERE id = ?", [batch_id])
    if found is None:
        raise BatchNotFound(f"no batch {batch_id}")
    busy = found if found not in _IDLE_BATCHES else None
    # Documents may be under way for another batch too: an engine would wait for ever for one that has gone.
    elsewhere = tx.value(
        "SELECT r.batch_id FROM run r JOIN document d ON d.id = r.document_id"
        " WHERE d.batch_id = ? AND r.status IN ('pending', 'running') LIMIT 1",
        [batch_id],
    )
    if busy is None and elsewhere is None:
        return
    whose = batch_id if busy else elsewhere
    raise InvalidState(
        f"batch {batch_id} is {busy}" if busy else f"documents of batch {batch_id} are under way in batch {elsewhere}",
        hint=f"docmill cancel {whose}",
        current_status=busy or found,
        valid_statuses=[status.value for status in _IDLE_BATCHES],
    )


def _delete_work(tx: Transaction, which: str, value: int) -> Deleted:
    """Run groups by a condition of our own, and what hangs on them, leaves first."""
    groups = f"SELECT id FROM run_group WHERE {which}"  # noqa: S608 - our own condition
    retire_ids(tx, "run_group")
    retire_ids(tx, "run")
    tables = {
        "steps": "run_step",
        "lifecycle_events": "lifecycle_event",
        "deliveries": "delivery",
        "runs": "run",
    }
    deleted = Deleted()
    for name, table in tables.items():
        deleted[name] = tx.run(f"DELETE FROM {table} WHERE run_group_id IN ({groups})", [value])  # noqa: S608 - our own names
    deleted["run_groups"] = tx.run(f"DELETE FROM run_group WHERE {which}", [value])  # noqa: S608 - our own condition
    return deleted


def _delete_documents(tx: Transaction, batch_id: int) -> Deleted:
    tx.run(
        "UPDATE placement SET state = 'leaving', settled_key = NULL, updated_at = ?"
        " WHERE document_id IN (SELECT id FROM document WHERE batch_id = ?)",
        [now(), batch_id],
    )
    deleted = Deleted()
    deleted["document_versions"] = tx.run(
        "DELETE FROM document_version WHERE document_id IN (SELECT id FROM document WHERE batch_id = ?)", [batch_id]
    )
    deleted["documents"] = tx.run("DELETE FROM document WHERE batch_id = ?", [batch_id])
    return deleted


def _release_sources(tx: Transaction, batch_id: int) -> int:
    """Returns how many sources no document is left of."""
    heirs: list[tuple[Any, str]] = [
        (tx.value("SELECT MAX(batch_id) FROM document WHERE source = ? AND state = 'active'", [row.name]), row.name)
        for row in tx.rows("SELECT name FROM source WHERE batch_id = ?", [batch_id])
    ]
    tx.many("UPDATE source SET batch_id = ? WHERE name = ?", [pair for pair in heirs if pair[0] is not None])
    return tx.many("DELETE FROM source WHERE name = ?", [(name,) for heir, name in heirs if heir is None])


def _stand_by_what_is_left(tx: Transaction, batch_id: int) -> None:
    """A batch's status follows from its groups', also once there are fewer of them."""
    left = tx.rows("SELECT status, completed_at FROM run_group WHERE batch_id = ? ORDER BY id", [batch_id])
    status = batch_status([Status(row.status) for row in left])
    ended = left[-1].completed_at if left and status not in ACTIVE_GROUPS else None
    tx.run(
        "UPDATE batch SET status = ?, updated_at = ?, completed_at = ?, started_at = IIF(?, started_at, NULL)"
        " WHERE id = ?",
        [status.value, now(), ended, bool(left), batch_id],
    )
