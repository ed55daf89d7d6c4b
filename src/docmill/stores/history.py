"""Reads what was done: run groups, runs, steps, lifecycle events and log entries, as lists with filters and totals.

Functions on :class:`Queries`, so that they share its connection and its snapshot. They import no toolkit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from docmill.stores.queries import Queries, Row

LEVELS = ("debug", "info", "warning", "error")
SORTS = {"created_at": "created_at", "updated_at": "updated_at", "name": "casefold(name)"}
_MANY = 500  # well under SQLite's limit on the number of parameters

_RUNS = (
    "SELECT r.*, g.workflow, g.params, g.priority, d.uri, d.source, d.type AS document_type, d.suffix, d.size_bytes,"
    " d.state AS document_state, d.meta, d.version AS document_version, d.content_hash AS document_hash,"
    " d.first_seen_at, d.updated_at AS document_updated_at"
    " FROM run r JOIN run_group g ON g.id = r.run_group_id LEFT JOIN document d ON d.id = r.document_id"
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which records of work, and which page of them. Empty: all."""

    batch_id: int | None = None
    run_group_id: int | None = None
    statuses: Sequence[str] = ()
    types: Sequence[str] = ()
    limit: int = 50
    offset: int = 0

    def where(self, alias: str) -> tuple[str, list[Any]]:
        """The condition on a table that has ``run_group_id`` and ``status``, and its values."""
        terms, values = ["1"], list[Any]()
        if self.run_group_id is not None:
            terms.append(f"{alias}.run_group_id = ?")
            values.append(self.run_group_id)
        if self.batch_id is not None:
            terms.append(f"{alias}.run_group_id IN (SELECT id FROM run_group WHERE batch_id = ?)")  # noqa: S608 - a name from our own code
            values.append(self.batch_id)
        for column, wanted in (("status", self.statuses), ("type", self.types)):
            if wanted:
                terms.append(f"{alias}.{column} IN ({_marks(wanted)})")
                values += wanted
        return " AND ".join(terms), values


@dataclass(frozen=True, slots=True)
class ChosenBatches:
    """Which batches, in which order, and which page. Times are inclusive after, exclusive before."""

    status: str | None = None
    type: str | None = None
    priority: str | None = None
    created_after: str | None = None
    created_before: str | None = None
    search: str | None = None
    sort: str = "created_at"
    descending: bool = True
    limit: int = 50
    offset: int = 0

    def where(self) -> tuple[str, list[Any]]:
        given = {
            "status = ?": self.status,
            "type = ?": self.type,
            "priority = ?": self.priority,
            "created_at >= ?": self.created_after,
            "created_at < ?": self.created_before,
            # LIKE folds the case of ASCII letters alone
            "instr(casefold(name || char(10) || description), casefold(?))": self.search,
        }
        terms = {term: value for term, value in given.items() if value is not None}
        return " AND ".join(["1", *terms]), list(terms.values())


@dataclass(frozen=True, slots=True)
class BatchPage:
    """One page, its total, and how many there are of each status and type in all."""

    total: int
    rows: list[Row]
    by_status: dict[str, int] = field(default_factory=dict)
    by_type: dict[str, int] = field(default_factory=dict)


def batches(queries: Queries, chosen: ChosenBatches) -> BatchPage:
    where, values = chosen.where()
    order = "DESC" if chosen.descending else "ASC"
    sql = f"SELECT * FROM batch WHERE {where} ORDER BY {SORTS[chosen.sort]} {order}, id {order} LIMIT ? OFFSET ?"  # noqa: S608 - our own terms and columns
    counted = {
        column: {
            row[0]: row[1]
            for row in queries.rows(
                f"SELECT {column}, COUNT(*) FROM batch WHERE {where} GROUP BY 1 ORDER BY 1",  # noqa: S608 - our own terms and columns
                values,
            )
        }
        for column in ("status", "type")
    }
    rows = queries.rows(sql, [*values, chosen.limit, chosen.offset])
    return BatchPage(sum(counted["status"].values()), rows, counted["status"], counted["type"])


