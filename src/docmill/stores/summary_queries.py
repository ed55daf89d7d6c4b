"""Reads the figures of a batch's summary: what its documents are, and what a run group did when. Imports no toolkit.

Functions on :class:`Queries`, so that they share its connection and its snapshot.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from docmill.filetypes import type_by_name
from docmill.stores.queries import OF_BATCH, Queries, Row

_ACTIVE = f"{OF_BATCH} AND d.state = 'active'"
# What is done to one document alone. Documents are embedded together, and wait for each other meanwhile.
READING = ("validate", "parse", "enrich", "chunk")
_READING = ", ".join(f"'{each}'" for each in READING)
_TIMED = f"s.type IN ({_READING}) AND s.status = 'completed' AND s.reused = 0 AND s.duration_seconds IS NOT NULL"
PENDING, COMPLETED, DEGRADED, FAILED = "pending", "completed", "degraded", "failed"


def types_and_outcomes(queries: Queries, batch_id: int) -> dict[str, Counter[str]]:
    """Documents by type, and of each type by outcome; ``degraded`` ones are not among the ``completed``."""
    rows = queries.rows(
        f"SELECT outcome, degraded, type, suffix, COUNT(*) AS n FROM document d WHERE {_ACTIVE} GROUP BY 1, 2, 3, 4",  # noqa: S608 - a constant
        [batch_id],
    )
    found: dict[str, Counter[str]] = {}
    for row in rows:
        outcome = row["outcome"] or PENDING
        if outcome == COMPLETED and row["degraded"]:
            outcome = DEGRADED
        found.setdefault(_type(row), Counter())[outcome] += row["n"]
    return dict(sorted(found.items(), key=lambda item: (-item[1].total(), item[0])))


def largest(queries: Queries, batch_id: int, limit: int) -> list[Row]:
    sql = f"SELECT d.* FROM document d WHERE {_ACTIVE} ORDER BY d.size_bytes DESC, d.uri LIMIT ?2"  # noqa: S608 - a constant
    return queries.rows(sql, [batch_id, limit])


@dataclass(frozen=True, slots=True)
class ReadingTimes:
    """Seconds that reading the documents took, each counted once, by its longest run; ``slowest``: the longest ones.

    ``seconds`` of a row is its own time.
    """

    documents: int
    seconds: float
    slowest: list[Row]


def reading_times(queries: Queries, batch_id: int, limit: int) -> ReadingTimes:
    """Of what was read, as it is now: runs that failed, and those of earlier versions, do not count."""
    each = (
        "SELECT r.document_id, MAX(t.seconds) AS seconds FROM (SELECT s.run_id, SUM(s.duration_seconds) AS seconds"  # noqa: S608 - constants
        f" FROM run_step s WHERE {_TIMED} AND s.run_id IN (SELECT r.id FROM run r JOIN document d"
        f" ON d.id = r.document_id AND d.version = r.version WHERE {_ACTIVE} AND r.status = 'completed')"
        " GROUP BY s.run_id) t JOIN run r ON r.id = t.run_id GROUP BY r.document_id"
    )
    total = queries.row(f"SELECT COUNT(*) AS n, COALESCE(SUM(seconds), 0) AS seconds FROM ({each})", [batch_id])  # noqa: S608 - as above
    slowest = queries.rows(
        f"SELECT d.*, e.seconds FROM ({each}) e JOIN document d ON d.id = e.document_id"  # noqa: S608 - as above
        " ORDER BY e.seconds DESC, d.uri LIMIT ?2",
        [batch_id, limit],
    )
    assert total is not None
    return ReadingTimes(total["n"], total["seconds"], slowest)


def copies(queries: Queries, batch_id: int) -> tuple[int, int]:
    """Documents whose bytes an earlier one has too, and their bytes."""
    row = queries.row(
        "SELECT COALESCE(SUM(n - 1), 0) AS copies, COALESCE(SUM((n - 1) * size_bytes), 0) AS size FROM"  # noqa: S608 - a constant
        f" (SELECT COUNT(*) AS n, MAX(d.size_bytes) AS size_bytes FROM document d WHERE {_ACTIVE}"
        " GROUP BY d.content_hash HAVING n > 1)",
        [batch_id],
    )
    assert row is not None
    return row["copies"], row["size"]


def pages(queries: Queries, batch_id: int) -> int:
    """Of all that has pages."""
    sql = f"SELECT SUM(json_extract(d.text_yield, '$.pages')) FROM document d WHERE {_ACTIVE}"  # noqa: S608 - a constant
    return queries.value(sql, [batch_id]) or 0


def failures_by_type(queries: Queries, batch_id: int) -> Counter[tuple[str, str, str]]:
    """Failed documents by code, type and suffix."""
    rows = queries.rows(
        f"SELECT d.error_code, d.type, d.suffix, COUNT(*) AS n FROM document d WHERE {_ACTIVE}"  # noqa: S608 - a constant
        " AND d.outcome = 'failed' GROUP BY 1, 2, 3",
        [batch_id],
    )
    found: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        found[row["error_code"], _type(row), row["suffix"]] += row["n"]
    return found


def failed_for_now(queries: Queries, batch_id: int) -> int:
    """Documents whose failure may pass by itself."""
    sql = f"SELECT COUNT(*) FROM document d WHERE {_ACTIVE} AND d.outcome = 'failed' AND d.failed_key IS NULL"  # noqa: S608 - a constant
    return int(queries.value(sql, [batch_id]))


def placed(queries: Queries, batch_id: int, database: str) -> dict[str, int]:
    """Passages of each of the batch's documents that lie in a database, by document id."""
    rows = queries.rows(
        "SELECT p.document_id, p.chunk_count FROM placement p JOIN document d ON d.id = p.document_id"  # noqa: S608 - a constant
        f" WHERE p.database = ?2 AND p.state = 'stored' AND {_ACTIVE}",
        [batch_id, database],
    )
    return {row["document_id"]: row["chunk_count"] for row in rows}


