"""Reads PDFs: pdfium for text, positions, outline and metadata; pypdf for what pdfium cannot read.

Owns the choice of the engine and what counts as a page without text. Structure is found by ``domain.layout``.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from docmill.domain.assembly import DocumentBuilder, iso_moment, metadata_text, present
from docmill.domain.contracts import SourceFile
from docmill.domain.documents import BlockKind, ParsedDocument
from docmill.domain.failures import is_out_of_memory, readable, words_of
from docmill.domain.layout import CUT, Line, folded, lay_out, rejoin_cut_words
from docmill.errors import CorruptedFile, EmptyDocument, EncryptedFile

if TYPE_CHECKING:
    from docmill.domain.params import ParseParams

_UNREADABLE = re.compile("[\x00-\x08\x0e-\x1f\ufffd\ue000-\uf8ff]")
_MOST_UNREADABLE = 0.2
_LEAST_JUDGED = 20  # characters
_PAGES_TRIED_AGAIN = 20  # where pdfium found no text at all, a scan is likely: pypdf looks at so many pages only
_MOST_BOOKMARKS = 10_000
_MOST_BOOKMARK_DEPTH = 15

_RULE = re.compile(r"([_=\-.·*—–])\1{3,}")  # a line that is drawn with characters
_LEADERS = re.compile(r"(?:\. ?){5,}|_{5,}")

_DATE = re.compile(r"D?:?(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?\s*(?:Z|([+-])(\d\d)'?(\d\d)?)?.*", re.S)
_NO_TITLE = re.compile(
    r"(microsoft (word|powerpoint|excel|office)|untitled|(no )?title\b|document ?\d*$|presentation ?\d*$|slide \d+$"
    r"|powerpoint presentation$|layout \d+$|print(ing)?$|temp|.*\.[a-z][a-z0-9]{1,4}$|.*[\\/])",
    re.I,
)


@dataclass
class _Content:
    """What an engine read. ``pages``: the lines of each page; ``drawn``: pages that show something, text or not."""

    pages: list[list[Line]] = field(default_factory=list)
    drawn: list[bool] = field(default_factory=list)
    page_count: int = 0
    outline: dict[tuple[int, str], int] = field(default_factory=dict)
    info: dict[str, str] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)

    @property
    def has_text(self) -> bool:
        return any(self.pages)

    def add(self, lines: list[Line], *, drawn: bool) -> int:
        """Take a page; how many characters it holds."""
        self.pages.append(lines)
        self.drawn.append(drawn or bool(lines))
        return sum(len(line.text) for line in lines)


class PdfParser:
    version = "1"
    types = frozenset({"pdf"})

    def parse(self, file: SourceFile, params: ParseParams) -> ParsedDocument:
        """Raises EncryptedFile where a password is needed, EmptyDocument where no page holds text (a scan)."""
        with readable("PDF"), _quiet_pypdf():
            content = _ENGINES[params.pdf_engine](file, params)
            if content.failed and not content.has_text:
                raise CorruptedFile(f"no page of the PDF can be read: {next(iter(content.failed.values()))}")
            if not content.has_text:
                raise EmptyDocument(
                    f"the PDF holds no text (pages: {content.page_count:,})",
                    hint="it may be scanned: add a text layer by OCR first, for example with ocrmypdf",
                )
            return _document(content, file, params)


def _document(content: _Content, file: SourceFile, params: ParseParams) -> ParsedDocument:
    builder = DocumentBuilder(file.type, max_characters=params.max_characters, deadline=file.deadline)
    _rejoin(content.pages)
    title: tuple[int, str] | None = None
    for block in lay_out(content.pages, content.outline):
        if builder.full:
            break
        if block.kind is BlockKind.HEADING:
            builder.heading(block.text, block.level, page=block.page)
            if block.page == 1 and (title is None or block.level < title[0]):
                title = block.level, block.text
        elif block.kind is BlockKind.LIST_ITEM:
            builder.list_item(block.text, block.level, page=block.page)
        else:
            builder.paragraph(block.text, page=block.page)
    _warn(builder, content, params)
    return builder.build(
        title=_stated_title(content.info) or (title[1] if title else builder.first_heading()),
        metadata=present(
            author=metadata_text(content.info.get("Author")),
            page_count=content.page_count,
            created_at=_moment(content.info.get("CreationDate")),
            modified_at=_moment(content.info.get("ModDate")),
        ),
    )


def _rejoin(pages: list[list[Line]]) -> None:
    """Make whole the words that line ends cut, by what the whole document has elsewhere."""
    if not any(CUT in line.text for lines in pages for line in lines):
        return
    lines = [line for page in pages for line in page]
    for line, text in zip(lines, rejoin_cut_words("\n".join(line.text for line in lines)).split("\n"), strict=True):
        line.text = text


def _warn(builder: DocumentBuilder, content: _Content, params: ParseParams) -> None:
    for number, words in content.failed.items():
        builder.warn("PAGE_FAILED", f"page {number} cannot be read: {words}", page=number, degrades=True)
    silent = [
        number
        for number, (lines, drawn) in enumerate(zip(content.pages, content.drawn, strict=True), start=1)
        if drawn and not lines and number not in content.failed
    ]
    if silent:
        shown = ", ".join(map(str, silent[:10])) + (" …" if len(silent) > 10 else "")
        message = f"{len(silent):,} of {content.page_count:,} pages show something but hold no text: {shown}"
        builder.warn("PAGES_WITHOUT_TEXT", message, page=silent[0], degrades=True)
    if content.page_count > params.max_pages:
        message = f"only the first {params.max_pages:,} of {content.page_count:,} pages are read (max_pages)"
        builder.warn("PAGES_LEFT_OUT", message, degrades=True)
    elif len(content.pages) < content.page_count and not builder.full:
        message = "the text is longer than max_characters; the rest is cut"
        builder.warn("TEXT_TRUNCATED", message, degrades=True)


def _read_auto(file: SourceFile, params: ParseParams) -> _Content:
    """pdfium; pypdf where that cannot open the file or finds no text in it."""
    from pypdfium2 import PdfiumError

    try:
        content = _read_with_pdfium(file, params)
    except (PdfiumError, EncryptedFile) as first:
        try:
            return _read_with_pypdf(file, params)
        except EncryptedFile:
            raise
        except Exception as second:
            # pypdf's words for a broken file are those of whatever line it broke on; pdfium's are plain.
            if is_out_of_memory(second):
                raise
            raise first from second
    if content.has_text:
        return content
    with _second_try():
        again = _read_with_pypdf(file, params, most_pages=_PAGES_TRIED_AGAIN)
        if again.has_text:
            return _read_with_pypdf(file, params)
    return content


@contextmanager
def _second_try() -> Iterator[None]:
    """What pypdf is asked besides pdfium may fail in any way (it raises far outside its own errors) but of memory."""
    try:
        yield
    except Exception as error:
        if is_out_of_memory(error):
            raise


def _read_with_pdfium(file: SourceFile, params: ParseParams) -> _Content:
    import pypdfium2.raw as raw
    from pypdfium2 import PdfDocument, PdfiumError

    try:
        opened = PdfDocument(str(file.path))
    except PdfiumError as error:
        if error.err_code == raw.FPDF_ERR_PASSWORD:
            raise EncryptedFile("the PDF is protected by a password") from error
        raise
    content = _Content()
    left = params.max_characters
    with closing(opened) as document:
        content.page_count = len(document)
        content.info = document.get_metadata_dict()
        content.outline = _outline(document)
        for index in range(min(len(document), params.max_pages)):
            if left <= 0:
                break
            lines, drawn = _pdfium_page(document, index, content)
            if index + 1 in content.failed or _is_garbled(lines):
                lines = _second_opinion(file, index, lines, content) if params.pdf_engine == "auto" else lines
            left -= content.add(lines, drawn=drawn)
    return content


def _pdfium_page(document: Any, index: int, content: _Content) -> tuple[list[Line], bool]:
    import pypdfium2.raw as raw
    from pypdfium2 import PdfiumError

    try:
        with closing(document[index]) as page, closing(page.get_textpage()) as text_page:
            lines = list(_pdfium_lines(text_page))
            return lines, bool(lines) or raw.FPDFPage_CountObjects(page) > 0
    except PdfiumError as error:
        content.failed[index + 1] = words_of(error)
        return [], True


def _pdfium_lines(text_page: Any) -> Iterator[Line]:
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
        if text and not _RULE.fullmatch(text):
            start = offset + len(written) - len(written.lstrip())
            first = measure(raw.FPDFText_GetCharIndexFromTextIndex(text_page, start))
            last = measure(raw.FPDFText_GetCharIndexFromTextIndex(text_page, start + len(text) - 1))
            # The smaller of the two: initials and superscripts are larger or smaller than their line.
            size = abs(min(first[3] - first[2], last[3] - last[2]))
            yield Line(_tidy(text), first[0], last[1], last[2], size, min(first[4], last[4]))
        offset += len(written) + 1


def _tidy(text: str) -> str:
    """``text`` with single blanks, and without the dots that lead to a page number."""
    return " ".join(_LEADERS.sub(" … ", text).split())


def _outline(document: Any) -> dict[tuple[int, str], int]:
    """Level (1 is top) of each bookmark by page and folded title. A broken outline is no reason to fail."""
    from pypdfium2 import PdfiumError

    found: dict[tuple[int, str], int] = {}
    with suppress(PdfiumError, ValueError):
        for count, bookmark in enumerate(document.get_toc(max_depth=_MOST_BOOKMARK_DEPTH)):
            if count >= _MOST_BOOKMARKS:
                break
            target = bookmark.get_dest()
            page = target.get_index() if target is not None else None
            title = folded(bookmark.get_title())
            if page is not None and title:
                found.setdefault((page + 1, title), bookmark.level + 1)
    return found


def _is_garbled(lines: Sequence[Line]) -> bool:
    """Whether a page's glyphs have, in good part, no meaning: a font without a usable character map."""
    text = "".join(line.text for line in lines)
    return len(text) >= _LEAST_JUDGED and _unreadable_share(text) > _MOST_UNREADABLE


