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
import time
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
from docmill.domain.events import now
from docmill.errors import EngineBusy, StorageError
from docmill.stores import schema_version
from docmill.stores.faults import storage_error
from docmill.stores.state import database, tables
from docmill.stores.state.logs import log

_SETTLE_SECONDS = 1.0  # how long the name in engine.lock may still be the last engine's
_POLL_SECONDS = 0.02
_MIGRATING = "docmill, bringing the home forward"


def bring_forward(home: Path) -> None:
    """Make ``home`` one of today's schema. Does nothing where another process has done so meanwhile.

    Raises EngineBusy where an engine is at work there, StorageError where the disk does not allow it or the home is
    damaged; then it stays as it was.
    """
    path = home / "state.db"
    try:
        with _alone(home):
            found = _version(path)
            if found < schema_version.CURRENT:
                backup = _back_up(path, found)
                _upgrade(path, found, f"from schema {found} to {schema_version.CURRENT}; it was kept as {backup.name}")
    except (OSError, DatabaseError, sqlite3.DatabaseError) as error:
        doing = f"{home} cannot be brought to schema {schema_version.CURRENT}, which it needs before it can be used"
        fault = storage_error(error, doing, home=home)
        message = fault.message if fault else f"{doing}: {error}"
        hint = fault.hint if fault else "mend this, then run the same command again"
        raise StorageError(message, hint=f"{hint}; the home is as it was") from error


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Hold what an engine holds, so that none is at work meanwhile and only one process migrates."""
    lock = home / "engine.lock"
    with _descriptor(home, os.O_RDONLY | os.O_DIRECTORY) as folder, _descriptor(lock, os.O_RDWR | os.O_CREAT) as file:
        since = time.monotonic()
        while not (_lock(folder) and _lock(file)):
            fcntl.flock(folder, fcntl.LOCK_UN)
            holder = _holder(lock)
            if holder.get("command") == _MIGRATING:
                since = time.monotonic()  # another process is at the very same thing
            elif time.monotonic() - since > _SETTLE_SECONDS:
                raise EngineBusy(
                    f"an engine of an older docmill is at work in this home: {_described(holder)}",
                    hint="let it end, or stop it, then run the same command again",
                    holder=holder,
                )
            time.sleep(_POLL_SECONDS)
        os.ftruncate(file, 0)
        os.pwrite(file, json.dumps({"pid": os.getpid(), "started_at": now(), "command": _MIGRATING}).encode(), 0)
        yield
        os.ftruncate(file, 0)


@contextmanager
def _descriptor(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(lock: Path) -> dict[str, object]:
    try:
        found = json.loads(lock.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _described(holder: dict[str, object]) -> str:
    if not holder:
        return "it has not said which"
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
    with _descriptor(path.parent, os.O_RDONLY | os.O_DIRECTORY) as folder:
        os.fsync(folder)
    return target


def _upgrade(path: Path, found: int, told: str) -> None:
    engine = tables.make_engine(path, foreign_keys=False)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                _drop_triggers(connection)
                operations = Operations(MigrationContext.configure(connection))
                for version in range(found + 1, schema_version.CURRENT + 1):
                    import_module(f"{__name__}.schema_{version}").upgrade(operations, connection)
                _make_indexes(connection)
                tables.create_triggers(connection)
                _check(connection)
                log(database.Transaction(_plain(connection)), "info", f"brought {told}")
                connection.exec_driver_sql(f"PRAGMA user_version = {schema_version.CURRENT}")
                with failpoints.around("migrate.commit"):
                    connection.exec_driver_sql("COMMIT")
            except BaseException:
                with contextlib.suppress(DatabaseError):
                    connection.exec_driver_sql("ROLLBACK")
                raise
    finally:
        engine.dispose()


def _plain(connection: Connection) -> sqlite3.Connection:
    """What SQLAlchemy's connection stands on."""
    plain = connection.connection.dbapi_connection
    assert isinstance(plain, sqlite3.Connection)
    return plain


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
    said = connection.exec_driver_sql("PRAGMA integrity_check").scalars().first()
    if broken or said != "ok":
        raise StorageError(
            f"state.db is damaged: {said if said != 'ok' else f'{len(broken)} rows refer to rows that are not there'}",
            hint="the home is as it was; restore it from a backup",
        )
