"""Whether the databases of a home hold what its state says, document by document: counts, not contents.

Looks at a folder that nobody works in: a snapshot, or what was unpacked from a backup. Documents that were about to be
stored or removed at that instant may be there or not: the next engine sees to them.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from docmill.errors import DatabaseNotFound, StorageError
from docmill.stores import reading, schema_version
from docmill.stores.reading import CHUNKS, DOCUMENTS, Database, Scope

Counted = Literal["documents", "chunks"]


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a home holds. ``databases``: documents and chunks by name, as they are published. ``findings``: in words."""

    schema: int
    batches: int
    documents: int
    databases: dict[str, dict[Counted, int]]
    findings: list[str] = field(default_factory=list)


def look(home: Path) -> Holdings:
    """Raises StorageError where state.db is none, or is damaged."""
    try:
        with closing(_opened(home / "state.db")) as state:
            findings = _damage(state, "state.db")
            if findings:
                raise StorageError(findings[0])
            names = [row[0] for row in state.execute("SELECT name FROM database ORDER BY name")]
            found = {}
            for name in names:
                found[name], wrong = _compare(home, state, name)
                findings += wrong
            documents = state.execute("SELECT COUNT(*) FROM document WHERE state = 'active'").fetchone()[0]
            batches = state.execute("SELECT COUNT(*) FROM batch").fetchone()[0]
            schema = schema_version.version_of(state)
    except sqlite3.DatabaseError as error:
        raise StorageError(f"state.db cannot be read: {error}") from error
    if (home / "cache.db").is_file():
        findings += _damage_of_cache(home / "cache.db")
    return Holdings(schema, batches, documents, found, findings)


def _opened(path: Path) -> sqlite3.Connection:
    """Nobody writes there, so SQLite needs no files beside it."""
    connection = sqlite3.connect(f"file:{quote(str(path))}?immutable=1", uri=True)
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def _damage(connection: sqlite3.Connection, name: str) -> list[str]:
    said = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    return [] if said == "ok" else [f"{name} is damaged: {said}"]


def _damage_of_cache(path: Path) -> list[str]:
    try:
        with closing(_opened(path)) as cache:
            return _damage(cache, path.name)
    except sqlite3.DatabaseError as error:
        return [f"{path.name} is damaged: {error}"]


def _compare(home: Path, state: sqlite3.Connection, name: str) -> tuple[dict[Counted, int], list[str]]:
    """What a database has, and where that is not what the state says."""
    rows = state.execute("SELECT document_id, state, chunk_count FROM placement WHERE database = ?", [name])
    marks = {document_id: (what, chunks) for document_id, what, chunks in rows}
    stored = {each: chunks for each, (what, chunks) in marks.items() if what == "stored"}
    try:
        documents, chunks = _published(home, name)
    except (DatabaseNotFound, StorageError, RuntimeError, OSError, ValueError):
        # Not in LanceDB's words: a restored home must have the same findings, and they name files by their place.
        findings = [f"database {name} cannot be read, and {_documents(stored)} should lie there"] if stored else []
        return {"documents": 0, "chunks": 0}, findings
    findings = []
    missing = [each for each in stored if each not in documents]
    if missing:
        findings.append(f"database {name} lacks {_documents(missing)} that the state has there")
    partly = [
        each for each, count in stored.items() if each in documents and not documents[each] == chunks[each] == count
    ]
    if partly:
        findings.append(f"database {name} has other passages of {_documents(partly)} than the state says")
    strays = (documents.keys() | chunks.keys()) - marks.keys()
    if strays:
        findings.append(f"database {name} has {_documents(strays)} that the state does not know there")
    return {"documents": len(documents), "chunks": chunks.total()}, findings


def _documents(ids: Collection[str]) -> str:
    return f"{len(ids):,} document{'' if len(ids) == 1 else 's'}"


def _published(home: Path, name: str) -> tuple[dict[str, int], Counter[str]]:
    """Of each document at the published version: how many passages its row tells of, and how many there are."""
    opened = Database(home, name)
    documents, chunks = opened.table(DOCUMENTS), opened.table(CHUNKS)
    told: dict[str, int] = {}
    there: Counter[str] = Counter()
    if documents is not None:
        rows = reading.rows_of(documents, ["document_id", "chunk_count"], Scope())
        told = {row["document_id"]: row["chunk_count"] for row in rows}
    if chunks is not None:
        for batch in chunks.search().select(["document_id"]).to_batches(batch_size=8192):
            there.update(batch.column("document_id").to_pylist())
    return told, there
