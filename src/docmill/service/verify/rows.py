"""Checks a LanceDB database at its published version: its files, its settings, every row, and its indexes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from docmill.domain import identity
from docmill.domain.documents import ChunkedDocument
from docmill.errors import DamagedArtifact, StorageError
from docmill.service.recovery import is_lost
from docmill.service.verify import vectors
from docmill.service.verify.diagnosis import Diagnosis
from docmill.service.verify.expected import Expected, Settled, is_id
from docmill.stores import checksums, database_folders, indexing, lance
from docmill.stores.artifacts import ArtifactStore
from docmill.stores.cached_vectors import CachedVectors
from docmill.stores.faults import require_machine
from docmill.stores.reading import CHUNKS, DOCUMENTS, Database, Scope, text_hits, vector_hits

_BATCH = 2048
_OF_DOCUMENT = ("uri", "source", "title", "type")
_OF_CHUNK = ("char_start", "char_end", "page_start", "page_end", "headings", "tokens")
_COLUMNS = ["chunk_id", "document_id", "text", "search_text", *_OF_DOCUMENT, "position", *_OF_CHUNK]
_DOCUMENT_COLUMNS = ["document_id", *_OF_DOCUMENT, "version", "content_hash", "chunk_count", "created_at", "metadata"]
_SOME_WORDS = 20  # of passages from all over the table, that the index must find them by

Faults = list[tuple[str, str, str]]
"""Code, document id, example."""


@dataclass(frozen=True, slots=True)
class How:
    """``quick``: ids and counts alone are compared. ``vector_rows``: from so many rows on there is a vector index.
    ``in_use``: an engine is at work.
    """

    quick: bool
    vector_rows: int
    cache_readable: bool
    in_use: bool


def check_databases(home: Path, expected: Expected, again: Callable[[], Expected], found: Diagnosis, how: How) -> None:
    """``again`` looks at state.db once more: what an engine has touched since ``expected`` is left alone."""
    for name in expected.databases:
        if is_lost(home, name):
            found.add("DATABASE_LOST", name, count=max(len(expected.settled[name]), 1))
            found.rebuild.add(name)
        elif (home / "lancedb" / name).is_dir():
            _check(home, name, expected, again, found, how)
    strangers = set(database_folders.databases(home)) - set(expected.databases)
    for name in sorted(strangers - set(again().databases)) if strangers else ():
        found.add("DATABASE_ORPHANED", name, name)
        found.aside.add(name)
    found.counts["databases"] = len(expected.databases)


def _check(
    home: Path, name: str, expected: Expected, again: Callable[[], Expected], found: Diagnosis, how: How
) -> None:
    folder = home / "lancedb" / name
    if not how.quick:
        for path, changed in checksums.compare(folder):
            found.counts["files_checked"] += 1
            if changed:
                found.add("DATABASE_FILE_DAMAGED", name, path)
                found.rebuild.add(name)
    try:
        with lance.hushed():
            faults = _Reader(home, name, expected, found, how).read()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - LanceDB panics over some damage, past Exception
        if how.in_use and not expected.settled[name]:
            return  # its tables are being made
        require_machine(error, f"database {name} cannot be read")
        found.add("DATABASE_UNREADABLE", name, " ".join(str(error).split())[:200] or type(error).__name__)
        found.rebuild.add(name)
        return
    if not faults:
        return
    later = again()
    steady = expected.steady(later, name)
    marked = expected.marked[name] | later.marked.get(name, set())
    for code, document_id, example in faults:
        if code == "ROW_ORPHANED":
            if document_id not in marked:
                found.add(code, name, example)
                found.strays[name].add(document_id)
                if not is_id(document_id):
                    found.rebuild.add(name)
        elif document_id in steady:
            found.add(code, name, example)
            found.again[name].add(document_id)


class _Reader:
    """One pass over a database's tables. Gives faults by document; what holds for all of it goes to the diagnosis."""

    def __init__(self, home: Path, name: str, expected: Expected, found: Diagnosis, how: How) -> None:
        self._name, self._found, self._how = name, found, how
        self._expected = expected
        self._settled = expected.settled[name]
        self._marked = expected.marked[name]
        self._outputs = ArtifactStore(home)
        self._cache = CachedVectors(home) if how.cache_readable and not how.quick else None
        self._database = Database(home, name)
        self._faults: Faults = []
        self._uncached: set[bytes] = set()
        self._told: dict[str, tuple[Any, ...]] = {}  # by document: what its row says beside what state.db knows

    def read(self) -> Faults:
        stored = self._database.settings()
        if not stored.get("fingerprint"):
            raise StorageError("its settings are gone")
        self._fingerprint = stored["fingerprint"]
        wanted = self._expected.models.get(self._name, self._fingerprint)
        tables = {name: self._database.table(name) for name in (DOCUMENTS, CHUNKS)}
        if any(table is None for table in tables.values()):
            return []  # its first window is on its way: there is nothing in it yet that could be wrong
        dimension = tables[CHUNKS].schema.field("vector").type.list_size
        if (self._fingerprint, stored.get("vector_dim")) != (wanted, str(dimension)):
            self._found.add("WRONG_MODEL", self._name, f"{stored.get('model')}, {stored.get('vector_dim')} dimensions")
            self._found.rebuild.add(self._name)
            return []
        try:
            self._read_documents(tables[DOCUMENTS])
            self._read_chunks(tables[CHUNKS], dimension)
        finally:
            if self._cache is not None:
                self._cache.close()
        self._check_indexes(tables[CHUNKS])
        if self._uncached and not self._how.in_use:  # an engine writes the cache every few seconds
            self._found.add("VECTOR_NOT_CACHED", self._name, count=len(self._uncached))
            self._found.refill.add(self._name)
        return self._faults

    def _fault(self, code: str, document: str, example: str) -> None:
        self._faults.append((code, document, example))

    # ---- documents ---------------------------------------------------------------------------------------------------

    def _read_documents(self, table: Any) -> None:
        seen: Counter[str] = Counter()
        for row in (row for batch in _batches(table, _DOCUMENT_COLUMNS) for row in batch.to_pylist()):
            key = row["document_id"]
            seen[key] += 1
            settled = self._settled.get(key)
            if key not in self._marked:
                self._fault("ROW_ORPHANED", key, row["uri"])
            elif settled is not None:
                if not _says_what_is_known(row, settled):
                    self._fault("DOCUMENT_DIFFERS", key, settled.uri)
                self._told[key] = (row["title"], row["type"], row["metadata"])
        for key, settled in self._settled.items():
            if seen[key] != 1:
                self._fault("DOCUMENT_DOUBLED" if seen[key] else "DOCUMENT_MISSING", key, settled.uri)

    # ---- passages ----------------------------------------------------------------------------------------------------

    def _read_chunks(self, table: Any, dimension: int) -> None:
        """A document's rows lie together but for few, and are let go as soon as all of them have been seen."""
        waiting: dict[str, list[dict[str, Any]]] = {}
        through: set[str] = set()
        late: set[str] = set()  # documents that have more rows than they should have
        columns = ["chunk_id", "document_id", "position"] if self._how.quick else [*_COLUMNS, "vector"]
        for batch in _batches(table, columns):
            rows = batch.drop_columns(["vector"]).to_pylist() if not self._how.quick else batch.to_pylist()
            self._found.counts["rows"] += len(rows)
            if not self._how.quick:
                flat = batch.column("vector").flatten().to_numpy(zero_copy_only=False)
                self._check_vectors(rows, np.ascontiguousarray(flat, np.float32).reshape(len(rows), dimension))
            for row in rows:
                key = row["document_id"]
                settled = self._settled.get(key)
                if key in through:
                    late.add(key)
                elif settled is None:
                    if key not in self._marked:
                        self._fault("ROW_ORPHANED", key, row.get("uri", key))
                else:
                    gathered = waiting.setdefault(key, [])
                    gathered.append(row)
                    if len(gathered) == settled.chunk_count:
                        self._compare(settled, waiting.pop(key))
                        through.add(key)
        for key, settled in self._settled.items():
            if key not in through:
                self._compare(settled, waiting.get(key, []))
        for key in late:
            self._faults = [each for each in self._faults if each[1] != key or not each[0].startswith("CHUNK_")]
            condition = Scope(document_ids=(key,)).condition()
            columns = [each for each in columns if each != "vector"]
            rows = [row for part in _batches(table, columns, condition) for row in part.to_pylist()]
            self._compare(self._settled[key], rows)

    def _compare(self, settled: Settled, rows: list[dict[str, Any]]) -> None:
        """A document's rows with the output that it was made of; without that, with what they say of each other."""
        wanted = None if self._how.quick else self._wanted(settled)
        if wanted is not None:
            self._found.counts["rows_compared"] += len(rows)
        else:
            wanted = self._by_themselves(settled, rows)
        by_id = {row["chunk_id"]: row for row in wanted}
        seen = Counter(row["chunk_id"] for row in rows)
        for key, row in by_id.items():
            if seen[key] != 1:
                place = f"{settled.uri} {row['position']}"
                self._fault("CHUNK_DOUBLED" if seen[key] else "CHUNK_MISSING", settled.id, place)
        for row in rows:
            place = f"{settled.uri} {row['position']}"
            if row["chunk_id"] not in by_id:
                self._fault("CHUNK_EXTRA", settled.id, place)
            elif any(row[name] != value for name, value in by_id[row["chunk_id"]].items()):
                self._fault("CHUNK_DIFFERS", settled.id, place)

    def _wanted(self, settled: Settled) -> list[dict[str, Any]] | None:
        """The rows, without vectors, as they would be stored now; None where the output is not there to tell."""
        key = self._expected.pipelines.chunk_key(settled)
        ref = self._expected.artifacts.get(key) if key is not None else None
        if ref is None:
            return None
        try:
            content = ChunkedDocument.from_json(self._outputs.read(ref))
        except (DamagedArtifact, ValueError, KeyError, TypeError):
            return None
        written = json.dumps(content.metadata, ensure_ascii=False)
        if self._told.get(settled.id, (content.title, content.type, written)) != (content.title, content.type, written):
            self._fault("DOCUMENT_DIFFERS", settled.id, settled.uri)
        about = {"uri": settled.uri, "source": settled.source, "title": content.title, "type": content.type}
        ids = identity.chunk_ids(settled.id, (chunk.text for chunk in content.chunks))
        return [
            {
                "chunk_id": chunk_id,
                "position": position,
                "text": chunk.text,
                "search_text": chunk.embedded_text,
                "char_start": chunk.char_start,
                "char_end": chunk.char_end,
                "page_start": chunk.page_start,
                "page_end": chunk.page_end,
                "headings": list(chunk.headings),
                "tokens": chunk.tokens,
                **about,
            }
            for position, (chunk_id, chunk) in enumerate(zip(ids, content.chunks, strict=True))
        ]

    def _by_themselves(self, settled: Settled, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Positions count from 0 without a gap, and ids are made of the texts in that order."""
        by_position: dict[int, dict[str, Any]] = {}
        for row in rows:
            by_position.setdefault(row["position"], row)
        whole = sorted(by_position) == list(range(settled.chunk_count))
        if whole and not self._how.quick:
            ids = identity.chunk_ids(settled.id, (by_position[n]["text"] for n in range(settled.chunk_count)))
        else:
            ids = [by_position[n]["chunk_id"] if n in by_position else f"{n}" for n in range(settled.chunk_count)]
        return [{"chunk_id": chunk_id, "position": position} for position, chunk_id in enumerate(ids)]

    # ---- vectors -----------------------------------------------------------------------------------------------------

    def _check_vectors(self, rows: Sequence[dict[str, Any]], found: Any) -> None:
        good = vectors.sound(found)
        keys = [identity.text_key(self._fingerprint, row["search_text"]) for row in rows]
        cached = self._cache.find(list(set(keys))) if self._cache is not None else {}
        for number, (row, key) in enumerate(zip(rows, keys, strict=True)):
            if row["document_id"] not in self._settled:
                continue
            place = f"{row['uri']} {row['position']}"
            own, kept = found[number].tobytes(), cached.get(key)
            if not good[number]:
                self._fault("VECTOR_DAMAGED", row["document_id"], place)
            elif kept is None:
                self._uncached.add(key)
            elif kept != own:
                self._differs(row, key, own, kept, place)

    def _differs(self, row: dict[str, Any], key: bytes, own: bytes, kept: bytes, place: str) -> None:
        if not vectors.is_sound(kept, len(own) // 4):
            if key not in self._found.vectors:  # nothing but its size is wrong
                self._found.add("CACHED_VECTOR_DAMAGED", vectors.CACHE, key.hex()[:12])
                self._found.vectors.add(key)
            self._found.refill.add(self._name)
            return
        self._fault("VECTOR_DIFFERS", row["document_id"], place)
        if not vectors.is_close(own, kept):
            self._found.vectors.add(key)  # another document's row may have it still
            self._found.refill.add(self._name)

    # ---- indexes -----------------------------------------------------------------------------------------------------

    def _check_indexes(self, chunks: Any) -> None:
        """Whether they cover what they should, and whether all of their files can be read. Raises LanceDB's errors."""
        if indexing.is_due(chunks, vector_rows=self._how.vector_rows) and not self._how.in_use:
            self._found.add("INDEX_STALE", self._name)
            self._found.index.add(self._name)
        some = chunks.search().select(["text", "vector"]).limit(1).to_list()
        for row in some:
            text_hits(chunks, " ".join(row["text"].split()[:_SOME_WORDS]), 10, Scope())
            vector_hits(chunks, np.asarray(row["vector"], np.float32), 10, Scope())


def _says_what_is_known(row: dict[str, Any], settled: Settled) -> bool:
    known = (settled.uri, settled.source, settled.version, settled.content_hash, settled.chunk_count)
    said = tuple(row[name] for name in ("uri", "source", "version", "content_hash", "chunk_count"))
    try:
        json.loads(row["metadata"])
    except ValueError:
        return False
    return said == known and row["created_at"] == settled.first_seen_at


def _batches(table: Any, columns: list[str], condition: str | None = None) -> Iterator[Any]:
    query = table.search().select(columns)
    yield from (query.where(condition) if condition else query).to_batches(batch_size=_BATCH)
