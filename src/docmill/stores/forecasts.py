"""Reads what a home's own history tells of work to come: how long groups took, and how much of a text is reused."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence
from pathlib import Path
from urllib.parse import quote

from docmill.domain.jobs import ArtifactRef
from docmill.domain.planning import RowsKeys
from docmill.stores.queries import Queries, Row

_GROUPS = 50  # the last ones: older ones tell of other machines and other documents
_PART = 500


def finished_groups(queries: Queries) -> list[Row]:
    """The last groups that were finished, newest first: when, how long an engine worked on them, and at how much."""
    return queries.rows(
        "SELECT g.id, g.batch_id, g.created_at, g.processing_seconds AS seconds, g.chunks_total, g.chunks_embedded,"
        " (SELECT COUNT(*) FROM run r WHERE r.run_group_id = g.id AND r.status IN ('completed', 'failed')) AS documents"
        " FROM run_group g WHERE g.status = 'completed' AND g.processing_seconds > 0 ORDER BY g.id DESC LIMIT ?",
        [_GROUPS],
    )


def chunks_by_suffix(queries: Queries) -> dict[str, tuple[int, int]]:
    """Chunks and bytes of the documents that are done, by suffix."""
    rows = queries.rows(
        "SELECT suffix, SUM(chunk_count) AS chunks, SUM(size_bytes) AS bytes FROM document"
        " WHERE state = 'active' AND outcome = 'completed' GROUP BY suffix"
    )
    return {row["suffix"]: (row["chunks"], row["bytes"]) for row in rows}


def embedded_share(queries: Queries, *, changed: bool) -> float | None:
    """Of the chunks of new, or of changed documents, those that had to be embedded; None where none are known."""
    row = queries.row(
        "SELECT SUM(json_extract(s.status_meta, '$.embedded')) AS embedded,"
        " SUM(json_extract(s.status_meta, '$.embedded') + json_extract(s.status_meta, '$.reused')) AS total"
        " FROM (SELECT id FROM run_group ORDER BY id DESC LIMIT ?1) g JOIN run r ON r.run_group_id = g.id"
        " JOIN run_step s ON s.run_id = r.id AND s.type = 'embed' AND s.status = 'completed'"
        " WHERE (r.version > 1) = ?2",
        [_GROUPS, changed],
    )
    return row["embedded"] / row["total"] if row is not None and row["total"] else None


def due_documents(
    queries: Queries, source: str, rows_keys: RowsKeys, database: str, released: Sequence[str] = ()
) -> list[Row]:
    """Documents that the database does not hold as the pipeline would make them, by URI.

    ``released``: ids of those that are due although they have failed for good.
    """
    key = rows_keys.sql("d", "?2")
    return queries.rows(
        "SELECT d.*, (SELECT g.pipeline FROM run r JOIN run_group g ON g.id = r.run_group_id"  # noqa: S608 - our own expression
        " WHERE r.document_id = d.id AND r.database = ?3 AND r.status IN ('completed', 'failed')"
        " ORDER BY r.id DESC LIMIT 1) AS pipeline, EXISTS (SELECT 1 FROM placement p WHERE p.document_id = d.id"
        " AND p.database = ?3) AS placed FROM document d WHERE d.source = ?1 AND d.state = 'active'"
        f" AND (COALESCE(d.failed_key, '') != {key} OR d.id IN (SELECT value FROM json_each(?4)))"
        " AND NOT EXISTS (SELECT 1 FROM placement p WHERE p.document_id = d.id"
        f" AND p.database = ?3 AND p.settled_key = {key} AND p.state = 'stored') ORDER BY d.uri",
        [source, rows_keys.value, database, json.dumps(released)],
    )


def artifacts(queries: Queries, step_keys: Sequence[str]) -> dict[str, ArtifactRef]:
    """References by step key, of those that are known."""
    found: dict[str, ArtifactRef] = {}
    for start in range(0, len(step_keys), _PART):
        part = step_keys[start : start + _PART]
        marks = ", ".join("?" for _ in part)
        sql = f"SELECT step_key, digest, size_bytes, created_at FROM artifact WHERE step_key IN ({marks})"  # noqa: S608 - question marks only
        found |= {row["step_key"]: ArtifactRef(*row) for row in queries.rows(sql, part)}
    return found


def known_texts(home: Path, keys: Collection[bytes]) -> set[bytes]:
    """Those of these text keys that have a vector. Never writes; a cache that cannot be read knows none."""
    path, wanted = home / "cache.db", list(keys)
    if not path.is_file():
        return set()
    found: set[bytes] = set()
    try:
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=30.0)
        try:
            for start in range(0, len(wanted), _PART):
                part = wanted[start : start + _PART]
                sql = f"SELECT text_key FROM embedding WHERE text_key IN ({', '.join('?' * len(part))})"  # noqa: S608 - question marks only
                found.update(row[0] for row in connection.execute(sql, part))
        finally:
            connection.close()
    except sqlite3.DatabaseError:
        return set()
    return found
