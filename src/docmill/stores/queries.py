"""Every read of state.db, on a read-only sqlite3 connection. Takes no lock, writes nothing, and imports no toolkit.

Rows come back as ``sqlite3.Row`` or as the small records that the domain defines; the service shapes them into results.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from docmill.domain.changes import CLOCK_GRANULARITY_NS, FileStat, KnownDocument
from docmill.domain.status import Status
from docmill.errors import BatchNotFound, StateLost
from docmill.filetypes import type_by_name
from docmill.stores import schema_version
from docmill.stores.faults import storage_error

if TYPE_CHECKING:
    from docmill.domain.planning import RowsKeys

Row = sqlite3.Row

# The documents of batch ?1 among rows ``d`` of document: its own, and those of a source that it names and another batch
# follows, as a batch does that looks after a folder by schedule.
OF_BATCH = (
    "(d.batch_id = ?1 OR d.source = (SELECT b.source FROM batch b JOIN source s ON s.name = b.source"
    " AND s.batch_id != b.id WHERE b.id = ?1))"
)

_KNOWN = "id, uri, suffix, content_hash, version, hashed_at_ns, device, inode, size_bytes, mtime_ns, ctime_ns"
_OWN = "source = ? AND state = 'active' AND parent_id IS NULL"
_STATUSES = json.dumps([status.value for status in Status])
_QUIET = f"(hashed_at_ns - max(mtime_ns, ctime_ns) > {CLOCK_GRANULARITY_NS})"


def asking_key(database: str) -> str:
    """Of the row in ``home_meta`` that says how a database's model was last asked for."""
    return f"asking:{database}"


