"""``files``: the documents of one batch, and what became of each."""

from __future__ import annotations

from docmill.domain.results.shared import Outcomes, Page, Result, TextYield


class FileRecord(Result):
    """``status``: pending, running, completed or failed. ``stage``: where it failed, or is; ``reasons``: why it is
    degraded. The five that tell of an error are None where it has not failed. ``pages``: of what has pages.
    """

    document_id: str
    uri: str
    filename: str
    type: str | None
    status: str
    degraded: bool
    reasons: list[str]
    stage: str | None
    pages: int | None
    size_bytes: int
    chunk_count: int
    text_yield: TextYield | None
    error_code: str | None
    error_message: str | None
    hint: str | None
    permanent: bool | None
    occurred_at: str | None
    retry_count: int


class FileList(Page):
    """``outcomes`` count all that were chosen, on whichever page. ``has_errors``: only such were asked for."""

    batch_id: int
    has_errors: bool
    outcomes: Outcomes
    files: list[FileRecord]