def runs(queries: Queries, chosen: Chosen) -> tuple[int, list[Row]]:
    """Total and one page: the newest group's runs first, each group's in the order of their making."""
    where, values = chosen.where("r")
    total = queries.value(f"SELECT COUNT(*) FROM run r WHERE {where}", values)  # noqa: S608 - our own terms
    sql = f"{_RUNS} WHERE {where} ORDER BY r.run_group_id DESC, r.id LIMIT ? OFFSET ?"
    return total, queries.rows(sql, [*values, chosen.limit, chosen.offset])


def find_run(queries: Queries, run_id: int) -> Row | None:
    return queries.row(f"{_RUNS} WHERE r.id = ?", [run_id])


def steps(queries: Queries, chosen: Chosen) -> tuple[int, list[Row]]:
    """Total and one page: the newest group's first, then run by run, in order."""
    where, values = chosen.where("s")
    total = queries.value(f"SELECT COUNT(*) FROM run_step s WHERE {where}", values)  # noqa: S608 - our own terms
    sql = f"SELECT s.* FROM run_step s WHERE {where} ORDER BY s.run_group_id DESC, s.run_id, s.number LIMIT ? OFFSET ?"  # noqa: S608 - our own terms
    return total, queries.rows(sql, [*values, chosen.limit, chosen.offset])


def steps_of_runs(queries: Queries, run_ids: Sequence[int]) -> dict[int, list[Row]]:
    """The steps of each run, in order."""
    found: dict[int, list[Row]] = {run_id: [] for run_id in run_ids}
    for start in range(0, len(run_ids), _MANY):
        part = run_ids[start : start + _MANY]
        sql = f"SELECT * FROM run_step WHERE run_id IN ({_marks(part)}) ORDER BY run_id, number"  # noqa: S608 - marks only
        for row in queries.rows(sql, part):
            found[row["run_id"]].append(row)
    return found


def groups(queries: Queries, chosen: Chosen) -> tuple[int, list[Row]]:
    """Total and one page, newest first."""
    terms, values = ["1"], list[Any]()
    if chosen.batch_id is not None:
        terms.append("batch_id = ?")
        values.append(chosen.batch_id)
    if chosen.statuses:
        terms.append(f"status IN ({_marks(chosen.statuses)})")
        values += chosen.statuses
    where = " AND ".join(terms)
    total = queries.value(f"SELECT COUNT(*) FROM run_group WHERE {where}", values)  # noqa: S608 - our own terms
    sql = f"SELECT * FROM run_group WHERE {where} ORDER BY id DESC LIMIT ? OFFSET ?"  # noqa: S608 - our own terms
    return total, queries.rows(sql, [*values, chosen.limit, chosen.offset])


def unfinished_batches(queries: Queries, limit: int, offset: int) -> tuple[int, list[Row]]:
    """Running and paused batches: running ones first, then those that began last."""
    where = "status IN ('running', 'paused')"
    total = queries.value(f"SELECT COUNT(*) FROM batch WHERE {where}")  # noqa: S608 - a constant
    sql = f"SELECT * FROM batch WHERE {where} ORDER BY status DESC, started_at DESC, id DESC LIMIT ? OFFSET ?"  # noqa: S608 - a constant
    return total, queries.rows(sql, [limit, offset])


def lifecycle(queries: Queries, run_id: int, *, group_id: int | None = None) -> list[Row]:
    """A run's events in order; with ``group_id`` also those of its group itself."""
    return queries.rows(
        "SELECT e.*, s.name AS step_name FROM lifecycle_event e LEFT JOIN run_step s ON s.id = e.step_id"
        " WHERE e.id IN (SELECT id FROM lifecycle_event WHERE run_id = ?1 UNION ALL"
        " SELECT id FROM lifecycle_event WHERE run_group_id = ?2 AND run_id IS NULL) ORDER BY e.id",
        [run_id, group_id],
    )


