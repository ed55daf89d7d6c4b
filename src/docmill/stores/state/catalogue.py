"""Writes sources, documents and their history: what a scan or an ``ingest`` found.

A scan is held against what was known when it began, outside of any transaction. So each change is written only where
that still holds, and raises Overtaken where another shell was faster; whoever called looks once more then.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from docmill.domain import identity
from docmill.domain.changes import Changes, HashedFile, KnownDocument
from docmill.domain.events import now
from docmill.domain.sources import SourceSettings
from docmill.errors import Overtaken
from docmill.stores.state.database import Transaction

_TREE = (
    "WITH RECURSIVE tree (id, depth) AS (SELECT ?1, 0 UNION ALL SELECT d.id, t.depth + 1 FROM tree t"
    " JOIN document d ON d.parent_id = t.id AND d.parent_id IS NOT NULL AND d.state = 'active')"
    " SELECT d.id, d.source, d.uri, d.version, d.content_hash, d.size_bytes FROM tree t JOIN document d ON d.id = t.id"
    " ORDER BY t.depth"
)


_TOGETHER = 1000  # documents that are looked up and written together, so that their rows take little memory


def add_source(tx: Transaction, name: str, folder: str | None, batch_id: int) -> None:
    """Make the source known, or point it to its folder's new place."""
    tx.run(
        "INSERT INTO source (name, folder, include, exclude, batch_id, created_at) VALUES (?, ?, '[]', '[]', ?, ?)"
        " ON CONFLICT (name) DO UPDATE SET folder = excluded.folder",
        [name, folder, batch_id, now()],
    )


def ids_of(tx: Transaction, source: str, uris: Iterable[str]) -> tuple[str, ...]:
    """Active documents of a source, by their URIs; those that are not there are left out."""
    sql = "SELECT id FROM document WHERE source = ? AND state = 'active' AND uri IN (SELECT value FROM json_each(?))"
    return tuple(row.id for row in tx.rows(sql, [source, json.dumps(list(uris))]))


def sources_of(tx: Transaction, batch_id: int) -> set[str]:
    """That documents of a batch are of."""
    return {row.source for row in tx.rows("SELECT DISTINCT source FROM document WHERE batch_id = ?", [batch_id])}


def remember(tx: Transaction, name: str, settings: SourceSettings) -> None:
    """What a source was told last, for its next sync."""
    columns = settings.columns()
    marks = ", ".join(f"{column} = ?" for column in columns)
    tx.run(f"UPDATE source SET {marks} WHERE name = ?", [*columns.values(), name])  # noqa: S608 - our own columns
    tx.run(
        "UPDATE batch SET workflow = ?, params = ? WHERE id = (SELECT batch_id FROM source WHERE name = ?)",
        [settings.workflow, settings.params, name],
    )


def record_changes(tx: Transaction, source: str, batch_id: int, changes: Changes) -> None:
    """Everything a scan found, in this one transaction: deletions first, as they free URIs. Raises Overtaken."""
    delete_documents(tx, changes.deleted, batch_id)
    _rename(tx, changes.renamed, batch_id)
    _touch(tx, changes.touched)
    replace_content(tx, changes.changed, batch_id)
    add_documents(tx, source, batch_id, changes.new)


def add_documents(
    tx: Transaction, source: str, batch_id: int, files: Sequence[HashedFile], meta: dict[str, Any] | None = None
) -> list[str]:
    """New documents, or deleted ones whose file is back. Returns their ids, in order. Raises Overtaken."""
    parts = [files[start : start + _TOGETHER] for start in range(0, len(files), _TOGETHER)]
    return [each for part in parts for each in _add(tx, source, batch_id, part, meta)]


def _add(
    tx: Transaction, source: str, batch_id: int, files: Sequence[HashedFile], meta: dict[str, Any] | None
) -> list[str]:
    uris = [file.file.uri for file in files]
    for uri in _among(tx, "uri", "source = ? AND state = 'active'", [source], uris):
        raise _overtaken(uri)
    gone = _among(tx, "uri", "source = ? AND state != 'active'", [source], uris)
    ids = {uri: identity.document_id(source, uri) for uri in uris if uri not in gone}
    for taken in _among(tx, "id", "1", [], list(ids.values())):  # by a document that has been renamed since
        uri = next(uri for uri, id_ in ids.items() if id_ == taken)
        ids[uri] = _free_id(tx, source, uri)
    fresh = [file for file in files if file.file.uri in ids]
    tx.insert("document", [_new_row(ids[file.file.uri], source, batch_id, file, meta or {}) for file in fresh])
    _write_history(tx, [_version(ids[file.file.uri], 1, "new", file) for file in fresh], batch_id)
    for file in files:
        if file.file.uri in gone:
            ids[file.file.uri] = _revive(tx, source, batch_id, file, meta)
    return [ids[uri] for uri in uris]


