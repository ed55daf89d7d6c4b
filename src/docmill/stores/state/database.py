"""Opens state.db and hands out its transactions. Owns the connection settings, the schema version and the epoch."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError
from sqlmodel import SQLModel

from docmill import __version__, failpoints
from docmill.domain import records
from docmill.errors import StaleEngine, StateLost
from docmill.stores import schema_version
from docmill.stores.faults import storage_error

BUSY_TIMEOUT_S = 30.0


class Transaction:
    """Statements inside one BEGIN IMMEDIATE. Parameters are positional; ``many`` returns the rows changed in all."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        return self._connection.exec_driver_sql(sql, tuple(values)).rowcount

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        if not rows:
            return 0
        return self._connection.exec_driver_sql(sql, [tuple(row) for row in rows]).rowcount

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        return list(self._connection.exec_driver_sql(sql, tuple(values)))

    def value(self, sql: str, values: Sequence[Any] = ()) -> Any:
        row = self._connection.exec_driver_sql(sql, tuple(values)).first()
        return row[0] if row else None

    def insert(self, table: str, rows: Sequence[dict[str, Any]]) -> None:
        """Insert rows that all have the same keys."""
        if rows:
            names = list(rows[0])
            marks = ", ".join("?" for _ in names)
            sql = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608 - names of our own columns
            self.many(sql, [[row[name] for name in names] for row in rows])

    def insert_one(self, table: str, row: dict[str, Any]) -> int:
        """Insert one row and return its rowid."""
        self.insert(table, [row])
        return int(self.value("SELECT last_insert_rowid()"))


class State:
    """The write side of one home. Cheap to make; opens the file at the first transaction."""

    def __init__(self, home: Path) -> None:
        self.path = home / "state.db"
        self._engine: Engine | None = None
        self._file: tuple[int, int] | None = None

    @classmethod
    def create(cls, home: Path) -> State:
        """A new state.db, whole or not at all: it is built under another name and moved into place.

        To be called by one process at a time. Raises OSError or SQLAlchemy's errors where the disk does not allow it.
        """
        fresh = home / f"state.db.new-{os.getpid()}"
        try:
            cls._build(fresh)
            for log in ("state.db-wal", "state.db-shm"):  # SQLite would play a lost state's log into this one
                (home / log).unlink(missing_ok=True)
            with failpoints.around("home.create"):
                fresh.rename(home / "state.db")
        finally:
            for leftover in home.glob("state.db.new-*"):  # also of a process that has died at this
                leftover.unlink(missing_ok=True)
        return cls(home)

    @staticmethod
    def _build(fresh: Path) -> None:
        engine = make_engine(fresh)
        try:
            SQLModel.metadata.create_all(engine, tables=_tables())
            with engine.connect() as connection:
                create_triggers(connection)
                connection.exec_driver_sql(f"PRAGMA user_version = {schema_version.CURRENT}")
                meta = [("engine_epoch", "0"), ("created_by", __version__)]
                connection.exec_driver_sql("INSERT INTO home_meta VALUES (?, ?)", meta)
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            engine.dispose()

    @contextmanager
    def transaction(self, *, epoch: int | None = None) -> Iterator[Transaction]:
        """All or nothing. With ``epoch``, raises StaleEngine if a newer engine has taken over since.

        Raises StorageError where SQLite cannot write: locked for long, disk full, read-only, gone.
        """
        try:
            with self._open().connect() as connection:
                self._require_same_file()
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                try:
                    transaction = Transaction(connection)
                    if epoch is not None:
                        _require_epoch(transaction, epoch)
                    yield transaction
                    with failpoints.around("state.commit"):
                        connection.exec_driver_sql("COMMIT")
                except BaseException:
                    with suppress(OperationalError):  # SQLite has rolled back by itself where the disk was full
                        connection.exec_driver_sql("ROLLBACK")
                    raise
        except IntegrityError:
            raise  # our own mistake, not the disk's
        except DatabaseError as error:
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
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _open(self) -> Engine:
        if self._engine is None:
            if not self.path.is_file():
                raise StateLost(f"{self.path} is gone")
            file, engine = _identity(self.path), make_engine(self.path)
            try:
                with engine.connect() as connection:
                    found = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
                if found != schema_version.CURRENT:
                    engine.dispose()
                    schema_version.require_current(self.path.parent, found)
            except BaseException:
                engine.dispose()
                raise
            self._engine, self._file = engine, file
        return self._engine

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


def create_triggers(connection: Connection) -> None:
    """Make the triggers of the schema, anew where they are there already."""
    for name, body in records.TRIGGERS.items():
        connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}")
        connection.exec_driver_sql(f"CREATE TRIGGER {name} {body}")


def _tables() -> list[Any]:
    return [
        getattr(records, name).__table__
        for name in dir(records)
        if isinstance(getattr(records, name), type) and hasattr(getattr(records, name), "__table__")
    ]


def make_engine(path: Path, *, foreign_keys: bool = True) -> Engine:
    """Connections to one file, with the settings that all writing to it needs."""
    # AUTOCOMMIT leaves BEGIN and COMMIT to us: SQLAlchemy's own begin is a deferred one, which loses to other writers
    # with "database is locked" however long the timeout is.
    engine = create_engine(
        f"sqlite:///{path}",
        isolation_level="AUTOCOMMIT",
        connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
        json_serializer=json.dumps,
    )

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: Any) -> None:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", f"foreign_keys = {int(foreign_keys)}"):
            connection.execute(f"PRAGMA {pragma}")

    return engine


def _epoch(transaction: Transaction) -> int:
    return int(transaction.value("SELECT value FROM home_meta WHERE key = 'engine_epoch'"))


def _require_epoch(transaction: Transaction, epoch: int) -> None:
    current = _epoch(transaction)
    if current != epoch:
        raise StaleEngine(
            "another engine has taken this home over", hint="this one stops; the other one goes on", epoch=current
        )
