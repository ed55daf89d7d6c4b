"""pdfium: text with positions, outline and metadata, fast. It is C: what hangs inside a page is ended by the engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

from docmill.domain.failures import words_of
from docmill.domain.layout import Line, folded
from docmill.errors import EncryptedFile
from docmill.paged import passwords
from docmill.paged.content import Content, Page, is_rule, tidy

if TYPE_CHECKING:
    from docmill.domain.contracts import SourceFile
    from docmill.domain.params import ParseParams

_MOST_BOOKMARKS = 10_000
_MOST_BOOKMARK_DEPTH = 15
_MOST_OBJECTS_LOOKED_AT = 10_000
_DEEPEST_FORM = 3


@contextmanager
def opened(file: SourceFile, params: ParseParams) -> Iterator[Any]:
    """A ``pypdfium2.PdfDocument``. Raises PdfiumError, EncryptedFile where no password opens it."""
    with closing(_open(file, params)) as document:
        yield document


def _open(file: SourceFile, params: ParseParams) -> Any:
    import pypdfium2.raw as raw
    from pypdfium2 import PdfDocument, PdfiumError

    for password in passwords.candidates(params.password_file):
        try:
            return PdfDocument(str(file.path), password=password or None)
        except PdfiumError as error:
            if error.err_code == raw.FPDF_ERR_SECURITY:
                raise EncryptedFile("the PDF is protected in a way that is not known here") from error
            if error.err_code != raw.FPDF_ERR_PASSWORD:
                raise
        if file.deadline.passed:
            break
    raise passwords.refused(params.password_file)


def read(file: SourceFile, params: ParseParams) -> Content:
    """Its pages, as far as time and limits allow. Raises as :func:`opened` does."""
    content = Content()
    left = params.max_characters
    with opened(file, params) as document:
        content.page_count = len(document)
        content.info = document.get_metadata_dict()
        content.outline = _outline(document)
        for index in range(min(len(document), params.max_pages)):
            if left <= 0:
                break
            if file.deadline.passed:
                content.out_of_time = True
                break
            page = _page(document, index, text=params.ocr != "force")
            content.pages.append(page)
            left -= page.characters
    return content


def _page(document: Any, index: int, *, text: bool) -> Page:
    """``text`` False: only whether it shows anything."""
    import pypdfium2.raw as raw
    from pypdfium2 import PdfiumError

    try:
        with closing(document[index]) as page:
            if not text:
                return Page(drawn=raw.FPDFPage_CountObjects(page) > 0)
            with closing(page.get_textpage()) as text_page:
                lines = list(_lines(text_page))
            if lines:
                return Page(lines)
            return Page(drawn=raw.FPDFPage_CountObjects(page) > 0, writes=_writes(page))
    except PdfiumError as error:
        return Page(failure=words_of(error))


def _writes(page: Any) -> bool:
    """Whether a page draws text, also where no character of it can be told."""
    import pypdfium2.raw as raw
    from pypdfium2 import PdfiumError

    with suppress(PdfiumError):
        objects = page.get_objects(filter=[raw.FPDF_PAGEOBJ_TEXT], max_depth=_DEEPEST_FORM)
        return any(True for _ in islice(objects, _MOST_OBJECTS_LOOKED_AT))
    return False


def _lines(text_page: Any) -> Iterator[Line]:
    """The lines of a page with the place and font of their first and last glyphs.

    Asking for every glyph would cost many times the extraction itself; two of each line tell what layout needs.
    """
    import pypdfium2.raw as raw

    box = raw.FS_RECTF()

    def measure(index: int) -> tuple[float, float, float, float, int]:
        if index < 0 or not raw.FPDFText_GetLooseCharBox(text_page, index, box):
            return 0.0, 0.0, 0.0, 0.0, 0
        return box.left, box.right, box.bottom, box.top, raw.FPDFText_GetFontWeight(text_page, index)

    offset = 0
    for written in text_page.get_text_range().split("\n"):
        text = written.strip()
        if text and not is_rule(text):
            start = offset + len(written) - len(written.lstrip())
            first = measure(raw.FPDFText_GetCharIndexFromTextIndex(text_page, start))
            last = measure(raw.FPDFText_GetCharIndexFromTextIndex(text_page, start + len(text) - 1))
            # The smaller of the two: initials and superscripts are larger or smaller than their line.
            size = abs(min(first[3] - first[2], last[3] - last[2]))
            yield Line(tidy(text), first[0], last[1], last[2], size, min(first[4], last[4]))
        offset += len(written) + 1


def _outline(document: Any) -> dict[tuple[int, str], int]:
    """Level (1 is top) of each bookmark by page and folded title. A broken outline is no reason to fail."""
    from pypdfium2 import PdfiumError

    found: dict[tuple[int, str], int] = {}
    with suppress(PdfiumError, ValueError):
        for bookmark in islice(document.get_toc(max_depth=_MOST_BOOKMARK_DEPTH), _MOST_BOOKMARKS):
            target = bookmark.get_dest()
            page = target.get_index() if target is not None else None
            title = folded(bookmark.get_title())
            if page is not None and title:
                found.setdefault((page + 1, title), bookmark.level + 1)
    return found