def _among(tx: Transaction, column: str, where: str, values: Sequence[Any], wanted: Sequence[str]) -> set[str]:
    """Which of these values documents have in a column, of those documents for which a condition holds."""
    sql = f"SELECT {column} FROM document WHERE {where} AND {column} IN (SELECT value FROM json_each(?))"  # noqa: S608 - our own words
    return {row[0] for row in tx.rows(sql, [*values, json.dumps(wanted)])}


def replace_content(
    tx: Transaction, changed: Iterable[tuple[KnownDocument, HashedFile]], batch_id: int, *, event: str = "changed"
) -> None:
    """A new version of each document. What the databases hold of it is stale from here on. Raises Overtaken.

    ``event``: what its history says; ``described`` where not its bytes but what is said of them is another.
    """
    for document, hashed in changed:
        _require_as_known(tx, document)
        tx.run(
            "UPDATE document SET content_hash = ?, size_bytes = ?, suffix = ?, version = version + 1,"
            " failed_key = NULL, outcome = NULL, degraded = 0, reasons = '[]', retry_count = 0, error_code = NULL,"
            " error_stage = NULL, error_message = NULL, error_hint = NULL, error_at = NULL, updated_at = ?"
            " WHERE id = ?",
            [hashed.content_hash, hashed.file.stat.size, hashed.file.suffix, now(), document.id],
        )
        _unsettle(tx, document.id)
        _write_stat(tx, document.id, hashed)
        _history(tx, document.id, document.version + 1, event, hashed, batch_id)


def delete_documents(tx: Transaction, documents: Iterable[KnownDocument], batch_id: int | None) -> None:
    """Tombstones, also for all that lies in them: the rows in the databases follow, and are gone before the placements
    are. Raises Overtaken.
    """
    for document in documents:
        _require_as_known(tx, document)
        bury(tx, document.id, batch_id)


def tree(tx: Transaction, document_id: str) -> list[Any]:
    """The document and all that lies in it, each before what lies in that."""
    return tx.rows(_TREE, [document_id])


def bury(tx: Transaction, document_id: str, batch_id: int | None, *, itself: bool = True) -> None:
    """Tombstones for all that lies in a document, and for the document ``itself``."""
    at = now()
    for row in tree(tx, document_id):
        if row.id == document_id and not itself:
            continue
        tx.run("UPDATE document SET state = 'deleted', updated_at = ? WHERE id = ?", [at, row.id])
        tx.run(
            "UPDATE placement SET state = 'leaving', settled_key = NULL, updated_at = ? WHERE document_id = ?",
            [at, row.id],
        )
        _write_history(tx, [(row.id, row.version, "deleted", row.uri, row.content_hash, row.size_bytes)], batch_id)


def _rename(tx: Transaction, renamed: Iterable[tuple[KnownDocument, HashedFile]], batch_id: int) -> None:
    for document, hashed in renamed:
        _require_free(tx, _require_as_known(tx, document), hashed.file.uri)
        tx.run(
            "UPDATE document SET uri = ?, suffix = ?, failed_key = NULL, updated_at = ? WHERE id = ?",
            [hashed.file.uri, hashed.file.suffix, now(), document.id],
        )
        _unsettle(tx, document.id)
        _write_stat(tx, document.id, hashed)
        _history(tx, document.id, document.version, "renamed", hashed, batch_id)
        for row in tree(tx, document.id)[1:]:
            _move_member(tx, row, hashed.file.uri + row.uri.removeprefix(document.uri), batch_id)


def _move_member(tx: Transaction, row: Any, uri: str, batch_id: int) -> None:
    """A member follows its container. Raises Overtaken."""
    _require_free(tx, row.source, uri)
    tx.run("UPDATE document SET uri = ?, failed_key = NULL, updated_at = ? WHERE id = ?", [uri, now(), row.id])
    _unsettle(tx, row.id)
    _write_history(tx, [(row.id, row.version, "renamed", uri, row.content_hash, row.size_bytes)], batch_id)


def _require_as_known(tx: Transaction, document: KnownDocument) -> str:
    """The source of a document that is still what it was known as. Raises Overtaken."""
    sql = "SELECT source FROM document WHERE id = ? AND state = 'active' AND version = ? AND uri = ?"
    source = tx.value(sql, [document.id, document.version, document.uri])
    if source is None:
        raise Overtaken(f"another shell has just written down a change of {document.uri}", uri=document.uri)
    return str(source)


