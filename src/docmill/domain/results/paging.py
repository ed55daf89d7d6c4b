"""What ``docmill pages`` has written."""

from __future__ import annotations

from docmill.domain.results.shared import Result


class PageProblem(Result):
    """A document, or one of its pages, of which there is no image. ``page`` None: of none of them."""

    document_id: str
    uri: str
    page: int | None
    error_code: str
    error_message: str
    hint: str | None = None


class PagesResult(Result):
    """``path`` None: it went to stdout. ``assets``: kept images and results of OCR that were put beside the pages."""

    batch_id: int | None
    path: str | None
    size_bytes: int | None
    documents: int
    pages: int
    assets: int
    problems: list[PageProblem]
