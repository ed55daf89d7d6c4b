"""Makes a document of pages: blocks by layout, and warnings of what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from docmill.domain.assembly import DocumentBuilder
from docmill.domain.documents import BlockKind, ParsedDocument
from docmill.domain.layout import CUT, lay_out, rejoin_cut_words
from docmill.errors import CorruptedFile, DocumentTimeout, EmptyDocument
from docmill.paged.content import OCR, PYPDF, Content, Page
from docmill.paged.ocr import engine_name

if TYPE_CHECKING:
    from docmill.domain.contracts import SourceFile
    from docmill.domain.params import ParseParams

_SHOWN = 10  # numbers of pages named in a message


def document(
    content: Content, file: SourceFile, params: ParseParams, *, title: str | None, metadata: dict[str, Any]
) -> ParsedDocument:
    """``title``: what the file states, else its first large heading serves.

    Raises EmptyDocument where no page holds text, CorruptedFile or DocumentTimeout where that is why.
    """
    _require_text(content, file, params)
    # Without the deadline: what was read in time is laid out, which takes no time to speak of.
    builder = DocumentBuilder(file.type, max_characters=params.max_characters)
    pages = [page.lines for page in content.pages]
    _rejoin(content.pages)
    heading: tuple[int, str] | None = None
    for block in lay_out(pages, content.outline):
        if builder.full:
            break
        if block.kind is BlockKind.HEADING:
            builder.heading(block.text, block.level, page=block.page)
            if block.page == 1 and (heading is None or block.level < heading[0]):
                heading = block.level, block.text
        elif block.kind is BlockKind.LIST_ITEM:
            builder.list_item(block.text, block.level, page=block.page)
        else:
            builder.paragraph(block.text, page=block.page)
    characters = tuple(page.characters for page in content.pages)
    _warn(builder, content, file, params)
    return builder.build(
        title=title or (heading[1] if heading else builder.first_heading()),
        metadata={**metadata, **_recognised(content)},
        page_characters=characters,
    )


def _require_text(content: Content, file: SourceFile, params: ParseParams) -> None:
    if content.has_text:
        return
    if content.out_of_time:
        raise DocumentTimeout(
            f"no text was found within {file.deadline.seconds:g} s", hint="raise it with --set parse.max_seconds=N"
        )
    failures = [page.failure for page in content.pages if page.failure]
    if failures:
        raise CorruptedFile(f"no page of it can be read: {failures[0]}")
    if params.ocr != "off":
        raise EmptyDocument(f"OCR finds no text in it (pages: {content.page_count:,})")
    raise EmptyDocument(
        f"it holds no text (pages: {content.page_count:,})",
        hint="it may be scanned: read it by OCR with --set parse.ocr=auto",
    )


def _rejoin(pages: Sequence[Page]) -> None:
    """Make whole the words that line ends cut, by what the whole document has elsewhere."""
    lines = [line for page in pages for line in page.lines]
    if not any(CUT in line.text for line in lines):
        return
    for line, text in zip(lines, rejoin_cut_words("\n".join(line.text for line in lines)).split("\n"), strict=True):
        line.text = text


def _recognised(content: Content) -> dict[str, Any]:
    """How certain OCR was of the pages that it read."""
    pages = {str(number): page.confidence for number, page in enumerate(content.pages, start=1) if page.engine == OCR}
    return {"ocr": {"engine": engine_name(), "pages": pages}} if pages else {}


def _warn(builder: DocumentBuilder, content: Content, file: SourceFile, params: ParseParams) -> None:
    pages = dict(enumerate(content.pages, start=1))
    count = content.page_count
    for number, page in pages.items():
        if page.failure is not None:
            message = f"page {number} cannot be read: {page.failure}"
            builder.warn("PAGE_FAILED", message, page=number, degrades=True)
    others = [number for number, page in pages.items() if page.engine == PYPDF and page.lines]
    if others and params.pdf_engine == "auto":
        message = f"pdfium cannot read {len(others):,} of {count:,} pages; pypdf does, without their layout"
        builder.warn("SECOND_ENGINE", f"{message}: {_named(others)}", page=others[0], degrades=True)
    garbled = [number for number, page in pages.items() if page.is_garbled]
    if garbled:
        message = f"the fonts of {len(garbled):,} of {count:,} pages do not say which letters they show"
        builder.warn("GARBLED_TEXT", f"{message}: {_named(garbled)}", page=garbled[0], degrades=True)
    silent = [number for number, page in pages.items() if page.drawn and not page.lines and page.failure is None]
    if silent:
        message = f"{len(silent):,} of {count:,} pages show something but hold no text"
        builder.warn("PAGES_WITHOUT_TEXT", f"{message}: {_named(silent)}", page=silent[0], degrades=True)
    if content.left_out:
        message = f"not all images and results of OCR are kept: {content.left_out[0]}"
        builder.warn("ASSETS_LEFT_OUT", message)
    _warn_of_the_rest(builder, content, file, params)


def _warn_of_the_rest(builder: DocumentBuilder, content: Content, file: SourceFile, params: ParseParams) -> None:
    """Of pages that nobody looked at."""
    count, read = content.page_count, len(content.pages)
    if content.out_of_time:
        message = f"reading it was stopped after {file.deadline.seconds:g} s (max_seconds)"
        done = sum(page.failure is None for page in content.pages)
        builder.warn("TIMEOUT", f"{message}: {done:,} of {count:,} pages were read", degrades=True)
    elif count > params.max_pages:
        message = f"only the first {params.max_pages:,} of {count:,} pages are read (max_pages)"
        builder.warn("PAGES_LEFT_OUT", message, degrades=True)
    elif read < count and not builder.full:
        builder.warn("TEXT_TRUNCATED", "the text is longer than max_characters; the rest is cut", degrades=True)


def _named(pages: Sequence[int]) -> str:
    return ", ".join(map(str, pages[:_SHOWN])) + (" …" if len(pages) > _SHOWN else "")
