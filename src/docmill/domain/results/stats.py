"""How long the work of a run group took, and how much it got through in that time.

Seconds, unless a name says otherwise. Rates are of work that was done, not of what was found done; None where there
was none.
"""

from __future__ import annotations

from docmill.domain.results.history import Durations, StepStats
from docmill.domain.results.shared import Result


class GroupStats(Result):
    """Which run group. ``duration``: from its start to its end; ``processing_seconds``: that engines were at it."""

    run_group_id: int
    batch_id: int
    batch: str
    workflow: str
    params: str
    status: str
    started_at: str | None
    completed_at: str | None
    duration: float | None
    processing_seconds: float


class TypeDurations(Result):
    type: str
    durations: Durations


class SlowRun(Result):
    """``longest_step``: the one of its steps that took longest; None where no step was done."""

    run_id: int
    document_id: str
    uri: str | None
    type: str | None
    status: str
    duration: float
    longest_step: str | None
    longest_step_duration: float | None


class StatsDurations(GroupStats):
    """``runs``: each document's way from its first step to its end, the waiting in between included."""

    runs: Durations | None
    by_type: list[TypeDurations]
    slowest: list[SlowRun]


class StatsSteps(GroupStats):
    step_stats: list[StepStats]


class StepThroughput(Result):
    """One step over all documents that it was done for.

    ``seconds``: from its first begin to its last end, at most those of the engines; rates are of these.
    ``work_seconds``: of all documents together; it is more where several are worked on at once, as several workers do.
    """

    name: str
    type: str
    documents: int
    pages: int
    chunks: int
    seconds: float
    work_seconds: float
    documents_per_second: float | None
    pages_per_minute: float | None
    chunks_per_second: float | None


class StatsThroughput(GroupStats):
    """``pages``: of documents that have any. ``chunks``: that were stored; ``chunks_embedded``: distinct texts among
    them that no cache had. Rates are of ``processing_seconds``.
    """

    documents: int
    pages: int
    chunks: int
    chunks_embedded: int
    size_bytes: int
    documents_per_second: float | None
    pages_per_minute: float | None
    chunks_per_second: float | None
    bytes_per_second: float | None
    step_throughput: list[StepThroughput]
