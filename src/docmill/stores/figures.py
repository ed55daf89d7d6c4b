"""Reads how long the work of a run group took and how much it was. Imports no toolkit.

A group may have a hundred thousand documents and half a million steps: each function reads them once.
"""

from __future__ import annotations

from docmill.stores.queries import Queries, Row

_PAGES = "COALESCE(json_extract(d.text_yield, '$.pages'), 0)"
_URI = "LEFT JOIN document d ON d.id = r.document_id"
_OF_RUN = "LEFT JOIN document d ON d.id = r.document_id AND d.version = r.version"
_AMOUNTS = f"SUM(r.chunk_count) AS chunks, SUM({_PAGES}) AS pages, SUM(COALESCE(d.size_bytes, 0)) AS size_bytes"


def latest_group(queries: Queries, batch_id: int | None = None) -> Row | None:
    """The newest run group that has begun: of a batch, or of the home."""
    of_batch = " AND batch_id = ?" if batch_id is not None else ""
    sql = f"SELECT * FROM run_group WHERE started_at IS NOT NULL{of_batch} ORDER BY id DESC LIMIT 1"  # noqa: S608 - a constant
    return queries.row(sql, [batch_id] if batch_id is not None else [])


def run_times(queries: Queries, group_id: int) -> list[tuple[int, str, str, str | None, str]]:
    """Of each run of a group that has ended: id, begin, end, its document's type, and its suffix."""
    return queries.tuples(
        "SELECT r.id, r.started_at, r.completed_at, d.type, COALESCE(d.suffix, '') FROM run r"
        " LEFT JOIN document d ON d.id = r.document_id WHERE r.run_group_id = ? AND r.status IN ('completed', 'failed')"
        " AND r.started_at IS NOT NULL AND r.completed_at IS NOT NULL",
        [group_id],
    )


def runs_by_id(queries: Queries, run_ids: list[int]) -> dict[int, Row]:
    """Runs, with the URIs of their documents."""
    sql = f"SELECT r.id, r.document_id, r.status, d.uri FROM run r {_URI} WHERE r.id IN ({_marks(run_ids)})"  # noqa: S608 - marks only
    return {row["id"]: row for row in queries.rows(sql, run_ids)}


def longest_steps(queries: Queries, run_ids: list[int]) -> dict[int, Row]:
    """Of each run that has any, the step that was done and took longest."""
    of_runs = f"run_id IN ({_marks(run_ids)})"
    done = "status = 'completed' AND reused = 0 AND duration_seconds IS NOT NULL"
    sql = f"SELECT run_id, name, MAX(duration_seconds) AS seconds FROM run_step WHERE {of_runs} AND {done} GROUP BY 1"  # noqa: S608 - marks only
    return {row["run_id"]: row for row in queries.rows(sql, run_ids)}


def amounts(queries: Queries, group_id: int) -> Row:
    """Documents that ended, and of those that were stored: chunks, pages and bytes."""
    found = queries.row(
        f"SELECT COUNT(*) AS documents, {_AMOUNTS} FROM run r {_OF_RUN}"  # noqa: S608 - constants
        " WHERE r.run_group_id = ? AND r.status IN ('completed', 'failed')",
        [group_id],
    )
    assert found is not None
    return found


def steps_done(queries: Queries, group_id: int) -> list[Row]:
    """Each step of a group in order: how many were done and how many reused, when, and for how long in all."""
    return queries.rows(
        "SELECT name, type, SUM(reused = 0) AS documents, SUM(reused) AS reused,"
        " SUM(IIF(reused = 0, MAX(COALESCE(duration_seconds, 0), 0), 0)) AS work_seconds,"
        " MIN(IIF(reused = 0, started_at, NULL)) AS began, MAX(IIF(reused = 0, completed_at, NULL)) AS ended"
        " FROM run_step WHERE run_group_id = ? AND status = 'completed' GROUP BY name, type ORDER BY MIN(number)",
        [group_id],
    )


def amounts_reused(queries: Queries, group_id: int) -> dict[str, Row]:
    """By step: chunks, pages and bytes of the documents whose output of it was there already."""
    rows = queries.rows(
        f"SELECT s.name, {_AMOUNTS} FROM run_step s JOIN run r ON r.id = s.run_id {_OF_RUN}"  # noqa: S608 - constants
        " WHERE s.run_group_id = ? AND s.status = 'completed' AND s.reused = 1 GROUP BY s.name",
        [group_id],
    )
    return {row["name"]: row for row in rows}


def _marks(values: list[int]) -> str:
    return ", ".join("?" for _ in values)
