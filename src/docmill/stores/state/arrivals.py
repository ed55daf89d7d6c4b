"""Writes what an ``ingest`` brings: new documents, new contents, and what is said of them.

What is known is read here, inside the transaction, so that two shells that bring the same thing at once agree. Only
what was taken from an earlier look, as a file had not been touched or an address had not changed, may turn out to be
outdated.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from docmill.domain.changes import Changes, FileStat, HashedFile, KnownDocument
from docmill.errors import Overtaken
from docmill.stores.state import catalogue
from docmill.stores.state.database import Transaction

_COLUMNS = (
    "id, uri, suffix, content_hash, version, hashed_at_ns, device, inode, size_bytes, mtime_ns, ctime_ns, batch_id,"
    " meta, origin"
)
_AT_ONCE = 500


class Readable(Protocol):
    """A transaction, or the read-only connection."""

    def rows(self, sql: str, values: Sequence[Any] = ()) -> Sequence[Any]: ...


class Present(NamedTuple):
    """An active document as it stands. ``origin``: of what was fetched, else empty."""

    document: KnownDocument
    batch_id: int
    meta: dict[str, Any]
    origin: dict[str, str]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file, or the copy of what an address gave, and what is said of it.

    meta:   values by key; None takes a key away from a document that is known.
    origin: of what was fetched just now; None: nothing new is known of where it came from.
    seen:   what it was found unchanged against, where its bytes were not read.
    """

    hashed: HashedFile
    meta: Mapping[str, Any] = field(default_factory=dict)
    origin: Mapping[str, str] | None = None
    seen: KnownDocument | None = None


class Accepted(NamedTuple):
    """``outcome``: new, duplicate, changed, updated (what is said of it, not its bytes) or unchanged."""

    document_id: str
    batch_id: int
    outcome: str


def present(of: Readable, source: str, uris: Iterable[str]) -> dict[str, Present]:
    """The active documents of a source that have these URIs, by URI."""
    wanted = list(dict.fromkeys(uris))
    found: dict[str, Present] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        marks = ", ".join("?" for _ in part)
        sql = f"SELECT {_COLUMNS} FROM document WHERE source = ? AND state = 'active' AND uri IN ({marks})"  # noqa: S608 - marks only
        for row in of.rows(sql, [source, *part]):
            id_, uri, suffix, content, version, hashed_at, device, inode, size, mtime, ctime, batch_id, meta, origin = (
                row
            )
            stat = FileStat(device, int(inode), size, mtime, ctime)
            document = KnownDocument(id_, uri, suffix, content, version, stat, hashed_at)
            found[uri] = Present(document, batch_id, json.loads(meta), json.loads(origin))
    return found


def accept(tx: Transaction, source: str, batch_id: int, arrivals: Sequence[Arrival]) -> list[Accepted]:
    """Write them down, in order. ``batch_id``: where new documents go. Raises Overtaken."""
    times = Counter(each.hashed.file.uri for each in arrivals)
    known = present(tx, source, times)
    accepted = []
    for arrival in arrivals:
        before = known.get(arrival.hashed.file.uri)
        if arrival.seen is not None and (before is None or before.document.content_hash != arrival.seen.content_hash):
            raise Overtaken(f"another shell has just written down {arrival.hashed.file.uri}")
        one = _add(tx, source, batch_id, arrival) if before is None else _renew(tx, batch_id, before, arrival)
        accepted.append(one)
        if one.outcome != "unchanged" and times[arrival.hashed.file.uri] > 1:
            known |= present(tx, source, [arrival.hashed.file.uri])
    return accepted


def _add(tx: Transaction, source: str, batch_id: int, arrival: Arrival) -> Accepted:
    content = arrival.hashed.content_hash
    twin = tx.value("SELECT 1 FROM document WHERE content_hash = ? AND state = 'active' LIMIT 1", [content])
    [document_id] = catalogue.add_documents(tx, source, batch_id, [arrival.hashed], _merged({}, arrival.meta))
    _write_origin(tx, document_id, arrival.origin)
    return Accepted(document_id, batch_id, "duplicate" if twin else "new")


def _renew(tx: Transaction, batch_id: int, before: Present, arrival: Arrival) -> Accepted:
    document, hashed = before.document, arrival.hashed
    meta = _merged(before.meta, arrival.meta)
    same = (document.content_hash, document.suffix) == (hashed.content_hash, hashed.file.suffix)
    _write_origin(tx, document.id, arrival.origin)
    if same and meta == before.meta:
        if hashed.file.stat != document.stat and arrival.seen is None:
            catalogue.record_changes(tx, "", batch_id, Changes(touched=[(document, hashed)]))
        return Accepted(document.id, before.batch_id, "unchanged")
    # A run that is under way would settle the document with what it had read of it before: only another version keeps
    # it from that, also where nothing but the metadata is another.
    catalogue.replace_content(tx, [(document, hashed)], batch_id, event="described" if same else "changed")
    tx.run("UPDATE document SET meta = ? WHERE id = ?", [json.dumps(meta, ensure_ascii=False), document.id])
    return Accepted(document.id, before.batch_id, "updated" if same else "changed")


def _merged(before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**before, **given}.items() if value is not None}


def _write_origin(tx: Transaction, document_id: str, origin: Mapping[str, str] | None) -> None:
    if origin is not None:
        tx.run("UPDATE document SET origin = ? WHERE id = ?", [json.dumps(origin, ensure_ascii=False), document_id])
