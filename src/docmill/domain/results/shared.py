"""What many results have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Result(BaseModel):
    """Frozen and closed: what is not declared cannot be returned."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Page(Result):
    total: int
    limit: int
    offset: int


class DocumentProblem(Result):
    """One document's error, the same everywhere. ``permanent``: not tried again until it or the pipeline changes."""

    document_id: str | None
    uri: str
    filename: str
    stage: str
    error_code: str
    error_message: str
    occurred_at: str
    retry_count: int
    hint: str | None = None
    permanent: bool = True


class TextYield(Result):
    """What the pages of a document gave. ``without_text``: the numbers of those that gave nothing, 1,000 at most."""

    pages: int
    characters: int
    characters_per_page: float
    without_text: list[int]


class DegradedDocument(Result):
    """A document that was read, but not as it should be. ``reasons``: codes, as docs/outcomes.md explains them."""

    document_id: str
    uri: str
    filename: str
    reasons: list[str]
    text_yield: TextYield | None = None


class Outcomes(Result):
    """Documents that did not end well, counted by code. One that is degraded counts under each of its reasons."""

    failed_documents: int = 0
    degraded_documents: int = 0
    failed: dict[str, int] = Field(default_factory=dict)
    degraded: dict[str, int] = Field(default_factory=dict)


class Progress(Result):
    """Files = completed + failed + ignored + those still to do; ``skipped_files`` are the ignored ones."""

    total_files: int
    processed_files: int
    failed_files: int
    skipped_files: int
    percentage: float
    current_stage: str | None
    message: str
    estimated_completion: str | None = None


class Stage(Result):
    """One step type's share of a run group. ``progress`` goes from 0 to 1."""

    name: str
    status: str
    progress: float
    started_at: str | None
    completed_at: str | None
    duration_seconds: float | None
    files_processed: int


class RetryPolicy(Result):
    """``retry_delay`` in seconds, times ``backoff_multiplier`` for each further try, plus ``jitter`` of it at most."""

    max_retries: int
    retry_delay: float
    backoff_multiplier: float
    jitter: float = 0.0
    current_retries: int = 0
