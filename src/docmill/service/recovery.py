"""Notices what has got lost under a home, before anything claims to be up to date over nothing."""

from __future__ import annotations

from pathlib import Path

from docmill.domain.events import MessageEvent, Reporter
from docmill.stores.database_folders import is_published, is_whole
from docmill.stores.queries import reading


def is_lost(home: Path, database: str) -> bool:
    """The state says that documents are stored there, and a table is gone, or its published version is."""
    if is_whole(home, database) and is_published(home, database):
        return False
    with reading(home) as queries:
        sql = "SELECT 1 FROM placement WHERE database = ? AND state = 'stored' LIMIT 1"
        return queries.value(sql, [database]) is not None


def recover_lost_database(home: Path, reporter: Reporter, database: str) -> None:
    """Make every document of a database that is gone due again: artifacts and cached vectors fill a new one."""
    if not is_lost(home, database):
        return
    from docmill.stores.state import State, settling

    state = State(home)
    try:
        with state.transaction() as tx:
            documents = settling.forget_database(tx, database)
            message = f"database {database} is gone from {home / 'lancedb'}; it is made anew"
            settling.log(tx, "warning", message, documents=documents)
    finally:
        state.close()
    reporter.emit(MessageEvent("warning", message))
