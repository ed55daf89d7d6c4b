"""Opens state.db and hands out its transactions. Owns the connection settings, the schema version and the epoch.

Plain SQL on Python's own sqlite3: what the rows are is said by domain.records, and importing SQLModel to write them
would cost each command a third of a second.
"""

from __future__ import annotations

import os
import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

from docmill import failpoints
from docmill.errors import StaleEngine, StateLost
from docmill.stores import schema_version
from docmill.stores.faults import storage_error

BUSY_TIMEOUT_S = 30.0
_STATEMENTS = 256  # that a connection keeps prepared
_BULKS = (256, 32, 4, 1)  # rows of a statement; a prepared one takes a kilobyte a row


class Transaction:
    """Statements inside one BEGIN IMMEDIATE. Parameters are positional; ``many`` returns the rows changed in all.

    ``rows`` gives named tuples of the columns.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        return self._connection.execute(sql, values).rowcount

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        return self._connection.executemany(sql, rows).rowcount if rows else 0

    def bulk(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """As :meth:`many`, for thousands of rows: ``{rows}`` in the SQL is where ``VALUES`` has them.

        Each statement gives Python's lock away, and other threads hand it back late; so one takes many rows. Of so few
        numbers of rows the statements stay prepared.
        """
        changed = start = 0
        for size in _BULKS:
            marks = f"({', '.join('?' * len(rows[0]))})" if rows else ""
            whole = sql.replace("{rows}", ", ".join([marks] * size))
            while len(rows) - start >= size:
                values = [*chain.from_iterable(rows[start : start + size])]
                changed += self._connection.execute(whole, values).rowcount
                start += size
        return changed

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        cursor = self._connection.execute(sql, values)
        make = _maker(tuple(column[0] for column in cursor.description))
        return [make(row) for row in cursor]

    def tuples(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """As :meth:`rows`, for so many of them that names would be felt."""
        return self._connection.execute(sql, values).fetchall()

    def value(self, sql: str, values: Sequence[Any] = ()) -> Any:
        row = self._connection.execute(sql, values).fetchone()
        return row[0] if row else None

    def insert(self, table: str, rows: Sequence[dict[str, Any]]) -> None:
        """Insert rows that all have the same keys."""
        if rows:
            names = list(rows[0])
            sql = f"INSERT INTO {table} ({', '.join(names)}) VALUES {{rows}}"  # noqa: S608 - names of our own columns
            self.bulk(sql, [[row[name] for name in names] for row in rows])

    def insert_one(self, table: str, row: dict[str, Any]) -> int:
        """Insert one row and return its rowid."""
        self.insert(table, [row])
        return int(self.value("SELECT last_insert_rowid()"))


@lru_cache(maxsize=256)
def _maker(names: tuple[str, ...]) -> Callable[[Any], Any]:
    make: Callable[[Any], Any] = namedtuple("Row", names, rename=True)._make  # type: ignore[attr-defined] # known only here
    return make


class State:
    """The write side of one home. Cheap to make; opens the file at the first transaction.

    Transactions of several threads have a connection each.
    """

    def __init__(self, home: Path) -> None:
        self.path = home / "state.db"
        self._free: list[sqlite3.Connection] = []
        self._file: tuple[int, int] | None = None

    @classmethod
    def create(cls, home: Path) -> State:
        """A new state.db, whole or not at all: it is built under another name and moved into place.

        To be called by one process at a time. Raises OSError or SQLAlchemy's errors where the disk does not allow it.
        """
        from docmill.stores.state import tables

        fresh = home / f"state.db.new-{os.getpid()}"
        try:
            tables.build(fresh)
            for log in ("state.db-wal", "state.db-shm"):  # SQLite would play a lost state's log into this one
                (home / log).unlink(missing_ok=True)
            with failpoints.around("home.create"):
                fresh.rename(home / "state.db")
        finally:
            for leftover in home.glob("state.db.new-*"):  # also of a process that has died at this
                leftover.unlink(missing_ok=True)
        return cls(home)

    @contextmanager
    def transaction(self, *, epoch: int | None = None) -> Iterator[Transaction]:
        """All or nothing. With ``epoch``, raises StaleEngine if a newer engine has taken over since.

        Raises StorageError where SQLite cannot write: locked for long, disk full, read-only, gone.
        """
        try:
            with self._lent() as connection:
                self._require_same_file()
                connection.execute("BEGIN IMMEDIATE")
                try:
                    transaction = Transaction(connection)
                    if epoch is not None:
                        _require_epoch(transaction, epoch)
                    yield transaction
                    with failpoints.around("state.commit"):
                        connection.execute("COMMIT")
                except BaseException:
                    with suppress(sqlite3.OperationalError):  # SQLite has rolled back by itself where the disk was full
                        connection.execute("ROLLBACK")
                    raise
        except sqlite3.IntegrityError:
            raise  # our own mistake, not the disk's
        except sqlite3.DatabaseError as error:
            fault = storage_error(error, f"{self.path} cannot be written", home=self.path.parent)
            if fault is None:
                raise
            raise fault from error

    def raise_epoch(self) -> int:
        """Begin a new engine's time. From here on, whatever an older engine still wants to write is refused."""
        with self.transaction() as tx:
            tx.run("UPDATE home_meta SET value = CAST(value AS INTEGER) + 1 WHERE key = 'engine_epoch'")
            return _epoch(tx)

    def close(self) -> None:
        while self._free:
            self._free.pop().close()
        self._file = None

    @contextmanager
    def _lent(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._free.pop()
        except IndexError:
            connection = self._open()
        try:
            yield connection
        finally:
            if connection.in_transaction:  # it could not even be rolled back
                connection.close()
            else:
                self._free.append(connection)

    def _open(self) -> sqlite3.Connection:
        if not self.path.is_file():
            raise StateLost(f"{self.path} is gone")
        file = _identity(self.path)
        connection = sqlite3.connect(
            self.path,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,  # BEGIN and COMMIT are ours: a deferred one loses to other writers
            check_same_thread=False,
            cached_statements=_STATEMENTS,
        )
        try:
            configure(connection)
            found = schema_version.version_of(connection)
        except BaseException:
            connection.close()
            raise
        if found != schema_version.CURRENT:
            connection.close()
            schema_version.require_current(self.path.parent, found)
            return self._open()
        self._file = self._file or file
        return connection

    def _require_same_file(self) -> None:
        """SQLite would go on writing into a file that has been deleted, and lose all of it."""
        if _identity(self.path) != self._file:
            raise StateLost(f"{self.path} has been removed or replaced while docmill was at work")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def configure(connection: sqlite3.Connection, *, foreign_keys: bool = True) -> None:
    """The settings that all writing to state.db needs."""
    for pragma in ("journal_mode = WAL", "synchronous = FULL", f"foreign_keys = {int(foreign_keys)}"):
        connection.execute(f"PRAGMA {pragma}")


def _epoch(transaction: Transaction) -> int:
    return int(transaction.value("SELECT value FROM home_meta WHERE key = 'engine_epoch'"))


def _require_epoch(transaction: Transaction, epoch: int) -> None:
    current = _epoch(transaction)
    if current != epoch:
        raise StaleEngine(
            "another engine has taken this home over", hint="this one stops; the other one goes on", epoch=current
        )