def _require_free(tx: Transaction, source: str, uri: str) -> None:
    """No document has this URI. Raises Overtaken."""
    if tx.value("SELECT 1 FROM document WHERE source = ? AND uri = ? AND state = 'active'", [source, uri]):
        raise _overtaken(uri)


def _overtaken(uri: str) -> Overtaken:
    return Overtaken(f"another shell has just written down {uri}", uri=uri)


def _touch(tx: Transaction, touched: Iterable[tuple[KnownDocument, HashedFile]]) -> None:
    for document, hashed in touched:
        _write_stat(tx, document.id, hashed)


def _revive(tx: Transaction, source: str, batch_id: int, hashed: HashedFile, meta: dict[str, Any] | None) -> str:
    """The document of that URI that went last."""
    [[document_id, version, content_hash]] = tx.rows(
        "SELECT id, version, content_hash FROM document WHERE source = ? AND uri = ?"
        " AND state != 'active' ORDER BY updated_at DESC LIMIT 1",
        [source, hashed.file.uri],
    )
    version += content_hash != hashed.content_hash
    tx.run(
        "UPDATE document SET state = 'active', content_hash = ?, size_bytes = ?, version = ?, batch_id = ?,"
        " failed_key = NULL, outcome = NULL, meta = COALESCE(?, meta), updated_at = ? WHERE id = ?",
        [
            hashed.content_hash,
            hashed.file.stat.size,
            version,
            batch_id,
            json.dumps(meta, ensure_ascii=False) if meta else None,
            now(),
            document_id,
        ],
    )
    # Rows that were about to leave a database are replaced by the coming run instead.
    tx.run("UPDATE placement SET state = 'storing' WHERE document_id = ? AND state = 'leaving'", [document_id])
    _write_stat(tx, document_id, hashed)
    _history(tx, document_id, version, "restored", hashed, batch_id)
    return str(document_id)


def _free_id(tx: Transaction, source: str, uri: str) -> str:
    counter = 1
    while tx.value("SELECT 1 FROM document WHERE id = ?", [identity.document_id(source, uri, counter)]):
        counter += 1
    return identity.document_id(source, uri, counter)


def _new_row(document_id: str, source: str, batch_id: int, hashed: HashedFile, meta: dict[str, Any]) -> dict[str, Any]:
    at, stat = now(), hashed.file.stat
    return {
        "id": document_id,
        "source": source,
        "uri": hashed.file.uri,
        "suffix": hashed.file.suffix,
        "content_hash": hashed.content_hash,
        "size_bytes": stat.size,
        "version": 1,
        "batch_id": batch_id,
        "state": "active",
        "device": stat.device,
        "inode": str(stat.inode),
        "mtime_ns": stat.mtime_ns,
        "ctime_ns": stat.ctime_ns,
        "hashed_at_ns": hashed.hashed_at_ns,
        "meta": json.dumps(meta, ensure_ascii=False),
        "profile": "",
        "origin": "{}",
        "degraded": 0,
        "chunk_count": 0,
        "retry_count": 0,
        "first_seen_at": at,
        "updated_at": at,
    }


def _write_stat(tx: Transaction, document_id: str, hashed: HashedFile) -> None:
    stat = hashed.file.stat
    tx.run(
        "UPDATE document SET device = ?, inode = ?, mtime_ns = ?, ctime_ns = ?, hashed_at_ns = ? WHERE id = ?",
        [stat.device, str(stat.inode), stat.mtime_ns, stat.ctime_ns, hashed.hashed_at_ns, document_id],
    )


def _unsettle(tx: Transaction, document_id: str) -> None:
    tx.run("UPDATE placement SET settled_key = NULL WHERE document_id = ?", [document_id])


def _history(
    tx: Transaction, document_id: str, version: int, event: str, hashed: HashedFile, batch_id: int | None
) -> None:
    _write_history(tx, [_version(document_id, version, event, hashed)], batch_id)


def _version(document_id: str, version: int, event: str, hashed: HashedFile) -> tuple[str, int, str, str, str, int]:
    return document_id, version, event, hashed.file.uri, hashed.content_hash, hashed.file.stat.size


def _write_history(tx: Transaction, rows: Sequence[tuple[str, int, str, str, str, int]], batch_id: int | None) -> None:
    at = now()
    tx.many(
        "INSERT INTO document_version (document_id, version, event, uri, content_hash, size_bytes, batch_id, at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [(*row, batch_id, at) for row in rows],
    )
