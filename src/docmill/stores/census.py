"""Counts all that a home knows, for its metrics. Imports no toolkit.

Each of these reads a table or an index once: some tenths of a second for a hundred thousand documents.
"""

from __future__ import annotations

from collections import Counter

from docmill.filetypes import type_by_name
from docmill.stores.queries import Queries, Row

MOST_BATCHES = 100


def documents(queries: Queries) -> dict[tuple[str, str], int]:
    """Active documents by status (pending, completed, failed) and type; one not read yet by what its name promises."""
    counted: Counter[tuple[str, str]] = Counter()
    for outcome, kind, suffix, number in queries.tuples(
        "SELECT outcome, type, suffix, COUNT(*) FROM document WHERE state = 'active' GROUP BY 1, 2, 3"
    ):
        counted[outcome or "pending", kind or type_by_name(f"x{suffix}") or "unknown"] += number
    return dict(sorted(counted.items()))


def by_status(queries: Queries, table: str) -> dict[str, int]:
    """Rows of ``batch``, ``run_group`` or ``delivery`` by their status."""
    return dict(queries.tuples(f"SELECT status, COUNT(*) FROM {table} GROUP BY 1"))  # noqa: S608 - a name from our own code


def queue(queries: Queries) -> dict[str, int]:
    """Runs that are pending or running in groups that have not ended."""
    return dict(
        queries.tuples(
            "SELECT r.status, COUNT(*) FROM run_group g CROSS JOIN run r ON r.run_group_id = g.id"
            " WHERE g.status IN ('running', 'paused') AND r.status IN ('pending', 'running') GROUP BY 1"
        )
    )


def stored(queries: Queries) -> dict[str, tuple[int, int]]:
    """By database: documents, and their passages."""
    rows = queries.tuples(
        "SELECT database, COUNT(*), COALESCE(SUM(chunk_count), 0) FROM placement WHERE state = 'stored' GROUP BY 1"
    )
    return {name: (number, chunks) for name, number, chunks in rows}


def artifacts(queries: Queries) -> tuple[int, int]:
    """How many steps' outputs are kept, and their bytes."""
    number, size = queries.tuples("SELECT COUNT(*), COALESCE(SUM(size_bytes), 0) FROM artifact")[0]
    return number, size


def last_groups(queries: Queries) -> list[Row]:
    """The newest run group that has begun of each batch, with the batch's name: of the batches that ran last."""
    return queries.rows(
        "SELECT g.*, b.name AS batch FROM batch b JOIN run_group g ON g.id ="
        " (SELECT MAX(id) FROM run_group WHERE batch_id = b.id AND started_at IS NOT NULL) ORDER BY g.id DESC LIMIT ?",
        [MOST_BATCHES],
    )


def engine_starts(queries: Queries) -> int:
    """How many engines have been at work in the home since it was made."""
    return int(queries.value("SELECT value FROM home_meta WHERE key = 'engine_epoch'") or 0)
