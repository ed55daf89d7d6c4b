"""What a home holds, read from outside: published rows, tables of state.db, files. Looks, and changes nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docmill.domain import identity
from docmill.errors import DatabaseNotFound
from docmill.stores.reading import CHUNKS, DOCUMENTS, Database, Scope, text_hits

DATABASE = "default"
Row = tuple[tuple[str, Any], ...]
# Two runs that end the same differ in these.
_TIMES = {"created_at", "updated_at", "first_seen_at", "hashed_at_ns", "error_at", "at"}


@dataclass(frozen=True)
class Published:
    """What a reader sees: each document's passages, and its row in the table of documents, by document id."""

    chunks: Mapping[str, tuple[Row, ...]]
    documents: Mapping[str, tuple[Row, ...]]

    @classmethod
    def of(cls, home: Path) -> Published:
        try:
            database = Database(home, DATABASE)
        except DatabaseNotFound:
            return cls({}, {})
        return cls(_by_document(database, CHUNKS), _by_document(database, DOCUMENTS))


def _by_document(database: Database, name: str) -> dict[str, tuple[Row, ...]]:
    if not (database.folder / f"{name}.lance" / "_refs").is_dir():
        return {}  # LanceDB keeps tags there: a table without one has published nothing, and may not be whole yet
    table = database.table(name)
    found: dict[str, list[Row]] = {}
    for row in table.to_arrow().to_pylist() if table is not None else []:
        row = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
        found.setdefault(row["document_id"], []).append(_row(row))
    return {document: tuple(sorted(rows, key=repr)) for document, rows in found.items()}


def _row(values: Mapping[str, Any]) -> Row:
    return tuple((name, value) for name, value in values.items() if name not in _TIMES)


@dataclass(frozen=True)
class Book:
    """state.db and cache.db as they stand."""

    document: tuple[Row, ...]
    history: tuple[Row, ...]
    placement: tuple[Row, ...]
    artifacts: frozenset[tuple[str, str]]  # step key and digest
    cached: Mapping[bytes, bytes]
    embedded: int  # texts that all engines of this home have said to have computed

    @classmethod
    def of(cls, home: Path) -> Book:
        with opened(home) as state:
            return cls(
                _rows(state, "SELECT * FROM document ORDER BY id"),
                _rows(state, "SELECT * FROM document_version ORDER BY document_id, id", leave_out="id"),
                _rows(state, "SELECT * FROM placement ORDER BY document_id"),
                frozenset(tuple(row) for row in state.execute("SELECT step_key, digest FROM artifact")),
                cached_vectors(home),
                state.execute("SELECT COALESCE(SUM(chunks_embedded), 0) FROM run_group").fetchone()[0],
            )

    def settled(self) -> set[tuple[str, str]]:
        """Ids and contents of the documents that need nothing any more, unless their file has changed."""
        rows, contents = map(dict, self.placement), dict(self.contents())
        ids = {row["document_id"] for row in rows if row["state"] == "stored" and row["settled_key"]}
        return {(document, contents[document]) for document in ids}

    def contents(self) -> set[tuple[str, str]]:
        """Ids and contents of all documents."""
        return {(row["id"], row["content_hash"]) for row in map(dict, self.document)}


def _rows(state: sqlite3.Connection, sql: str, *, leave_out: str = "") -> tuple[Row, ...]:
    return tuple(_row({name: row[name] for name in row.keys() if name != leave_out}) for row in state.execute(sql))  # noqa: SIM118 - a Row iterates over its values


@contextmanager
def opened(home: Path, name: str = "state.db") -> Iterator[sqlite3.Connection]:
    """Read only: whatever a dead engine left in the write-ahead log stays for the next one to find."""
    connection = sqlite3.connect(f"file:{home / name}?mode=ro", uri=True, timeout=10)
    connection.row_factory = sqlite3.Row
    try:
        yield connection
    finally:
        connection.close()


def cached_vectors(home: Path) -> dict[bytes, bytes]:
    if not (home / "cache.db").exists():
        return {}
    with opened(home, "cache.db") as cache:
        try:
            return {row[0]: row[1] for row in cache.execute("SELECT text_key, vector FROM embedding")}
        except sqlite3.DatabaseError:  # damaged, or without its table yet
            return {}


def text_keys(home: Path, published: Published) -> dict[str, set[bytes]]:
    """The keys of each document's passages, as the embed stage makes them."""
    fingerprint = Database(home, DATABASE).settings()["fingerprint"]
    return {
        document: {identity.text_key(fingerprint, dict(row)["search_text"]) for row in rows}
        for document, rows in published.chunks.items()
    }


def found_by_words(home: Path) -> set[str]:
    """Chunk ids that the full-text index finds; it is as much a part of what was published as the rows are."""
    table = Database(home, DATABASE).table(CHUNKS)
    return {row["chunk_id"] for row in text_hits(table, "oil", 10_000, Scope())} if table is not None else set()


def latest_counts(home: Path) -> dict[str, tuple[int, int]]:
    """Rows of each table in its newest version, and in its published one."""
    database = Database(home, DATABASE)
    counts = {}
    for name in (CHUNKS, DOCUMENTS):
        table, newest = database.table(name), database._open(name)
        counts[name] = (newest.count_rows(), table.count_rows() if table is not None else 0)
    return counts


def leftovers(home: Path) -> list[str]:
    """Temporary files that nobody will ever finish. LanceDB's own are not looked at: it clears them away itself."""
    names = (path.relative_to(home) for path in home.rglob("*") if path.is_file())
    marks = (".new", "probe-")
    return sorted(
        str(path) for path in names if path.parts[0] != "lancedb" and any(mark in path.name for mark in marks)
    )


def moment(home: Path, epoch: int) -> str:
    """What an engine was at when it died, from what it left. ``epoch``: of the home before that engine began."""
    if not (home / "state.db").exists():
        return "init"
    with opened(home) as state:

        def count(sql: str) -> int:
            return int(state.execute(sql).fetchone()[0])

        if not count("SELECT COUNT(*) FROM run_group WHERE status = 'running'"):
            ended = count("SELECT value FROM home_meta WHERE key = 'engine_epoch'") > epoch
            return "after the end" if ended else "scan"
        if count("SELECT value FROM home_meta WHERE key = 'engine_epoch'") == epoch:
            return "begin"
        if count("SELECT COUNT(*) FROM run WHERE status IN ('pending', 'running')") == 0:
            return "finish"
        if count("SELECT COUNT(*) FROM placement WHERE state = 'storing' AND settled_key IS NULL"):
            return "store"
        if count("SELECT COUNT(*) FROM run_step WHERE type = 'embed' AND status IN ('running', 'completed')"):
            return "embed"
        if count("SELECT COUNT(*) FROM run_step WHERE status IN ('running', 'completed')"):
            return "parse"
        return "claim"


def epoch_of(home: Path) -> int:
    with opened(home) as state:
        return int(state.execute("SELECT value FROM home_meta WHERE key = 'engine_epoch'").fetchone()[0])
