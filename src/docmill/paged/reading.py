"""Which engine reads what of a PDF: pdfium first, pypdf for the pages and the files that pdfium cannot read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from docmill.domain.deadline import OutOfTime
from docmill.domain.failures import is_out_of_memory
from docmill.errors import EncryptedFile
from docmill.paged import pdfium, pypdf
from docmill.paged.content import Content, Page, unreadable_share, usual_size

if TYPE_CHECKING:
    from docmill.domain.contracts import SourceFile
    from docmill.domain.params import ParseParams

_PAGES_TRIED_AGAIN = 20  # where pdfium found no text at all, a scan is likely: pypdf looks at so many pages only


def read(file: SourceFile, params: ParseParams) -> Content:
    """The pages' text. Raises EncryptedFile, OutOfTime where not even the file could be opened within the time, and
    whatever the engines raise on a file that neither can read.
    """
    return _ENGINES[params.pdf_engine](file, params)


def _read_auto(file: SourceFile, params: ParseParams) -> Content:
    from pypdfium2 import PdfiumError

    try:
        content = pdfium.read(file, params)
    except (PdfiumError, EncryptedFile) as first:
        return _read_whole(file, params, first)
    if params.ocr == "force":
        return content
    _ask_again(file, params, content)
    if not content.has_text and not content.out_of_time:
        return _look_for_text(file, params, content)
    return content


def _read_whole(file: SourceFile, params: ParseParams, first: Exception) -> Content:
    try:
        return pypdf.read(file, params)
    except EncryptedFile:
        raise
    except Exception as second:
        # pypdf's words for a broken file are those of whatever line it broke on; pdfium's are plain.
        if is_out_of_memory(second):
            raise
        raise first from second


def _ask_again(file: SourceFile, params: ParseParams, content: Content) -> None:
    """Have pypdf read the pages that pdfium could not: after all others, as it may take all the time that is left.

    pypdf may fail in any way, also of memory: what pdfium has read is kept.
    """
    odd = [index for index, page in enumerate(content.pages) if _is_odd(page)]
    if not odd or file.deadline.passed:
        return
    size = usual_size(content.pages) or 1.0
    try:
        with pypdf.opened(file, params) as reader:
            for index in odd:
                content.pages[index] = _better(content.pages[index], pypdf.read_page(reader, index, file, size=size))
    except OutOfTime:
        content.out_of_time = True
    except Exception:  # noqa: BLE001 - it raises far outside its own errors, and the first reading stands
        return


def _is_odd(page: Page) -> bool:
    return page.failure is not None or (page.writes and not page.lines) or page.is_garbled


def _better(first: Page, second: Page) -> Page:
    if not second.lines:
        return first
    mine, others = ("".join(line.text for line in page.lines) for page in (first, second))
    return second if unreadable_share(others) < unreadable_share(mine) else first


def _look_for_text(file: SourceFile, params: ParseParams, content: Content) -> Content:
    """What pypdf finds in a file of which pdfium tells nothing; ``content`` where that is nothing either."""
    try:
        found = pypdf.read(file, params, most_pages=_PAGES_TRIED_AGAIN)
        if found.has_text:
            return pypdf.read(file, params)
    except OutOfTime:
        content.out_of_time = True
    except Exception:  # noqa: BLE001 - as above
        return content
    else:
        for page, other in zip(content.pages, found.pages, strict=False):
            if not page.drawn:  # pdfium is silent about streams that it cannot decode
                page.failure = page.failure or other.failure
    return content


_ENGINES: dict[str, Callable[[SourceFile, ParseParams], Content]] = {
    "auto": _read_auto,
    "pdfium": pdfium.read,
    "pypdf": pypdf.read,
}
