"""cache.db: one vector for each distinct text and model. Written by the engine; safe to delete.

Rows are ``text_key`` (32 bytes, see identity.text_key) and the vector as little-endian float32 bytes. A damaged or
foreign file is set aside and begun anew: the cache saves work, it never decides anything.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from operator import itemgetter
from pathlib import Path

from docmill import failpoints
from docmill.errors import StorageError
from docmill.stores.faults import storage_error

_VARIABLES = 500  # well under SQLite's limit on the number of parameters


class EmbeddingCache:
    def __init__(self, home: Path) -> None:
        self.path = home / "cache.db"
        self._connection: sqlite3.Connection | None = None

    def find(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Vectors by key, of those keys that are known."""
        found: dict[bytes, bytes] = {}
        try:
            connection = self._open()
            for start in range(0, len(keys), _VARIABLES):
                part = keys[start : start + _VARIABLES]
                sql = f"SELECT text_key, vector FROM embedding WHERE text_key IN ({','.join('?' * len(part))})"  # noqa: S608 - question marks only
                found.update(connection.execute(sql, part))
        except (sqlite3.DatabaseError, OSError) as error:
            self._begin_anew(error)
        return found

    def add(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Keep vectors, in one transaction. What was computed anew takes the place of what was there."""
        # In the order of the index: so each of its pages is read and written once, however large it has grown.
        in_order = sorted(rows, key=itemgetter(0))
        try:
            connection = self._open()
            with failpoints.around("cache.add"), connection:
                connection.executemany("INSERT OR REPLACE INTO embedding VALUES (?, ?)", in_order)
        except (sqlite3.DatabaseError, OSError) as error:
            self._begin_anew(error)  # these vectors are not kept, which costs work at another time

    def collect(self, needed: Iterable[bytes], *, dry_run: bool = False) -> tuple[int, int]:
        """Remove every vector whose key is not among ``needed``. Returns how many they were, and their bytes.

        A damaged file is left for the next engine, which sets it aside.
        """
        if not self.path.is_file():
            return 0, 0
        try:
            connection = self._connection = self._connection or self._connect()
            with connection:
                connection.execute("CREATE TEMP TABLE needed (text_key BLOB PRIMARY KEY) WITHOUT ROWID")
                connection.executemany("INSERT OR IGNORE INTO needed VALUES (?)", ((key,) for key in needed))
            unneeded = "FROM embedding WHERE text_key NOT IN (SELECT text_key FROM needed)"
            count, size = connection.execute(
                f"SELECT COUNT(*), COALESCE(SUM(LENGTH(text_key) + LENGTH(vector)), 0) {unneeded}"
            ).fetchone()
            if count and not dry_run:
                with connection:
                    connection.execute(f"DELETE {unneeded}")
            connection.execute("DROP TABLE needed")
        except sqlite3.OperationalError as error:
            raise self._unusable(error) from error
        except sqlite3.DatabaseError:
            return 0, 0
        return count, size

    def remove(self, keys: Collection[bytes]) -> None:
        """Forget vectors: their texts are embedded again when they are needed."""
        if not keys:
            return
        try:
            connection = self._open()
            with connection:
                connection.executemany("DELETE FROM embedding WHERE text_key = ?", [(key,) for key in keys])
        except (sqlite3.DatabaseError, OSError) as error:
            self._begin_anew(error)

    def set_aside(self) -> None:
        """Begin a new file; the old one stays as ``cache.damaged``."""
        self._begin_anew(sqlite3.DatabaseError("found to be damaged"))

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            try:
                self._connection = self._connect()
            except sqlite3.DatabaseError as error:
                self._begin_anew(error)
                self._connection = self._connect()
        return self._connection

    def _begin_anew(self, error: sqlite3.DatabaseError | OSError) -> None:
        """Set a damaged file aside. Raises StorageError where not the file is bad, but the disk or a lock."""
        if isinstance(error, OSError) or (isinstance(error, sqlite3.OperationalError) and storage_error(error)):
            raise self._unusable(error) from error
        try:
            self.close()
            # The log goes first: SQLite would play a log that outlived its file into the new one.
            for suffix in ("-wal", "-shm"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
            with failpoints.around("cache.renew"):
                self.path.replace(self.path.with_suffix(".damaged"))
        except OSError as failed:
            raise self._unusable(failed) from failed

    def _unusable(self, error: Exception) -> StorageError:
        doing = f"{self.path} cannot be used"
        fault = storage_error(error, doing, home=self.path.parent)
        delete = "delete it while docmill is not at work, as it only saves work"
        if fault is None:
            return StorageError(f"{doing}: {error}", hint=delete)
        return StorageError(fault.message, hint=f"{fault.hint}; or {delete}")

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=30.0, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")  # losing the last entries costs work, never correctness
            # Not WITHOUT ROWID: vectors come one behind the other, and only an index of keys, which fits into memory,
            # is in the order of their hashes. With 100,000 vectors that is three times as fast, and half as large.
            connection.execute("CREATE TABLE IF NOT EXISTS embedding (text_key BLOB PRIMARY KEY, vector BLOB NOT NULL)")
        except BaseException:
            connection.close()
            raise
        return connection
