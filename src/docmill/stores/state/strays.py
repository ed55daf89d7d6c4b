"""Marks documents whose rows do not belong into a database, so that the next window there takes them out."""

from __future__ import annotations

from collections.abc import Iterable

from docmill.domain.events import now
from docmill.stores.state.database import Transaction

_ORPHANED = "document_id NOT IN (SELECT id FROM document)"


def mark_strays(tx: Transaction, database: str, document_ids: Iterable[str]) -> None:
    """Where an engine has made a mark meanwhile, that one holds: the document is about to be stored."""
    at = now()
    tx.many(
        "INSERT INTO placement (document_id, database, state, chunk_count, updated_at) VALUES (?, ?, 'leaving', 0, ?)"
        " ON CONFLICT (document_id, database) DO NOTHING",
        [(each, database, at) for each in document_ids],
    )


def mark_due(tx: Transaction, database: str, document_ids: Iterable[str]) -> None:
    """Rows of these documents lie there, and are not what they should be: the next window replaces them."""
    at = now()
    tx.many(
        "INSERT INTO placement (document_id, database, state, chunk_count, updated_at) VALUES (?, ?, 'stored', 0, ?)"
        " ON CONFLICT (document_id, database) DO UPDATE SET settled_key = NULL, updated_at = excluded.updated_at",
        [(each, database, at) for each in document_ids],
    )


def count_marks(tx: Transaction) -> int:
    """Of documents that are not there any more, or on their way out."""
    return int(tx.value(f"SELECT COUNT(*) FROM placement WHERE {_ORPHANED} OR state = 'leaving'"))  # noqa: S608 - a constant


def release_marks(tx: Transaction) -> int:
    """Send out what is marked of documents that are not there any more. Returns how many marks that were."""
    return tx.run(
        f"UPDATE placement SET state = 'leaving', settled_key = NULL, updated_at = ? WHERE {_ORPHANED}"  # noqa: S608 - a constant
        " AND state != 'leaving'",
        [now()],
    )
