"""Keeping house: what nobody needs any more, and what became of it."""

from __future__ import annotations

from docmill.domain.results.shared import Result


class Collected(Result):
    """``bytes``: of the things themselves; files shrink by as much, or more, once they are packed anew."""

    count: int = 0
    bytes: int = 0


class GcResult(Result):
    """What ``gc`` removed, or would remove. ``kept_for``: why something was kept that may be of no use."""

    dry_run: bool
    message: str
    artifacts: Collected
    embeddings: Collected
    downloads: Collected
    unfinished_files: Collected
    database_rows: Collected
    placements: Collected
    unknown_databases: list[str]
    bytes_freed: int
    kept_for: list[str]
    seconds: float


class JobsCleaned(Result):
    """What ``cleanup`` deleted: run groups with their records. ``space_freed_bytes`` None: a dry run cannot know."""

    dry_run: bool
    message: str
    older_than: str
    statuses: list[str]
    jobs_deleted: int
    jobs_kept: int
    records_deleted: int
    space_freed_bytes: int | None


class Orphan(Result):
    document_id: str
    uri: str
    source: str
    why: str


class OrphansCleaned(Result):
    """``documents``: those that were taken out, or would be; ``leaving``: databases whose rows of them go later."""

    dry_run: bool
    message: str
    documents: list[Orphan]
    leaving: list[str]
