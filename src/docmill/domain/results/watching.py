"""What ``watch`` answers when it ends."""

from __future__ import annotations

from docmill.domain.results.runs import ChunkCounts, DocumentCounts
from docmill.domain.results.shared import Result


class FolderWatched(Result):
    """One folder. ``source`` is None until it was synced; ``polled``: it was looked at without events."""

    folder: str
    source: str | None
    polled: bool
    syncs: int
    new: int
    changed: int
    renamed: int
    deleted: int


class WatchResult(Result):
    """What a ``watch`` has done by the time it ends. ``stopped_by``: a signal or the time limit, if one ended it.

    ``documents`` and ``chunks``: of all syncs together.
    """

    status: str
    message: str
    folders: list[FolderWatched]
    documents: DocumentCounts
    chunks: ChunkCounts
    seconds: float
    stopped_by: str | None
    reason: str | None = None