class Queries:
    """One read-only connection. Each call sees the newest committed state; ``snapshot`` holds one still."""

    def __init__(self, home: Path) -> None:
        """Brings a home of an earlier schema forward. Raises StorageError; EngineBusy where that is in the way."""
        self.home = home
        try:
            self._connection = _current(home)
        except sqlite3.DatabaseError as error:
            raise _unreadable(home, error) from error

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Several reads of one state."""
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("COMMIT")

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return self._connection.execute(sql, values).fetchall()

    def tuples(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """As :meth:`rows`, for so many of them that names would be felt."""
        cursor = self._connection.cursor()
        cursor.row_factory = None
        return cursor.execute(sql, values).fetchall()

    def row(self, sql: str, values: Sequence[Any] = ()) -> Row | None:
        found: Row | None = self._connection.execute(sql, values).fetchone()
        return found

    def value(self, sql: str, values: Sequence[Any] = ()) -> Any:
        row = self._connection.execute(sql, values).fetchone()
        return row[0] if row else None

    # ---- sources and documents ---------------------------------------------------------------------------------------

    def source(self, name: str) -> Row | None:
        return self.row("SELECT * FROM source WHERE name = ?", [name])

    def source_of_folder(self, folder: str) -> Row | None:
        return self.row("SELECT * FROM source WHERE folder = ?", [folder])

    def known_documents(self, source: str, among: Iterable[str] | None = None) -> dict[str, KnownDocument]:
        """The active documents of a source that are files or addresses of their own, by URI.

        ``among``: only those of these URIs, and whichever :meth:`quiet_files` leaves out.
        """
        sql, values = f"SELECT {_KNOWN} FROM document WHERE {_OWN}", [source]  # noqa: S608 - our own terms
        if among is not None:
            sql += f" AND (NOT {_QUIET} OR uri IN (SELECT value FROM json_each(?)))"  # noqa: S608 - our own terms
            values.append(json.dumps(list(among)))
        return {
            uri: KnownDocument(
                id_, uri, suffix, digest, version, FileStat(dev, int(ino), size, mtime, ctime), hashed_at
            )
            for id_, uri, suffix, digest, version, hashed_at, dev, ino, size, mtime, ctime in self.tuples(sql, values)
        }

    def quiet_files(self, source: str) -> dict[str, tuple[int, int, int, int, int]]:
        """Of those documents, by URI, how their files were when they were hashed, where a file that still is so surely
        holds the same bytes (KnownDocument.matches). The values of a FileStat: there are as many as there are files.
        """
        files = "uri, device, inode, size_bytes, mtime_ns, ctime_ns"
        sql = f"SELECT {files} FROM document WHERE {_OWN} AND {_QUIET}"  # noqa: S608 - our own terms
        found = self.tuples(sql, [source])
        return {uri: (dev, int(ino), size, mtime, ctime) for uri, dev, ino, size, mtime, ctime in found}

    def content_hashes(self, source: str) -> dict[str, str]:
        """Of all active documents of a source, by URI: also of those that lie in others."""
        sql = "SELECT uri, content_hash FROM document WHERE source = ? AND state = 'active'"
        return {row["uri"]: row["content_hash"] for row in self.rows(sql, [source])}

    def kept_out(self, source: str) -> set[str]:
        """URIs of documents that a person has taken out of the index, and not restored."""
        sql = "SELECT uri FROM document WHERE source = ? AND state = 'removed'"
        return {row["uri"] for row in self.rows(sql, [source])}

    def source_is_clean(self, source: str, rows_keys: RowsKeys, database: str) -> bool:
        """Nothing of the source is due, under way, or on its way out of the database."""
        key = rows_keys.sql("d", "?2")
        return not self.value(
            "SELECT 1 FROM document d WHERE d.source = ?1 AND d.state = 'active'"  # noqa: S608 - our own expression
            f" AND COALESCE(d.failed_key, '') != {key}"
            " AND NOT EXISTS (SELECT 1 FROM placement p WHERE p.document_id = d.id AND p.database = ?3"
            f" AND p.settled_key = {key} AND p.state = 'stored')"
            " UNION ALL SELECT 1 FROM placement WHERE database = ?3 AND state = 'leaving'"
            " UNION ALL SELECT 1 FROM run_group g JOIN source s ON s.batch_id = g.batch_id"
            " WHERE s.name = ?1 AND g.status IN ('running', 'paused') LIMIT 1",
            [source, rows_keys.value, database],
        )

    def asking(self, database: str, fingerprint: str) -> str:
        """Parameters that load the model of a database, as JSON: those that are not as by default."""
        text = self.value("SELECT value FROM home_meta WHERE key = ?", [asking_key(database)])
        kept = json.loads(text) if text else {}
        return str(kept["params"]) if kept.get("fingerprint") == fingerprint else "{}"

    def came_due(self, group_id: int, rows_keys: RowsKeys) -> list[str]:
        """Documents that changed, moved or came back while a group was at them, and that no run is at any more; and
        those that were found in other documents.

        A failure of the content that a document still has does not make it due again.
        """
        key = rows_keys.sql("d", "?2")
        due = (
            f"d.state = 'active' AND COALESCE(d.failed_key, '') != {key} AND NOT EXISTS (SELECT 1 FROM placement p"  # noqa: S608 - our own
            f" WHERE p.document_id = d.id AND p.database = r.database AND p.settled_key = {key} AND p.state = 'stored')"
        )
        rows = self.rows(
            "SELECT d.id FROM run r JOIN document d ON d.id = r.document_id WHERE r.run_group_id = ?1"  # noqa: S608 - our own expression
            f" AND {due} AND (r.version != d.version OR r.status != 'failed')"
            " AND NOT EXISTS (SELECT 1 FROM run o WHERE o.document_id = d.id AND o.database = r.database"
            " AND (o.status IN ('pending', 'running') OR o.id > r.id))"
            " UNION SELECT d.id FROM run r JOIN document d ON d.parent_id = r.document_id AND d.parent_id IS NOT NULL"
            f" WHERE r.run_group_id = ?1 AND r.status = 'completed' AND {due}"
            " AND NOT EXISTS (SELECT 1 FROM run o WHERE o.document_id = d.id AND o.database = r.database"
            " AND (o.status IN ('pending', 'running') OR (o.run_group_id = ?1 AND o.version = d.version)))",
            [group_id, rows_keys.value],
        )
        return [row["id"] for row in rows]

    # ---- batches and groups ------------------------------------------------------------------------------------------

    def batch(self, named: str) -> Row:
        """By id or by name; the newest of that name. Raises BatchNotFound."""
        found = self.row("SELECT * FROM batch WHERE id = ?", [int(named)]) if named.isdecimal() else None
        found = found or self.row("SELECT * FROM batch WHERE name = ? ORDER BY id DESC LIMIT 1", [named])
        if found is None:
            raise BatchNotFound(f"no batch {named!r}", batch=named)
        return found

    def newest_batches(self, limit: int) -> list[Row]:
        return self.rows("SELECT * FROM batch ORDER BY id DESC LIMIT ?", [limit])

    def followed_source(self, batch_id: int) -> str | None:
        """The source that a batch names and another batch follows, if it does so."""
        sql = "SELECT s.name FROM batch b JOIN source s ON s.name = b.source AND s.batch_id != b.id WHERE b.id = ?"
        name: str | None = self.value(sql, [batch_id])
        return name

    def group(self, group_id: int) -> Row | None:
        return self.row("SELECT * FROM run_group WHERE id = ?", [group_id])

    def own_documents(self) -> Counter[int]:
        """Active documents of each batch."""
        own = "(SELECT COUNT(*) FROM document WHERE batch_id = b.id AND state = 'active')"
        return Counter({row["id"]: row["n"] for row in self.rows(f"SELECT b.id, {own} AS n FROM batch b")})  # noqa: S608 - a constant

    def documents_of_batch(self, batch_id: int, own: int | None = None) -> int:
        """Its own, which may be known, and those of a source that it names and another batch follows."""
        if own is None:
            sql = "SELECT COUNT(*) FROM document WHERE batch_id = ? AND state = 'active'"
            own = int(self.value(sql, [batch_id]))
        followed = "SELECT COUNT(*) FROM document WHERE source = ? AND state = 'active' AND batch_id != ?"
        source = self.followed_source(batch_id)
        return own + int(self.value(followed, [source, batch_id])) if source else own

    def failed_of_batch(self, batch_id: int) -> int:
        sql = "SELECT COUNT(*) FROM document d INDEXED BY document_troubled"
        failed = "(outcome = 'failed' OR degraded = 1) AND outcome = 'failed'"  # as the index has its condition
        return int(self.value(f"{sql} WHERE {OF_BATCH} AND {failed} AND state = 'active'", [batch_id]))

    def newest_group(self, batch_id: int, statuses: Sequence[str] = ()) -> Row | None:
        """The newest group of a batch that has begun, among those in one of ``statuses`` if any are named.

        One that only waits for its time says nothing yet, unless there is no other.
        """
        marks = ", ".join("?" for _ in statuses)
        where = f" AND status IN ({marks})" if statuses else ""
        order = "ORDER BY status = 'scheduled', id DESC LIMIT 1"
        sql = f"SELECT * FROM run_group WHERE batch_id = ?{where} {order}"  # noqa: S608 - marks only
        return self.row(sql, [batch_id, *statuses])

    def run_counts(self, group_id: int) -> dict[str, int]:
        """Number of runs by status, and ``degraded`` among the completed ones."""
        # Each by itself: in the order of the index, that takes half as long as to group them.
        each = "(SELECT COUNT(*) FROM run WHERE run_group_id = ?1 AND status = s.value)"
        rows = self.rows(
            f"SELECT s.value AS status, {each} AS n FROM json_each(?2) s",  # noqa: S608 - a constant
            [group_id, _STATUSES],
        )
        counts = {row["status"]: int(row["n"]) for row in rows if row["n"]}
        sql = "SELECT COUNT(*) FROM run WHERE run_group_id = ? AND status = 'completed' AND degraded = 1"
        counts["degraded"] = int(self.value(sql, [group_id]))
        return counts

    def stages(self, group_id: int) -> list[Row]:
        """Each step type of a group in order, with the number of its steps by how they ended and when they ran."""
        each = (  # in the order of an index that has all of it
            "SELECT name, type, number, status, COUNT(*) AS n, MIN(started_at) AS began, MAX(completed_at) AS ended"
            " FROM run_step WHERE run_group_id = ? GROUP BY name, type, number, status"
        )
        return self.rows(
            "SELECT name, type, MIN(number) AS number, SUM(n) AS total, SUM(n * (status = 'completed')) AS done,"  # noqa: S608 - a constant
            " SUM(n * (status = 'failed')) AS failed, SUM(n * (status = 'skipped')) AS skipped,"
            " SUM(n * (status = 'running')) AS running, SUM(n * (status = 'cancelled')) AS cancelled,"
            f" MIN(began) AS started_at, MAX(ended) AS completed_at FROM ({each}) GROUP BY name, type ORDER BY number",
            [group_id],
        )

    def file_counts(self, batch_id: int) -> tuple[dict[str, int], dict[str, int]]:
        """Documents of a batch by status and by type; one that has not been read has the type its name promises."""
        of_batch = f"{OF_BATCH} AND d.state = 'active'"
        rows = self.rows(
            f"SELECT outcome, type, suffix, COUNT(*) AS n FROM document d WHERE {of_batch} GROUP BY 1, 2, 3",  # noqa: S608 - a constant
            [batch_id],
        )
        running = self.rows(  # few, in few groups: asked for by themselves, as each document would have to be
            "SELECT d.outcome, COUNT(DISTINCT d.id) AS n FROM run_group g CROSS JOIN run r ON r.run_group_id = g.id"  # noqa: S608 - a constant
            " CROSS JOIN document d ON d.id = r.document_id WHERE g.status IN ('running', 'paused')"
            f" AND r.status = 'running' AND {of_batch} GROUP BY 1",
            [batch_id],
        )
        statuses, types = Counter[str](), Counter[str]()
        for row in rows:
            statuses[row["outcome"] or "pending"] += row["n"]
            types[row["type"] or type_by_name(f"x{row['suffix']}") or "unknown"] += row["n"]
        for row in running:
            statuses[row["outcome"] or "pending"] -= row["n"]
            statuses["running"] += row["n"]
        return {status: number for status, number in sorted(statuses.items()) if number}, dict(types.most_common())


@contextmanager
def reading(home: Path) -> Iterator[Queries]:
    """A connection for the length of a ``with``."""
    queries = Queries(home)
    try:
        yield queries
    except sqlite3.DatabaseError as error:
        raise _unreadable(home, error) from error
    finally:
        queries.close()


def _current(home: Path) -> sqlite3.Connection:
    """A connection to a state.db of today's schema."""
    connection = _connect(home)
    try:
        changed = schema_version.require_current(home, schema_version.version_of(connection))
    except BaseException:
        connection.close()
        raise
    if changed:
        connection.close()
        connection = _connect(home)
    return connection


def _connect(home: Path) -> sqlite3.Connection:
    path = home / "state.db"
    if not path.is_file():
        raise StateLost(f"{path} is gone")
    mode = "mode=ro&immutable=1" if _is_frozen(path) else "mode=ro"
    connection = sqlite3.connect(f"file:{quote(str(path))}?{mode}", uri=True, timeout=30.0, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA query_only = ON")
    connection.create_function("casefold", 1, str.casefold, deterministic=True)
    return connection


def _is_frozen(path: Path) -> bool:
    """On a read-only disk, left in good order: SQLite could not make there what it needs to read beside a writer."""
    try:
        read_only = bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        return False
    return read_only and not any(path.with_name(path.name + suffix).exists() for suffix in ("-wal", "-shm"))


def _unreadable(home: Path, error: sqlite3.DatabaseError) -> Exception:
    return storage_error(error, f"{home / 'state.db'} cannot be read") or error
