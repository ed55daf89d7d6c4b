"""``quarantine``: documents that took workers down, or had to be ended."""

from __future__ import annotations

from docmill.domain.results.history import LogRecord
from docmill.domain.results.shared import DocumentProblem, Page, Result


class QuarantinedDocument(DocumentProblem):
    """``held``: not tried again until it is released, or it or the pipeline changes; else the next sync or start tries
    it. ``worker_deaths``: in its last run. ``exit_code``, ``signal`` and ``last_words``: of the last worker that died
    by it, as far as that is known.
    """

    source: str
    batch_id: int
    type: str | None
    size_bytes: int
    held: bool
    worker_deaths: int
    exit_code: int | None
    signal: str | None
    last_words: str | None


class QuarantineList(Page):
    """``held``: how many of all are so."""

    held: int
    documents: list[QuarantinedDocument]


class WorkerDeath(Result):
    """``signal``: which one ended it; None where it ended by itself, with ``exit_code``."""

    at: str
    run_group_id: int | None
    exit_code: int
    signal: str | None
    last_words: str | None


class QuarantineShown(Result):
    """``deaths`` and ``logs``: oldest first, as far as the log reaches back."""

    document: QuarantinedDocument
    deaths: list[WorkerDeath]
    logs: list[LogRecord]


class ReleasedDocument(Result):
    document_id: str
    uri: str
    source: str
    batch_id: int
    error_code: str


class QuarantineReleased(Result):
    dry_run: bool
    message: str
    total: int
    documents: list[ReleasedDocument]
