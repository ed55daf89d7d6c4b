"""Reads PDFs: text by pdfium, and by pypdf where pdfium cannot; pages without text by OCR where that is asked for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from docmill.domain.assembly import iso_moment, metadata_text, present
from docmill.domain.contracts import SourceFile
from docmill.domain.documents import ParsedDocument
from docmill.domain.failures import readable
from docmill.errors import EncryptedFile
from docmill.paged import ocr, pictures, reading, rendering
from docmill.paged.content import Content
from docmill.paged.document import document

if TYPE_CHECKING:
    from docmill.domain.params import ParseParams

_DATE = re.compile(r"D?:?(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?\s*(?:Z|([+-])(\d\d)'?(\d\d)?)?.*", re.S)
_NO_TITLE = re.compile(
    r"(microsoft (word|powerpoint|excel|office)|untitled|(no )?title\b|document ?\d*$|presentation ?\d*$|slide \d+$"
    r"|powerpoint presentation$|layout \d+$|print(ing)?$|temp|.*\.[a-z][a-z0-9]{1,4}$|.*[\\/])",
    re.I,
)


class PdfParser:
    version = "2"
    types = frozenset({"pdf"})

    def parse(self, file: SourceFile, params: ParseParams) -> ParsedDocument:
        """Raises EncryptedFile where a password is needed, EmptyDocument where no page holds text (a scan),
        MissingError where OCR is asked for and not installed.
        """
        if params.ocr != "off":
            ocr.require()
        with readable("PDF"):
            content = reading.read(file, params)
            if params.ocr != "off":
                _recognise(content, file, params)
            if params.extract_images:
                pictures.keep(content, file, params)
            info = content.info
            return document(
                content,
                file,
                params,
                title=_stated_title(info),
                metadata=present(
                    author=metadata_text(info.get("Author")),
                    page_count=content.page_count,
                    created_at=_moment(info.get("CreationDate")),
                    modified_at=_moment(info.get("ModDate")),
                ),
            )


def _recognise(content: Content, file: SourceFile, params: ParseParams) -> None:
    """Read by OCR what shows something and holds no text that can be read; or all of it. pypdf can show no page."""
    from pypdfium2 import PdfiumError

    wanted = [
        index
        for index, page in enumerate(content.pages)
        if page.drawn and (params.ocr == "force" or not page.lines or page.is_garbled)
    ]
    if not wanted:
        return
    try:
        with rendering.pdf_pages(file, params) as (_count, image):
            ocr.recognise(content, wanted, image, file)
    except (PdfiumError, EncryptedFile):  # pypdf alone could open it
        return


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


PLUGIN = PdfParser()
