"""Writes that a document, which is not tried again by itself, shall be."""

from __future__ import annotations

from docmill.stores.state.database import Transaction
from docmill.stores.state.logs import log


def release(tx: Transaction, document_id: str, version: int) -> None:
    """Its failure stays on record until it is tried; a new run begins without the deaths of earlier ones."""
    changed = tx.run(
        "UPDATE document SET failed_key = NULL WHERE id = ? AND version = ? AND state = 'active'"
        " AND outcome = 'failed' AND failed_key IS NOT NULL",
        [document_id, version],
    )
    if changed:
        [row] = tx.rows("SELECT uri, batch_id, error_code FROM document WHERE id = ?", [document_id])
        about = {"uri": row.uri, "document_id": document_id, "error_code": row.error_code}
        log(tx, "info", f"{row.uri}: released from quarantine", batch_id=row.batch_id, **about)
