"""What becomes of documents: stored, failed, put off, outdated or put back. Each leaves the engine's memory by here."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from docmill.domain.changes import FileStat, KnownDocument
from docmill.domain.events import DocumentEvent, ErrorEvent, Reporter, now
from docmill.domain.jobs import Failure
from docmill.domain.places import is_address
from docmill.domain.status import Entity, Trigger
from docmill.engine.ledger import Ledger
from docmill.engine.work import StepRow, Work
from docmill.errors import DocumentError, FileChanged, Overtaken
from docmill.sources import folder
from docmill.stores.state import catalogue
from docmill.stores.state.transitions import Move

MOST_REREADS = 3  # of a file that changes whenever it is read


class Endings:
    """``active``: the documents that the engine is at, by run. Whoever brings one in puts it there."""

    def __init__(self, ledger: Ledger, reporter: Reporter) -> None:
        self._ledger = ledger
        self._reporter = reporter
        self._rereads: Counter[str] = Counter()
        self.active: dict[int, Work] = {}

    def stored(self, work: Work, at: str) -> None:
        """Its rows are published, and its run is settled."""
        assert work.content is not None
        self._leave(work, "completed")
        about = (work.content.degraded, len(work.content.chunks), at)
        self._reporter.emit(DocumentEvent(*_ids(work), "completed", *about))

    def failed(self, work: Work, row: StepRow, failure: Failure, at: str) -> None:
        """A step of a document failed: put it off while it has tries left and trying may help, else end its run."""
        if failure.code == FileChanged.code and self._reread(work):
            return
        work.failure = failure
        if failure.retried and row.retry < row.retries:
            delay = work.group.delay(row, random.random())  # noqa: S311 - spreads retries, keeps no secret
            retry_at = (datetime.now(UTC) + timedelta(seconds=delay)).isoformat(timespec="milliseconds")
            self._ledger.retry_step(work, row, failure, at=at, retry_at=retry_at.replace("+00:00", "Z"))
            self._ledger.flush()
            self._put_away(work)
            return
        self._ledger.fail_step(work, row, failure, at=at)
        self._ledger.fail_run(work, failure, at=at)
        self._leave(work, "failed")
        self._reporter.emit(ErrorEvent(*_ids(work), row.name, failure.code, failure.message, at, row.retry))
        self._reporter.emit(DocumentEvent(*_ids(work), "failed", timestamp=at))

    def outdated(self, work: Work) -> None:
        """The file changed, moved or went while it was under way: what was computed is kept, its run is not."""
        at = now()
        for row in work.steps.values():
            if row.status in ("pending", "running", "error"):
                self._ledger.move(Move(Entity.STEP, Trigger.CANCEL, row.id, work.group.id, work.run_id, at=at))
        fields = {"completed_at": at}
        self._ledger.move(
            Move(Entity.RUN, Trigger.CANCEL, work.run_id, work.group.id, at=at, message="outdated", fields=fields)
        )
        self._leave(work, "cancelled")

    def release(self, works: Iterable[Work]) -> None:
        """Back to pending, without burning an attempt. Vectors that were computed are in the cache."""
        released = [work for work in works if self._put_away(work)]
        for work in released:
            for row in work.steps.values():
                if row.status == "running":
                    self._ledger.release_step(work, row)
        if released:
            self._ledger.flush()

    def _reread(self, work: Work) -> bool:
        """A file that changed under the engine is taken as it is now, unless it will not stand still."""
        is_copy = work.nesting.depth > 0 or is_address(work.uri)  # a copy never changes: one that is another is damaged
        if is_copy or self._rereads[work.document_id] >= MOST_REREADS:
            return False
        try:
            hashed = folder.hash_file(folder.found_file(Path(work.path), work.uri))
        except DocumentError:
            return False
        self._rereads[work.document_id] += 1
        self._ledger.log(work, "info", f"{work.uri} changed while it was at work; it is read again")
        if hashed.content_hash == work.content_hash:
            self.release([work])
            return True
        nowhere = FileStat(0, 0, work.size_bytes, 0, 0)
        known = KnownDocument(work.document_id, work.uri, work.suffix, work.content_hash, work.version, nowhere, 0)
        with contextlib.suppress(Overtaken):  # a sync has seen it too
            self._ledger.flush(lambda tx: catalogue.replace_content(tx, [(known, hashed)], work.group.batch_id))
        self.outdated(work)
        return True

    def _leave(self, work: Work, status: str) -> None:
        self._put_away(work)
        work.group.runs["running"] -= 1
        work.group.runs[status] += 1

    def _put_away(self, work: Work) -> bool:
        """Forget a document. False where it was forgotten before."""
        if self.active.pop(work.run_id, None) is None:
            return False
        work.group.active -= 1
        work.future = None  # which leads back to it: with its vectors, it would stay until Python looks for cycles
        return True


def _ids(work: Work) -> tuple[int, int, str, str]:
    return work.group.batch_id, work.group.id, work.document_id, work.uri
