"""Reads images by OCR: PNG, JPEG, and TIFF of any number of pages. Without OCR there is no text in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docmill.domain.assembly import present
from docmill.domain.contracts import SourceFile
from docmill.domain.documents import ParsedDocument
from docmill.domain.failures import readable
from docmill.errors import EmptyDocument
from docmill.paged import ocr, rendering
from docmill.paged.content import Content, Page
from docmill.paged.document import document

if TYPE_CHECKING:
    from docmill.domain.params import ParseParams


class ImageParser:
    version = "1"
    types = frozenset({"png", "jpg", "tiff"})

    def parse(self, file: SourceFile, params: ParseParams) -> ParsedDocument:
        """Raises EmptyDocument where there is no text, or OCR is off; MissingError where it is not installed."""
        with readable("image"):
            size = file.path.stat().st_size
        if size == 0:
            raise EmptyDocument("the file has no bytes")
        if params.ocr == "off":
            raise EmptyDocument("an image holds no text", hint="read it by OCR with --set parse.ocr=auto")
        ocr.require()
        with readable("image"), rendering.image_pages(file) as (count, image):
            content = Content(page_count=count)
            content.pages = [Page() for _ in range(min(count, params.max_pages))]
            ocr.recognise(content, range(len(content.pages)), image, file)
            return document(content, file, params, title=None, metadata=present(page_count=count))


PLUGIN = ImageParser()