def _unreadable_share(text: str) -> float:
    return len(_UNREADABLE.findall(text)) / len(text) if text else 1.0


def _second_opinion(file: SourceFile, index: int, lines: list[Line], content: _Content) -> list[Line]:
    """pypdf's reading of one page where it is better."""
    with _second_try(), file.path.open("rb") as stream:
        other = _plain_lines(_open_pypdf(stream).pages[index].extract_text())
        mine, others = ("".join(line.text for line in item) for item in (lines, other))
        if other and _unreadable_share(others) < _unreadable_share(mine):
            content.failed.pop(index + 1, None)
            return other
    return lines


def _read_with_pypdf(file: SourceFile, params: ParseParams, *, most_pages: int | None = None) -> _Content:
    content = _Content()
    left = params.max_characters
    with file.path.open("rb") as stream:
        reader = _open_pypdf(stream)
        content.page_count = len(reader.pages)
        content.info = {str(key).lstrip("/"): str(value) for key, value in (reader.metadata or {}).items()}
        for index in range(min(content.page_count, most_pages or params.max_pages, params.max_pages)):
            if left <= 0:
                break
            lines: list[Line] = []
            try:
                lines = _plain_lines(reader.pages[index].extract_text())
            except Exception as error:
                if is_out_of_memory(error):
                    raise
                content.failed[index + 1] = words_of(error)
            left -= content.add(lines, drawn=True)
    return content


