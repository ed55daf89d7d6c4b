"""Gathers what is to be written to state.db and writes it in one transaction at a time, many documents at once.

A commit costs milliseconds, a row microseconds; so moves wait here for up to FLUSH_SECONDS. What waits can be lost with
the process: then the work behind it is found again, by its keys, and told again.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from docmill.domain.events import now
from docmill.domain.jobs import ArtifactRef, Failure, StepOutcome
from docmill.domain.status import Entity, Trigger
from docmill.engine.work import StepRow, Work
from docmill.stores.state import State, settling
from docmill.stores.state.database import Transaction
from docmill.stores.state.transitions import Move, apply

FLUSH_SECONDS = 0.25


class Ledger:
    """One engine's pen. Every write carries its epoch; once another engine has begun, StaleEngine is raised."""

    def __init__(self, state: State, epoch: int) -> None:
        self.state = state
        self.epoch = epoch
        self._moves: list[Move] = []
        self._artifacts: list[tuple[str, ArtifactRef]] = []
        self._after: list[Callable[[Transaction], None]] = []
        self._chunks: dict[int, Counter[str]] = defaultdict(Counter)
        self._flushed = time.monotonic()

    @property
    def due(self) -> bool:
        return self._waiting and time.monotonic() - self._flushed >= FLUSH_SECONDS

    @property
    def _waiting(self) -> bool:
        return bool(self._moves or self._artifacts or self._after or self._chunks)

    def flush(self, also: Callable[[Transaction], None] | None = None) -> None:
        """Write all that waits, then ``also``, in one transaction."""
        if self._waiting or also:
            with self.state.transaction(epoch=self.epoch) as tx:
                apply(tx, self._moves)
                settling.record_artifacts(tx, self._artifacts)
                for write in self._after:
                    write(tx)
                for group_id, counts in self._chunks.items():
                    settling.count_chunks(tx, group_id, total=counts["total"], embedded=counts["embedded"])
                if also:
                    also(tx)
            self._moves, self._artifacts, self._after = [], [], []
            self._chunks.clear()
        self._flushed = time.monotonic()

    def move(self, move: Move) -> None:
        self._moves.append(move)

    def count_chunks(self, group_id: int, **counts: int) -> None:
        """``total``: chunks that were stored; ``embedded``: texts whose vectors were computed."""
        self._chunks[group_id].update(counts)

    def after(self, write: Callable[[Transaction], None]) -> None:
        """Write something else, behind the moves."""
        self._after.append(write)

    # ---- steps -------------------------------------------------------------------------------------------------------

    def start_step(self, work: Work, step: StepRow, *, at: str | None = None) -> None:
        fields: dict[str, Any] = {
            "started_at": at or now(),
            "engine_epoch": self.epoch,
            "step_key": work.keys.get(step.name),
        }
        self._step(work, step, Trigger.START, fields, at=fields["started_at"])
        step.status = "running"

    def finish_step(
        self, work: Work, step: StepRow, outcome: StepOutcome, *, worker: str | None = None, meta: str = "{}"
    ) -> None:
        """A step that was done, or, where it never started, one whose output was there already."""
        fields = {
            "completed_at": outcome.completed_at,
            "duration_seconds": outcome.seconds,
            "reused": int(outcome.reused),
            "worker_id": worker,
            "status_meta": meta,
            "step_key": work.keys.get(step.name),
        }
        if step.status == "running":
            self._step(work, step, Trigger.FINISH, fields, at=outcome.completed_at)
        else:
            self._step(work, step, Trigger.REUSE, fields, at=outcome.completed_at)
        step.status = "completed"
        work.group.stages[step.name]["done"] += 1
        if outcome.ref is not None and not outcome.reused:
            self._artifacts.append((step.type, outcome.ref))
        if outcome.assets is not None:
            self._artifacts.append(("assets", outcome.assets))

    def fail_step(self, work: Work, step: StepRow, failure: Failure, *, at: str) -> None:
        said = _said(failure)
        self._step(work, step, Trigger.FAIL, {"completed_at": at, "status_message": said}, at=at, message=said)
        step.status = "failed"
        work.group.stages[step.name]["failed"] += 1
        for later in work.steps.values():
            if later.status == "pending":
                self._step(work, later, Trigger.SKIP, {"completed_at": at}, at=at)
                later.status = "skipped"

    def retry_step(self, work: Work, step: StepRow, failure: Failure, *, at: str, retry_at: str) -> None:
        said = _said(failure)
        fields = {"retry": step.retry + 1, "retry_at": retry_at, "status_message": said}
        self._step(work, step, Trigger.RETRY_LATER, fields, at=at, message=said)
        self.after(lambda tx: settling.record_retry(tx, work.document_id, work.version, work.run_id, retry_at))
        self.log(work, "warning", f"{work.uri}: {failure.message}; put off", step, failure, retry_at=retry_at)
        step.status = "error"

    def reopen_step(self, work: Work, step: StepRow) -> None:
        """A completed step whose output has got lost, or must be held against its file again: it is done anew."""
        self._step(work, step, Trigger.REOPEN, {"completed_at": None, "duration_seconds": None})
        step.status = "pending"
        work.group.stages[step.name]["done"] -= 1

    def release_step(self, work: Work, step: StepRow) -> None:
        self._step(work, step, Trigger.RELEASE, {"started_at": None})
        step.status = "pending"

    def _step(
        self,
        work: Work,
        step: StepRow,
        trigger: Trigger,
        fields: dict[str, Any],
        *,
        at: str | None = None,
        message: str | None = None,
    ) -> None:
        self.move(
            Move(
                Entity.STEP,
                trigger,
                step.id,
                work.group.id,
                work.run_id,
                at=at or now(),
                message=message,
                fields=fields,
            )
        )

    # ---- runs --------------------------------------------------------------------------------------------------------

    def finish_run(self, work: Work, *, at: str) -> None:
        assert work.content is not None
        fields = {"completed_at": at, "degraded": int(work.content.degraded), "chunk_count": len(work.content.chunks)}
        self.move(Move(Entity.RUN, Trigger.FINISH, work.run_id, work.group.id, at=at, fields=fields))

    def fail_run(self, work: Work, failure: Failure, *, at: str) -> None:
        said = _said(failure)
        fields = {"completed_at": at, "status_message": said}
        self.move(Move(Entity.RUN, Trigger.FAIL, work.run_id, work.group.id, at=at, message=said, fields=fields))
        database, key = work.pipeline.database, work.pipeline.rows_key
        self.after(lambda tx: settling.record_failure(tx, work.document_id, work.version, database, key, failure))
        self.log(work, "error", f"{work.uri}: {failure.message}", work.steps.get(failure.stage), failure)

    # ---- log ---------------------------------------------------------------------------------------------------------

    def log(
        self,
        work: Work,
        level: str,
        message: str,
        step: StepRow | None = None,
        failure: Failure | None = None,
        **context: Any,
    ) -> None:
        """A line about one document, in the log of its batch."""
        about: dict[str, Any] = {"uri": work.uri, "document_id": work.document_id, "run_id": work.run_id}
        about |= {"step": step.name, "retry": step.retry or None} if step else {}
        about |= {"error_code": failure.code} if failure else {}
        ids = {"batch_id": work.group.batch_id, "run_group_id": work.group.id}
        self.after(lambda tx: settling.log(tx, level, message, **ids, **about, **context))


def _said(failure: Failure) -> str:
    return f"{failure.code}: {failure.message}"[:1000]
