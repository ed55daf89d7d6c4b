"""What many results have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Result(BaseModel):
    """Frozen and closed: what is not declared cannot be returned."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Page(Result):
    total: int
    limit: int
    offset: int


class DocumentProblem(Result):
    """One document's error, the same everywhere."""

    document_id: str | None
    uri: str
    filename: str
    stage: str
    error_code: str
    error_message: str
    occurred_at: str
    retry_count: int
    hint: str | None = None


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