def _open_pypdf(stream: Any) -> Any:
    from pypdf import PdfReader

    reader = PdfReader(stream)
    if reader.is_encrypted and not reader.decrypt(""):
        raise EncryptedFile("the PDF is protected by a password")
    return reader


def _plain_lines(text: str) -> list[Line]:
    """Lines without positions, on a grid of characters: layout then goes by empty lines and by length."""
    return [
        Line(_tidy(line), 0.0, float(len(line)), -float(row), 1.0)
        for row, line in enumerate(text.split("\n"))
        if line.strip()
    ]


@contextmanager
def _quiet_pypdf() -> Iterator[None]:
    """pypdf logs each oddity of a file, megabytes for some; what matters is in the document's own warnings."""
    logger = logging.getLogger("pypdf")  # its modules' loggers inherit the level
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)


def _stated_title(info: dict[str, str]) -> str | None:
    """The title in the metadata, unless it is a file's name or what a program put there by itself."""
    title = metadata_text(info.get("Title"))
    if title is None or len(title) < 3 or not any(map(str.isalpha, title)) or _NO_TITLE.match(title):
        return None
    is_code = " " not in title and ("_" in title or any(map(str.isdigit, title)))
    return None if is_code else title


def _moment(written: str | None) -> str | None:
    """A PDF date, ``D:20240131093000+01'00'``, as ISO-8601 in UTC (ISO 32000-1, 7.9.4)."""
    match = _DATE.fullmatch(written or "")
    if match is None:
        return None
    year, month, day, hour, minute, second, sign, zone_hours, zone_minutes = match.groups()
    zone = f"{sign}{zone_hours}:{zone_minutes or '00'}" if sign else "+00:00"
    return iso_moment(f"{year}-{month or '01'}-{day or '01'}T{hour or '00'}:{minute or '00'}:{second or '00'}{zone}")


_ENGINES: dict[str, Callable[[SourceFile, ParseParams], _Content]] = {
    "auto": _read_auto,
    "pdfium": _read_with_pdfium,
    "pypdf": _read_with_pypdf,
}

PLUGIN = PdfParser()
