"""Backups of a home, written and put back."""

from __future__ import annotations

from docmill.domain.results.shared import Result


class BackupPart(Result):
    """``name``: state, cache, artifacts, downloads, lancedb, workflows or param-sets."""

    name: str
    files: int
    size_bytes: int
    size_human: str


class BackupDatabase(Result):
    name: str
    documents: int
    chunks: int


class BackupResult(Result):
    """``size_bytes``: of the file, None in a dry run. ``content_bytes``: what restoring it takes on a disk.

    ``findings``: what was not as it should be in the home already; ``reason`` counts them. ``left_out``: see docs.
    """

    dry_run: bool
    message: str
    path: str
    home: str
    size_bytes: int | None
    size_human: str | None
    content_bytes: int
    content_human: str
    files: int
    parts: list[BackupPart]
    batches: int
    documents: int
    databases: list[BackupDatabase]
    schema_version: int
    verified: bool
    left_out: list[str]
    findings: list[str]
    reason: str | None
    seconds: float


class RestoreResult(Result):
    """``set_aside``: where the home that was there lies now. ``findings``: those of the backup."""

    dry_run: bool
    message: str
    path: str
    home: str
    created_at: str
    created_by: str
    content_bytes: int
    content_human: str
    files: int
    batches: int
    documents: int
    databases: list[BackupDatabase]
    schema_version: int
    with_cache: bool
    verified: bool
    set_aside: str | None
    findings: list[str]
    reason: str | None
    seconds: float
