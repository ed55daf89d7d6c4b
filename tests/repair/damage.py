"""Ways to damage a home: its files, as disks and people do, and its rows, by hand."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from docmill.stores import lance

Damage = Callable[[Path, random.Random], str]
"""Does it, and says what it was."""

DATABASE = "default"


def lance_file(home: Path, dice: random.Random) -> str:
    """One file of the database: removed, cut, one bit flipped, or a part of it zeroed."""
    files = sorted(path for path in (home / "lancedb" / DATABASE).rglob("*") if path.is_file())
    return _spoil(dice.choice(files), dice, home)


def artifact(home: Path, dice: random.Random) -> str:
    files = sorted(path for path in (home / "artifacts").glob("??/*"))
    return _spoil(dice.choice(files), dice, home)


def cache(home: Path, dice: random.Random) -> str:
    _without_log(home, "cache.db")
    return _spoil(home / "cache.db", dice, home)


def _spoil(path: Path, dice: random.Random, home: Path) -> str:
    data = bytearray(path.read_bytes())
    how = dice.choice(("removed", "truncated", "flipped", "flipped", "zeroed"))
    place = dice.randrange(max(len(data), 1))
    match how:
        case "removed":
            path.unlink()
        case "truncated":
            path.write_bytes(data[:place])
        case "flipped" if data:
            data[place] ^= 1 << dice.randrange(8)
            path.write_bytes(data)
        case _:
            data[place : place + 64] = bytes(len(data[place : place + 64]))
            path.write_bytes(data)
    return f"{path.relative_to(home)} {how} at {place}"


def _without_log(home: Path, name: str) -> None:
    """Bring what lies in SQLite's log into the file."""
    with closing(sqlite3.connect(home / name)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def state_removed(home: Path, dice: random.Random) -> str:
    for path in home.glob("state.db*"):
        path.unlink()
    return "state.db removed"


def state_truncated(home: Path, dice: random.Random) -> str:
    _without_log(home, "state.db")
    data = (home / "state.db").read_bytes()
    size = dice.randrange(5000, len(data) - 5000)
    (home / "state.db").write_bytes(data[:size])
    return f"state.db cut to {size} bytes"


def state_emptied(home: Path, dice: random.Random) -> str:
    _without_log(home, "state.db")
    (home / "state.db").write_bytes(b"")
    return "state.db emptied"


def database_removed(home: Path, dice: random.Random) -> str:
    shutil.rmtree(home / "lancedb" / DATABASE)
    return "database removed"


def databases_and_state_removed(home: Path, dice: random.Random) -> str:
    shutil.rmtree(home / "lancedb")
    return f"lancedb and {state_removed(home, dice)}"


def cache_and_state_removed(home: Path, dice: random.Random) -> str:
    for path in home.glob("cache.db*"):
        path.unlink()
    return f"cache.db and {state_removed(home, dice)}"


def artifacts_removed(home: Path, dice: random.Random) -> str:
    shutil.rmtree(home / "artifacts")
    return "artifacts removed"


def artifact_added(home: Path, dice: random.Random) -> str:
    key = dice.randbytes(32).hex()
    path = home / "artifacts" / key[:2] / key
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"nobody's")
    return "an artifact added"


def marks_deleted(home: Path, dice: random.Random) -> str:
    """Of some documents, in SQLite: their rows are there, and nothing knows it."""
    with closing(sqlite3.connect(home / "state.db")) as connection, connection:
        ids = [row[0] for row in connection.execute("SELECT document_id FROM placement ORDER BY 1")]
        for each in dice.sample(ids, 3):
            connection.execute("DELETE FROM placement WHERE document_id = ?", [each])
    return "three marks deleted"


def documents_deleted(home: Path, dice: random.Random) -> str:
    """In SQLite, without what hangs on it. One of one version and one name, so that it comes back the same."""
    with closing(sqlite3.connect(home / "state.db")) as connection, connection:
        ids = [row[0] for row in connection.execute("SELECT id FROM document WHERE uri LIKE 'late-%' ORDER BY 1")]
        connection.execute("DELETE FROM document WHERE id = ?", [dice.choice(ids)])
    return "a document deleted from state.db"


def rows_deleted(home: Path, dice: random.Random) -> str:
    name = dice.choice(("chunks", "documents"))
    table, rows = _some(home, dice, name)
    key = "chunk_id" if name == "chunks" else "document_id"
    table.delete(f"{key} IN ({', '.join(repr(row[key]) for row in rows)})")
    return _published(table, f"{len(rows)} rows of {name} deleted")


def rows_doubled(home: Path, dice: random.Random) -> str:
    name = dice.choice(("chunks", "documents"))
    table, rows = _some(home, dice, name)
    table.add(rows)
    return _published(table, f"{len(rows)} rows of {name} doubled")


def rows_of_strangers(home: Path, dice: random.Random) -> str:
    table, rows = _some(home, dice, "chunks")
    stranger = dice.randbytes(16).hex()
    table.add([{**row, "document_id": stranger} for row in rows])
    return _published(table, "rows of an unknown document added")


def texts_changed(home: Path, dice: random.Random) -> str:
    table, rows = _some(home, dice, "chunks")
    column = dice.choice(("text", "search_text", "uri"))
    table.update(where=f"chunk_id = '{rows[0]['chunk_id']}'", values={column: "somebody else's words"})
    return _published(table, f"{column} of a row changed")


def vectors_changed(home: Path, dice: random.Random) -> str:
    """The vector of another row: sound, and wrong."""
    table, rows = _some(home, dice, "chunks")
    vector = [-each for each in rows[0]["vector"]]
    table.update(where=f"chunk_id = '{rows[0]['chunk_id']}'", values={"vector": vector})
    return _published(table, "the vector of a row turned round")


def settings_changed(home: Path, dice: random.Random) -> str:
    table = lance.connect(home / "lancedb" / DATABASE).open_table("settings")
    table.update(where="key = 'fingerprint'", values={"value": "another model's"})
    return "the fingerprint of the database changed"


def _some(home: Path, dice: random.Random, name: str) -> tuple[Any, list[dict[str, Any]]]:
    table = lance.connect(home / "lancedb" / DATABASE).open_table(name)
    rows = sorted(table.to_arrow().to_pylist(), key=repr)
    return table, dice.sample(rows, 3)


def _published(table: Any, said: str) -> str:
    table.tags.update("published", table.version)
    return said


# Which of them must be found, whatever the dice say; a bit in an old version of a file matters to nobody.
CERTAIN: tuple[Damage, ...] = (
    state_removed,
    state_truncated,
    state_emptied,
    database_removed,
    databases_and_state_removed,
    cache_and_state_removed,
    artifacts_removed,
    artifact_added,
    artifact,
    marks_deleted,
    documents_deleted,
    rows_deleted,
    rows_doubled,
    rows_of_strangers,
    texts_changed,
    vectors_changed,
    settings_changed,
)
CHANCY: tuple[Damage, ...] = (lance_file, cache)