def chunks_of(queries: Queries, database: str) -> int:
    """All passages of a database."""
    sql = "SELECT COALESCE(SUM(chunk_count), 0) FROM placement WHERE database = ? AND state = 'stored'"
    return int(queries.value(sql, [database]))


def sizes(queries: Queries, batch_id: int) -> tuple[int, int]:
    """Bytes of the documents, and of the outputs that are kept of them, each counted once."""
    files = queries.value(f"SELECT COALESCE(SUM(d.size_bytes), 0) FROM document d WHERE {_ACTIVE}", [batch_id])  # noqa: S608 - a constant
    kept = queries.value(
        "SELECT COALESCE(SUM(a.size_bytes), 0) FROM artifact a WHERE a.step_key IN (SELECT s.step_key FROM run_step s"  # noqa: S608 - a constant
        f" JOIN run r ON r.id = s.run_id JOIN document d ON d.id = r.document_id WHERE {_ACTIVE}"
        " AND s.step_key IS NOT NULL)",
        [batch_id],
    )
    return files, kept


# ---- what run groups did ---------------------------------------------------------------------------------------------


def all_groups(queries: Queries, batch_id: int) -> Row:
    """``seconds``, ``embedded`` and ``ended`` (documents, each time that one ended) of all groups that there are."""
    row = queries.row(
        "SELECT COUNT(*) AS groups, COALESCE(SUM(processing_seconds), 0) AS seconds,"
        " COALESCE(SUM(chunks_embedded), 0) AS embedded, (SELECT COUNT(*) FROM run r JOIN run_group o"
        " ON o.id = r.run_group_id WHERE o.batch_id = ?1 AND r.status IN ('completed', 'failed')) AS ended"
        " FROM run_group WHERE batch_id = ?1 AND status NOT IN ('created', 'scheduled')",
        [batch_id],
    )
    assert row is not None
    return row


def latest_groups(queries: Queries, batch_id: int, limit: int) -> list[Row]:
    """Those that have begun, newest first, with their runs by status."""
    return queries.rows(
        "SELECT g.*, COALESCE(SUM(r.status = 'completed'), 0) AS completed, COALESCE(SUM(r.status = 'failed'), 0)"
        " AS failed, COALESCE(SUM(r.degraded = 1 AND r.status = 'completed'), 0) AS degraded"
        " FROM run_group g LEFT JOIN run r ON r.run_group_id = g.id WHERE g.batch_id = ?"
        " AND g.status NOT IN ('created', 'scheduled') GROUP BY g.id ORDER BY g.id DESC LIMIT ?",
        [batch_id, limit],
    )


def work_seconds(queries: Queries, group_id: int) -> dict[str, float]:
    """Seconds that workers and the engine were at each step of a group; by name, embedding left out."""
    rows = queries.rows(
        "SELECT name, SUM(MAX(duration_seconds, 0)) AS seconds FROM run_step WHERE run_group_id = ?"
        " AND type != 'embed' AND status = 'completed' AND reused = 0 GROUP BY 1",
        [group_id],
    )
    return {row["name"]: row["seconds"] or 0.0 for row in rows}


def moments(queries: Queries, group_id: int) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """When documents had been read, with 1 each, and when their passages had been embedded, with how many: by time."""
    read = queries.rows(
        "SELECT completed_at, 1 FROM run_step WHERE run_group_id = ? AND type = 'parse' AND status = 'completed'"
        " AND completed_at IS NOT NULL ORDER BY 1",
        [group_id],
    )
    embedded = queries.rows(
        "SELECT s.completed_at, r.chunk_count FROM run_step s JOIN run r ON r.id = s.run_id WHERE s.run_group_id = ?"
        " AND s.type = 'embed' AND s.status = 'completed' AND s.completed_at IS NOT NULL ORDER BY 1",
        [group_id],
    )
    return [(row[0], row[1]) for row in read], [(row[0], row[1]) for row in embedded]


def done_again(queries: Queries, group_id: int) -> int:
    """Documents of a group that an earlier group of its batch had completed already."""
    return int(
        queries.value(
            "SELECT COUNT(*) FROM run r WHERE r.run_group_id = ?1 AND r.status = 'completed' AND EXISTS"
            " (SELECT 1 FROM run o WHERE o.document_id = r.document_id AND o.run_group_id < ?1"
            " AND o.batch_id = r.batch_id AND o.status = 'completed')",
            [group_id],
        )
    )


def _type(row: Row) -> str:
    return row["type"] or type_by_name(f"x{row['suffix']}") or "unknown"