def events_of_group(queries: Queries, group_id: int, after: int, limit: int) -> list[Row]:
    """The lifecycle events of a group behind an id, in order."""
    return queries.rows(
        "SELECT e.*, s.name AS step_name FROM lifecycle_event e LEFT JOIN run_step s ON s.id = e.step_id"
        " WHERE e.run_group_id = ? AND e.id > ? ORDER BY e.id LIMIT ?",
        [group_id, after, limit],
    )


def step_statuses(queries: Queries, group_id: int) -> list[Row]:
    """Number of steps of a group by name, type and status, in the order of the steps."""
    return queries.rows(
        "SELECT name, type, status, COUNT(*) AS n, SUM(reused) AS reused, SUM(attempt - 1) AS retries"
        " FROM run_step WHERE run_group_id = ? GROUP BY name, type, status ORDER BY MIN(number), status",
        [group_id],
    )


def step_seconds(queries: Queries, group_id: int) -> dict[str, list[float]]:
    """Durations of the steps that were done, not reused: by step name, ascending."""
    found: dict[str, list[float]] = {}
    for name, seconds in queries.tuples(
        "SELECT name, MAX(duration_seconds, 0) FROM run_step WHERE run_group_id = ? AND status = 'completed'"
        " AND reused = 0 AND duration_seconds IS NOT NULL",
        [group_id],
    ):
        found.setdefault(name, []).append(seconds)
    for ascending in found.values():
        ascending.sort()
    return found


def run_times(queries: Queries, group_id: int) -> list[Row]:
    """When each run of a group began and ended, of those that have."""
    return queries.rows(
        "SELECT started_at, completed_at FROM run WHERE run_group_id = ? AND started_at IS NOT NULL"
        " AND completed_at IS NOT NULL",
        [group_id],
    )


def log_entries(
    queries: Queries, batch_id: int, level: str, *, limit: int, offset: int = 0, after: int | None = None
) -> list[Row]:
    """Entries of at least a level, oldest first: the newest ``limit``, or with ``after`` the next ones behind an id."""
    levels = LEVELS[LEVELS.index(level) :]
    where = f"batch_id = ? AND level IN ({_marks(levels)})"
    if after is not None:
        sql = f"SELECT * FROM log_entry WHERE {where} AND id > ? ORDER BY id LIMIT ?"  # noqa: S608 - marks only
        return queries.rows(sql, [batch_id, *levels, after, limit])
    sql = f"SELECT * FROM log_entry WHERE {where} ORDER BY id DESC LIMIT ? OFFSET ?"  # noqa: S608 - marks only
    return queries.rows(sql, [batch_id, *levels, limit, offset])[::-1]


def log_entries_of_document(queries: Queries, document_id: str, limit: int = 100) -> list[Row]:
    """The newest entries that are about a document, oldest of them first, in the logs of all batches."""
    sql = "SELECT * FROM log_entry WHERE json_extract(context, '$.document_id') = ? ORDER BY id DESC LIMIT ?"
    return queries.rows(sql, [document_id, limit])[::-1]


def worker_deaths(queries: Queries, document_id: str | None = None) -> list[Row]:
    """The entries that tell of a worker's death, oldest first: of one document, or of all."""
    code, about = "json_extract(context, '$.exit_code')", "json_extract(context, '$.document_id')"
    return queries.rows(
        f"SELECT * FROM log_entry WHERE context LIKE '%\"exit_code\"%' AND {code} IS NOT NULL"  # noqa: S608 - a constant
        f" AND {about} = COALESCE(?, {about}) ORDER BY id",
        [document_id],
    )


def crashes(queries: Queries, document_id: str) -> int:
    """How many workers a document took down in its last run."""
    sql = "SELECT crashes FROM run WHERE document_id = ? ORDER BY id DESC LIMIT 1"
    return queries.value(sql, [document_id]) or 0


def count_log_entries(queries: Queries, batch_id: int, level: str) -> int:
    levels = LEVELS[LEVELS.index(level) :]
    sql = f"SELECT COUNT(*) FROM log_entry WHERE batch_id = ? AND level IN ({_marks(levels)})"  # noqa: S608 - marks only
    return int(queries.value(sql, [batch_id, *levels]))


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" for _ in values)
