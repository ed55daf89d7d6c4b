"""cache.db, read only: for whoever compares. What it says of vectors is theirs to judge."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from docmill.stores.faults import require_machine

_PART = 500
_BATCH = 4096


class CachedVectors:
    """Raises sqlite3.DatabaseError wherever the file cannot be read. One that is not there holds nothing."""

    def __init__(self, home: Path) -> None:
        path = home / "cache.db"
        self._connection: sqlite3.Connection | None = None
        if path.is_file():
            self._connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=30.0)
            if not self._has_table():  # an engine is making it
                self.close()

    def faults(self, *, quick: bool) -> list[str]:
        """What SQLite finds wrong with the file. ``quick``: only whether it can be opened and has its table."""
        if self._connection is None:
            return []
        try:
            self._connection.execute("SELECT text_key, vector FROM embedding LIMIT 1").fetchall()
            if quick:
                return []
            said = [str(row[0]) for row in self._connection.execute("PRAGMA integrity_check(5)")]
        except sqlite3.DatabaseError as error:
            require_machine(error, "cache.db cannot be read")
            return [str(error)]
        return [] if said == ["ok"] else said

    def all(self) -> Iterator[list[tuple[bytes, bytes]]]:
        """Every text key with its vector, some thousand at a time."""
        if self._connection is not None:
            cursor = self._connection.execute("SELECT text_key, vector FROM embedding")
            while rows := cursor.fetchmany(_BATCH):
                yield rows

    def find(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        if self._connection is not None:
            for start in range(0, len(keys), _PART):
                part = keys[start : start + _PART]
                sql = f"SELECT text_key, vector FROM embedding WHERE text_key IN ({','.join('?' * len(part))})"  # noqa: S608 - question marks only
                found.update(self._connection.execute(sql, part))
        return found

    def _has_table(self) -> bool:
        assert self._connection is not None
        try:
            found = self._connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'embedding'").fetchone()
        except sqlite3.DatabaseError:
            return True  # whatever is asked for will tell
        return found is not None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
