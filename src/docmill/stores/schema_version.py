"""Which schema a state.db has, told without any toolkit, and what happens where it is not today's.

Both ways into state.db, reading and writing, come by here; so no command can meet a schema that it does not know.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from docmill.errors import StorageError

CURRENT = 4


def require_current(home: Path, found: int) -> bool:
    """Bring an older home forward. True where that was due: whoever asks has to open state.db anew.

    Raises StorageError for a newer one, EngineBusy where an engine is at work in an older one.
    """
    if found == CURRENT:
        return False
    if found > CURRENT or found < 1:
        raise StorageError(
            f"{home / 'state.db'} has schema {found}; this docmill knows {CURRENT}",
            hint="use the docmill that wrote it, or a newer one",
        )
    from docmill.stores.state.migrations import bring_forward

    bring_forward(home)
    return True


def version_of(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
