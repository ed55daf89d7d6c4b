"""The store stage: windows of whole documents into one database, as the crash protocol says.

Marked in SQLite, their vectors in the cache, replaced in LanceDB, synced, published, and only then settled in SQLite:
in that order, always.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from docmill import failpoints
from docmill.domain import identity
from docmill.domain.documents import Member
from docmill.domain.events import now
from docmill.domain.jobs import StepOutcome
from docmill.domain.params import StoreParams
from docmill.engine import aside
from docmill.engine.ledger import Ledger
from docmill.engine.pipelines import CompiledPipeline
from docmill.engine.work import Work
from docmill.stores import downloads
from docmill.stores.downloads import Copy, DownloadStore
from docmill.stores.schemas import StoredDocument
from docmill.stores.state import members, settling
from docmill.stores.state.database import Transaction
from docmill.stores.state.logs import log_group
from docmill.stores.state.settling import Stored
from docmill.stores.vectors import VectorStore

WINDOW_CHUNKS = 8192
WINDOW_SECONDS = 2.0


class StoreStage:
    """One database. ``save`` writes new vectors into the cache: no row is published whose vector is not there.
    ``stored`` is told of each document that is published, ``outdated`` of each that was not wanted.
    """

    def __init__(
        self,
        home: Path,
        pipeline: CompiledPipeline,
        ledger: Ledger,
        *,
        vector_rows: int,
        printed: Callable[[Any, str], None],
        warn: Callable[[str], None],
        save: Callable[[], None],
        stored: Callable[[Work, str], None],
        outdated: Callable[[Work], None],
    ) -> None:
        self.database = pipeline.database
        self._folder = home / "lancedb" / pipeline.database
        self._home = home
        self._copies = DownloadStore(home)
        self._stale_copies: list[Copy] = []
        self._model = pipeline.model
        self._embedder = pipeline.embed.method
        self._ledger = ledger
        self._vector_rows = vector_rows
        self._printed = printed
        self._warn = warn
        self._save = save
        self._stored = stored
        self._outdated = outdated
        self._vectors: VectorStore | None = None
        self._wrote = self._folder.is_dir()  # an engine may have died between its last window and what is due after it
        self.waiting: list[Work] = []
        self._chunks = 0

    def add(self, work: Work) -> None:
        work.ready_since = time.monotonic()
        self.waiting.append(work)
        assert work.content is not None
        self._chunks += len(work.content.chunks)

    def due(self) -> bool:
        """A window is full, or has waited long enough."""
        if not self.waiting:
            return False
        most = _store_params(self.waiting[0]).window_documents
        waited = time.monotonic() - self.waiting[0].ready_since
        return len(self.waiting) >= most or self._chunks >= WINDOW_CHUNKS or waited >= WINDOW_SECONDS

    def flush(self) -> None:
        """Store all that waits, one window after the other."""
        while self.waiting:
            self.store_window()

    def store_window(self) -> None:
        """Store what waits, or as much of it as one window holds."""
        most = _store_params(self.waiting[0]).window_documents
        window, self.waiting = self.waiting[:most], self.waiting[most:]
        self._chunks = sum(len(work.content.chunks) for work in self.waiting if work.content)
        self._store(window)

    def remove_leaving(self) -> None:
        """Take deleted documents out, where no window of new ones has done so already."""
        while gone := self._leaving():
            self._open().replace([], gone)
            self._wrote = True
            with failpoints.around("placement.forget"):
                self._ledger.flush(lambda tx, gone=gone: settling.forget_placements(tx, self.database, gone))  # type: ignore[misc] # a default binds the loop's value
            self._discard_copies(gone)

    def finish(self) -> None:
        """After the last window of a group."""
        if not self._wrote:
            return
        store = self._open()
        if store.rows < aside.LARGE_ROWS:
            store.finish(vector_rows=self._vector_rows)
        elif store.is_due(vector_rows=self._vector_rows):
            self._vectors = None  # what another process writes is opened anew
            wrong = aside.finish(self._folder, self._model, self._embedder, self._vector_rows, printed=self._printed)
            if wrong:
                self._warn(wrong)
        self._wrote = False

    def drop(self, group_id: int) -> list[Work]:
        dropped = [work for work in self.waiting if work.group.id == group_id]
        self.waiting = [work for work in self.waiting if work.group.id != group_id]
        return dropped

    def _store(self, window: list[Work]) -> None:
        gone = self._leaving()
        started_at, started = now(), time.perf_counter()
        current: list[Work] = []
        outdated: list[Work] = []
        stale: list[str] = []

        def mark(tx: Transaction) -> None:
            known = settling.standing(tx, [work.document_id for work in window])
            for work in window:  # another version, or another URI, must not be published any more
                is_current = known.get(work.document_id) == (work.version, work.uri)
                (current if is_current else outdated).append(work)
            stale[:] = settling.mark_storing(tx, self.database, [work.document_id for work in current])

        with failpoints.around("store.mark"):
            self._ledger.flush(mark)
        for work in outdated:
            self._outdated(work)
        self._save()
        documents = [_stored_document(work, self._model.dimension) for work in current]
        self._open().replace(documents, sorted({*stale, *gone}))
        self._wrote = True
        spent = time.perf_counter() - started
        seconds = round(spent / max(len(current), 1), 6)
        at = now()
        for work in current:
            row = work.step("store")
            self._ledger.start_step(work, row, at=started_at)
            self._ledger.finish_step(work, row, StepOutcome(row.name, started_at, at, seconds))
            self._ledger.finish_run(work, at=at)
            self._ledger.count_chunks(work.group.id, total=len(work.text_keys))
        with failpoints.around("store.settle"):
            self._ledger.flush(lambda tx: self._settle(tx, current, gone, spent))
        self._discard_copies(gone)
        for work in current:
            self._stored(work, at)

    def _settle(self, tx: Transaction, works: list[Work], gone: list[str], seconds: float) -> None:
        by_key: dict[str, list[Stored]] = {}
        for work in works:
            content = work.content
            assert content is not None
            stored = Stored(
                work.document_id,
                work.uri,
                work.version,
                content.type,
                len(content.chunks),
                content.reasons,
                content.page_characters,
            )
            by_key.setdefault(work.pipeline.rows_key, []).append(stored)
        for key, documents in by_key.items():
            settling.record_stored(tx, self.database, key, documents)
        settling.forget_placements(tx, self.database, gone)
        self._settle_members(tx, works)
        about = {"database": self.database, "removed": len(gone) or None, "seconds": round(seconds, 3)}
        for group_id, count in Counter(work.group.id for work in works).items():
            log_group(tx, "debug", "stored a window", group_id, documents=count, **about)

    def _settle_members(self, tx: Transaction, works: list[Work]) -> None:
        """Make documents of what lies in these. Runs of theirs follow before the group ends."""
        had = members.with_members(tx, [work.document_id for work in works])
        room: dict[str, int] = {}
        for work in works:
            found = work.content.members if work.content else ()
            if not found and work.document_id not in had:
                continue
            outermost = work.nesting.outermost or work.document_id
            if outermost not in room:
                room[outermost] = work.pipeline.parse_params.max_entries - members.size_below(tx, outermost)[0]
            settled = members.settle(tx, work.document_id, found, self._has_copy, room[outermost])
            room[outermost] -= settled.added
            if settled.left_out:
                settling.degrade(tx, work.document_id, work.run_id, "MEMBERS_LEFT_OUT")
            self._stale_copies += settled.stale
            if settled.lost:  # removed since they were unpacked
                settling.unsettle(tx, work.document_id, self.database)

    def _discard_copies(self, gone: list[str]) -> None:
        """Of what lay in documents, once that is committed: killed before, it is left to `gc`."""
        stale, self._stale_copies = self._stale_copies, []
        if stale or (gone and self._copies.folder.is_dir()):
            with self._ledger.state.transaction() as tx:
                self._copies.discard(tx, stale)
                downloads.discard_members(self._home, tx, gone)

    def _has_copy(self, member: Member) -> bool:
        return self._copies.has((member.content_hash, member.suffix))

    def _leaving(self) -> list[str]:
        with self._ledger.state.transaction() as tx:
            return settling.leaving(tx, self.database, 500)

    def _open(self) -> VectorStore:
        if self._vectors is None:
            self._vectors = VectorStore(self._folder, self._model, self._embedder)
        return self._vectors


def _stored_document(work: Work, dimension: int) -> StoredDocument:
    import numpy as np

    content = work.content
    assert content is not None
    data = b"".join(work.vectors[key] for key in work.text_keys)
    return StoredDocument(
        document_id=work.document_id,
        uri=work.uri,
        source=work.source,
        title=content.title,
        type=content.type,
        version=work.version,
        content_hash=work.content_hash,
        metadata=content.metadata,
        created_at=work.created_at,
        updated_at=now(),
        chunk_ids=identity.chunk_ids(work.document_id, (chunk.text for chunk in content.chunks)),
        chunks=list(content.chunks),
        vectors=np.frombuffer(data, np.float32).reshape(len(work.text_keys), dimension),
    )


def _store_params(work: Work) -> StoreParams:
    return work.group.pipeline.store_params
