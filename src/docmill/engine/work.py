"""What the engine holds in memory: run groups, and documents on their way. All of it can be lost; SQLite knows."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from docmill.domain.documents import ChunkedDocument
from docmill.domain.events import ProgressEvent, StageProgress
from docmill.domain.jobs import Failure
from docmill.engine.pipelines import CompiledPipeline

if TYPE_CHECKING:
    from concurrent.futures import Future

LONGEST_DELAY_S = 86_400.0  # whatever the powers of a multiplier come to


class Nesting(NamedTuple):
    """Where a document lies in others: in how many, in which of all, and what that had been unpacked to by then."""

    depth: int = 0
    outermost: str = ""
    expanded_bytes: int = 0


@dataclass(slots=True, eq=False)
class GroupWork:
    """A running group. ``halt``: hand out no more of it, for a pause or a cancel. ``active``: documents in memory.

    ``no_cache``: step types that use nothing that was computed before ``created_at``. ``seconds_allowed``: that engines
    may work on it.
    """

    id: int
    batch_id: int
    priority: int
    pipeline: CompiledPipeline
    retry_delay: float
    backoff: float
    jitter: float
    no_cache: frozenset[str] = frozenset()
    created_at: str = ""
    seconds_allowed: float | None = None
    halt: str | None = None
    reason: str | None = None
    active: int = 0
    claim_after: float = 0.0
    claimed: float = 0.0
    runs: Counter[str] = field(default_factory=Counter)
    stages: dict[str, Counter[str]] = field(default_factory=dict)
    chunks_total: int = 0
    chunks_embedded: int = 0
    chunks_reused: int = 0
    started: float = field(default_factory=time.monotonic)
    counted: float = field(default_factory=time.monotonic)

    def delay(self, row: StepRow, chance: float) -> float:
        """Seconds until a step that has failed is tried again, as its YAML says, else the batch. ``chance``: 0 to 1."""
        step = next(step for step in self.pipeline.definition.steps if step.name == row.name)
        first = self.retry_delay if step.retry_delay is None else step.retry_delay
        growth = self.backoff if step.backoff_multiplier is None else step.backoff_multiplier
        jitter = self.jitter if step.jitter is None else step.jitter
        return float(min(first * growth**row.retry * (1 + jitter * chance), LONGEST_DELAY_S))

    def overtime(self, seconds_before: float) -> bool:
        """``seconds_before``: that were written down; those since then are added."""
        worked = seconds_before + time.monotonic() - self.counted
        return self.seconds_allowed is not None and worked > self.seconds_allowed

    @property
    def total(self) -> int:
        return sum(self.runs[status] for status in ("pending", "running", "completed", "failed", "cancelled"))

    @property
    def remaining(self) -> int:
        return self.runs["pending"] + self.runs["running"]

    def progress(self, done_before: int) -> ProgressEvent:
        """``done_before``: documents that were finished when this engine took the group up."""
        done = self.runs["completed"] + self.runs["failed"]
        elapsed = max(time.monotonic() - self.started, 1e-9)
        here = done - done_before
        remaining = elapsed / here * self.remaining if here > 0 else None
        return ProgressEvent(
            batch_id=self.batch_id,
            run_group_id=self.id,
            total_files=self.total,
            processed_files=done,
            failed_files=self.runs["failed"],
            stages=tuple(
                StageProgress(name, counts["done"], counts["failed"], self.total)
                for name, counts in self.stages.items()
            ),
            chunks_total=self.chunks_total,
            chunks_embedded=self.chunks_embedded,
            chunks_reused=self.chunks_reused,
            chunks_per_second=round((self.chunks_embedded + self.chunks_reused) / elapsed, 1),
            remaining_seconds=remaining,
            skipped_files=self.runs["cancelled"],
        )


@dataclass(slots=True)
class StepRow:
    id: int
    name: str
    type: str
    status: str
    retry: int
    retries: int


@dataclass(slots=True, eq=False)
class Work:
    """One document on its way through its run."""

    run_id: int
    group: GroupWork
    document_id: str
    source: str
    uri: str
    path: str
    suffix: str
    content_hash: str
    version: int
    size_bytes: int
    meta: dict[str, Any]
    profile: str
    created_at: str
    crashes: int
    steps: dict[str, StepRow]
    nesting: Nesting = field(default_factory=Nesting)
    keys: dict[str, str] = field(default_factory=dict)
    content: ChunkedDocument | None = None
    text_keys: list[bytes] = field(default_factory=list)
    missing: set[bytes] = field(default_factory=set)
    vectors: dict[bytes, bytes] = field(default_factory=dict)
    embedded: int = 0
    reused: int = 0
    embed_started: str = ""
    ready_since: float = 0.0
    future: Future[Any] | None = None
    failure: Failure | None = None
    alone: bool = False  # not to be given to a worker together with others

    @property
    def pipeline(self) -> CompiledPipeline:
        """Its group's, as it is for documents of its profile."""
        return self.group.pipeline.variant(self.profile)

    @property
    def begun(self) -> bool:
        """Whether a worker has, or has had, its task."""
        return self.future is not None and (self.future.running() or self.future.done())

    def step(self, step_type: str) -> StepRow:
        """The row of a step type that a pipeline has once."""
        return next(row for row in self.steps.values() if row.type == step_type)
