"""How many batches may run at once. Asked in the transaction that makes one run, so that no two get the last place."""

from __future__ import annotations

from datetime import UTC, datetime

from docmill.errors import ConcurrentBatchLimit
from docmill.stores.state.database import Transaction

RETRY_AFTER_S = 60


def require_room(tx: Transaction, batch_id: int, most: int | None) -> None:
    """Raises ConcurrentBatchLimit where ``most`` batches run already. One that runs may run on. None: no limit."""
    if most is None:
        return
    running = [row.batch_id for row in tx.rows("SELECT DISTINCT batch_id FROM run_group WHERE status = 'running'")]
    if batch_id in running or len(running) < most:
        return
    raise ConcurrentBatchLimit(
        f"{len(running)} batches are running, and no more than {most} may at once",
        hint="wait for one of them (`docmill active`), or raise DOCMILL_MAX_RUNNING_BATCHES",
        current_batches=len(running),
        max_allowed=most,
        retry_after=_retry_after(tx),
    )


def _retry_after(tx: Transaction) -> int:
    """Seconds until the first of them may have ended, by how they got on so far; a minute where nothing tells."""
    rows = tx.rows(
        "SELECT g.started_at, SUM(r.status NOT IN ('pending', 'running')) AS done, COUNT(*) AS total"
        " FROM run_group g JOIN run r ON r.run_group_id = g.id WHERE g.status = 'running' GROUP BY g.id"
    )
    left = []
    for row in rows:
        if row.done and row.started_at:
            spent = (datetime.now(UTC) - datetime.fromisoformat(row.started_at)).total_seconds()
            left.append(max(spent, 0.0) / row.done * (row.total - row.done))
    return max(1, round(min(left, default=RETRY_AFTER_S)))
