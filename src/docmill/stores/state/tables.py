"""Makes the tables, indexes and triggers of state.db from the classes in domain.records.

Only making a home and bringing an older one forward come here: importing SQLModel takes a third of a second, which
nobody who writes rows has to wait for.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlmodel import SQLModel

from docmill import __version__
from docmill.domain import records
from docmill.stores import schema_version
from docmill.stores.state.database import BUSY_TIMEOUT_S, configure


def build(path: Path) -> None:
    """A new state.db at ``path``, written to the disk whole. Raises SQLAlchemy's errors."""
    engine = make_engine(path)
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


def create_triggers(connection: Connection) -> None:
    """Make the triggers of the schema, anew where they are there already."""
    for name, body in records.TRIGGERS.items():
        connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}")
        connection.exec_driver_sql(f"CREATE TRIGGER {name} {body}")


def make_engine(path: Path, *, foreign_keys: bool = True) -> Engine:
    """Connections to one file, set up as all that write to it are."""
    # AUTOCOMMIT leaves BEGIN and COMMIT to us: SQLAlchemy's own begin is a deferred one, which loses to other writers
    # with "database is locked" however long the timeout is.
    engine = create_engine(
        f"sqlite:///{path}",
        isolation_level="AUTOCOMMIT",
        connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _record: Any) -> None:
        configure(connection, foreign_keys=foreign_keys)

    return engine


def _tables() -> list[Any]:
    return [
        getattr(records, name).__table__
        for name in dir(records)
        if isinstance(getattr(records, name), type) and hasattr(getattr(records, name), "__table__")
    ]
