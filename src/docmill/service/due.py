"""Which scheduled run groups there are, and which are due.

Reads only, and imports nothing heavy: a worker that idles asks each second. ``scheduling`` does what is found here.
"""

from __future__ import annotations

from docmill.domain.events import now
from docmill.stores.queries import Queries, Row

_SCHEDULED = (
    "SELECT g.id, g.batch_id, g.scheduled_for, b.name, b.source, b.cron, b.workflow, b.params FROM run_group g"
    " JOIN batch b ON b.id = g.batch_id WHERE g.status = 'scheduled'"
)
# No overlap: while a group of the batch is at work or held, the next one waits.
_DUE = (
    f"{_SCHEDULED} AND g.scheduled_for <= ? AND NOT EXISTS (SELECT 1 FROM run_group o WHERE o.batch_id = g.batch_id"  # noqa: S608 - a constant
    " AND o.status IN ('running', 'paused')) ORDER BY g.priority DESC, g.scheduled_for, g.id"
)
# Planned at a time that has not come yet: the clock has been put back since, and the plan may lie years ahead.
_MISPLANNED = f"{_SCHEDULED} AND b.cron IS NOT NULL AND g.created_at > ?"


def anything_due(queries: Queries) -> bool:
    """Whether ``scheduling.start_due`` has anything to do."""
    at = now()
    return bool(queries.rows(f"{_DUE} LIMIT 1", [at]) or queries.rows(f"{_MISPLANNED} LIMIT 1", [at]))


def due_groups(queries: Queries) -> list[Row]:
    """Scheduled groups whose time has come, in the order in which they are to start."""
    return queries.rows(_DUE, [now()])


def misplanned_groups(queries: Queries) -> list[Row]:
    """Groups of cron expressions that were planned by a clock which has been put back since."""
    return queries.rows(_MISPLANNED, [now()])


def next_due(queries: Queries) -> str | None:
    """When the next scheduled group is to start."""
    when: str | None = queries.value("SELECT MIN(scheduled_for) FROM run_group WHERE status = 'scheduled'")
    return when


def scheduled_group(queries: Queries, batch_id: int) -> Row | None:
    """The one of a batch that waits for its time, if any does."""
    return queries.row(f"{_SCHEDULED} AND g.batch_id = ? ORDER BY g.scheduled_for LIMIT 1", [batch_id])


def batches_running(queries: Queries) -> int:
    """How many batches run, as the limit of batches at once counts them."""
    return int(queries.value("SELECT COUNT(DISTINCT batch_id) FROM run_group WHERE status = 'running'"))
