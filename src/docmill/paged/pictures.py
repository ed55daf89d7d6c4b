"""The images inside a PDF, kept beside its text where ``extract_images`` asks for them. None of them is ever fatal."""

from __future__ import annotations

import io
from contextlib import closing, suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

from docmill.domain.contracts import LeftOut
from docmill.errors import EncryptedFile
from docmill.paged import pdfium

if TYPE_CHECKING:
    from docmill.domain.contracts import SourceFile
    from docmill.domain.params import ParseParams
    from docmill.paged.content import Content

_MOST_IMAGES = 2_000
_MOST_ON_A_PAGE = 200
_MOST_PIXELS = 50_000_000
_LEAST_SIDE = 16  # pixels: smaller ones are rules, dots and shadows
_DEEPEST_FORM = 3


def keep(content: Content, file: SourceFile, params: ParseParams) -> None:
    """Hand the images of the pages that were read to the file's keeper, as ``images/page-0003-1.png``."""
    from pypdfium2 import PdfiumError

    kept = 0
    with suppress(PdfiumError, EncryptedFile), pdfium.opened(file, params) as document:
        for index in range(min(len(content.pages), len(document))):
            if file.deadline.passed:
                content.left_out.append("the time was up (max_seconds)")
                return
            for number, png in enumerate(_on_page(document, index), start=1):
                if kept >= _MOST_IMAGES:
                    content.left_out.append(f"a document's images are kept up to {_MOST_IMAGES:,}")
                    return
                try:
                    file.keeper.asset(f"images/page-{index + 1:04}-{number}.png", png)
                except LeftOut as why:
                    content.left_out.append(str(why))
                    return
                kept += 1


def _on_page(document: Any, index: int) -> Any:
    """PNGs of the images that a page shows, as far as they can be decoded."""
    import pypdfium2.raw as raw
    from pypdfium2 import PdfiumError

    with suppress(PdfiumError), closing(document[index]) as page:
        objects = page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=_DEEPEST_FORM)
        for each in islice(objects, _MOST_ON_A_PAGE):
            png = _png(each)
            if png is not None:
                yield png


def _png(image: Any) -> bytes | None:
    try:
        width, height = image.get_px_size()
        if min(width, height) < _LEAST_SIDE or width * height > _MOST_PIXELS:
            return None
        with io.BytesIO() as stream:
            image.get_bitmap().to_pil().save(stream, "PNG")  # the bitmap is pdfium's own: nobody else closes it
            return stream.getvalue()
    except Exception:  # noqa: BLE001 - colour spaces and masks of every kind: an odd image is left where it is
        return None
