"""pypdf: text without layout, of files and pages that pdfium cannot read. Pure Python: slow, and it raises anything.

Whatever runs here runs under the document's clock, as some files keep it busy for minutes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from docmill.domain.deadline import OutOfTime
from docmill.domain.failures import is_out_of_memory, words_of
from docmill.paged import passwords
from docmill.paged.content import PYPDF, Content, Page, plain_lines

if TYPE_CHECKING:
    from docmill.domain.contracts import SourceFile
    from docmill.domain.params import ParseParams


@contextmanager
def opened(file: SourceFile, params: ParseParams) -> Iterator[Any]:
    """A ``pypdf.PdfReader``. Raises EncryptedFile, OutOfTime, and whatever pypdf raises on a broken file."""
    from pypdf import PdfReader

    with quiet(), file.path.open("rb") as stream:
        with file.deadline.interrupting():
            reader = PdfReader(stream)
            if reader.is_encrypted and not any(map(reader.decrypt, passwords.candidates(params.password_file))):
                raise passwords.refused(params.password_file)
        yield reader


def read(file: SourceFile, params: ParseParams, *, most_pages: int | None = None) -> Content:
    """Its pages, as far as time and limits allow. Raises as :func:`opened` does."""
    content = Content()
    left = params.max_characters
    with opened(file, params) as reader:
        with file.deadline.interrupting():
            content.page_count = len(reader.pages)
            content.info = {str(key).lstrip("/"): str(value) for key, value in (reader.metadata or {}).items()}
        for index in range(min(content.page_count, params.max_pages, most_pages or params.max_pages)):
            if left <= 0:
                break
            try:
                page = read_page(reader, index, file)
            except OutOfTime:
                content.out_of_time = True
                break
            content.pages.append(page)
            left -= page.characters
    return content


def read_page(reader: Any, index: int, file: SourceFile, *, size: float = 1.0) -> Page:
    """One page, its lines in a font of ``size``. Raises OutOfTime, and MemoryError; all else is the page's failure."""
    try:
        with file.deadline.interrupting():
            text = reader.pages[index].extract_text()
    except Exception as error:
        if is_out_of_memory(error):
            raise
        return Page(failure=words_of(error), engine=PYPDF)
    return Page(plain_lines(text, size), engine=PYPDF)


@contextmanager
def quiet() -> Iterator[None]:
    """pypdf logs each oddity of a file, megabytes for some; what matters is in the document's own warnings."""
    logger = logging.getLogger("pypdf")  # its modules' loggers inherit the level
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)
