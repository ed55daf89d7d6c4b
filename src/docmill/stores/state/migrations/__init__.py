"""Brings a home of an earlier schema forward: a backup first, then everything in one transaction, or nothing.

One module a schema, named ``schema_N``, with ``upgrade(operations, connection)``: what leads from N - 1 to N. Once it
has been released it is not changed any more, and it does not use today's tables, which move on.

Alembic's operations need foreign keys off, or rebuilding a table would take its children's rows along; they are checked
at the end instead. They also lose triggers and indexes with conditions: all of these are made anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError
from sqlmodel import SQLModel

from docmill import failpoints
from docmill.errors import EngineBusy, StorageError
from docmill.stores import schema_version
from docmill.stores.state import database


def bring_forward(home: Path) -> None:
    """Make ``home`` one of today's schema. Does nothing where another process has done so meanwhile.

    Raises EngineBusy where an engine is at work there, StorageError where the disk does not allow it or the home is
    damaged; then it stays as it was.
    """
    path = home / "state.db"
    with _alone(home):
        found = _version(path)
        if found >= schema_version.CURRENT:
            return
        try:
            backup = _back_up(path, found)
            _upgrade(path, found)
        except (OSError, DatabaseError, sqlite3.DatabaseError) as error:
            raise StorageError(
                f"{home} cannot be brought from schema {found} to {schema_version.CURRENT}: {error}",
                hint="the home is as it was; make room or mend the disk, then run the same command again",
            ) from error
        from docmill.stores.state.logs import log

        state = database.State(home)
        with contextlib.closing(state), state.transaction() as tx:
            message = f"brought from schema {found} to {schema_version.CURRENT}; what it was is kept in {backup.name}"
            log(tx, "info", message)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Hold the engine's lock, so that no engine is at work meanwhile and only one process migrates."""
    lock = home / "engine.lock"
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(lock)
            if holder is not None and "migration" not in holder:
                raise EngineBusy(
                    f"an engine of an older docmill is at work in this home: {_described(holder)}",
                    hint="let it end, or stop it, then run the same command again",
                    holder=holder,
                ) from None
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # another process is at the very same thing: it takes a moment
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "migration": schema_version.CURRENT}).encode(), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _holder(lock: Path) -> dict[str, object] | None:
    try:
        found = json.loads(lock.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _described(holder: dict[str, object]) -> str:
    return f"process {holder.get('pid')} ({holder.get('command')}), since {holder.get('started_at')}"


def _version(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path, timeout=database.BUSY_TIMEOUT_S)) as connection:
        return schema_version.version_of(connection)


def _back_up(path: Path, found: int) -> Path:
    """A whole copy beside it, by SQLite's own backup, synced to the disk before it gets its name."""
    target = path.with_name(f"{path.name}.schema-{found}.backup")
    unfinished = target.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    with (
        contextlib.closing(sqlite3.connect(path, timeout=database.BUSY_TIMEOUT_S)) as source,
        contextlib.closing(sqlite3.connect(unfinished)) as copy,
    ):
        source.backup(copy)
    with unfinished.open("rb") as stream:
        os.fsync(stream.fileno())
    with failpoints.around("migrate.backup"):
        unfinished.replace(target)
    return target


def _upgrade(path: Path, found: int) -> None:
    engine = database.make_engine(path, foreign_keys=False)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                _drop_triggers(connection)
                operations = Operations(MigrationContext.configure(connection))
                for version in range(found + 1, schema_version.CURRENT + 1):
                    import_module(f"{__name__}.schema_{version}").upgrade(operations, connection)
                _make_indexes(connection)
                database.create_triggers(connection)
                _check(connection)
                connection.exec_driver_sql(f"PRAGMA user_version = {schema_version.CURRENT}")
                with failpoints.around("migrate.commit"):
                    connection.exec_driver_sql("COMMIT")
            except BaseException:
                with contextlib.suppress(DatabaseError):
                    connection.exec_driver_sql("ROLLBACK")
                raise
    finally:
        engine.dispose()


def _drop_triggers(connection: Connection) -> None:
    for (name,) in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").all():
        connection.exec_driver_sql(f'DROP TRIGGER "{name}"')


def _make_indexes(connection: Connection) -> None:
    """Every index as today's tables state it, conditions and expressions included, and no other."""
    sql = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    for (name,) in connection.exec_driver_sql(sql).all():
        connection.exec_driver_sql(f'DROP INDEX "{name}"')
    for table in SQLModel.metadata.tables.values():
        for index in sorted(table.indexes, key=lambda each: str(each.name)):
            index.create(connection)


def _check(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    said = connection.exec_driver_sql("PRAGMA integrity_check").scalar_one()
    if broken or said != "ok":
        raise StorageError(
            f"state.db is damaged: {said if said != 'ok' else f'{len(broken)} rows refer to rows that are not there'}",
            hint="the home is as it was; restore it from a backup",
        )
