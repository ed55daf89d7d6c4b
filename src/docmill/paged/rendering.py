"""Page images: of PDFs by pdfium, of images as they are. Bounded, whatever size a page claims to have."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from docmill.errors import FileTooLarge
from docmill.paged.ocr import PageImage

if TYPE_CHECKING:
    from docmill.domain.contracts import SourceFile
    from docmill.domain.params import ParseParams

DPI = 200  # below that small print gets lost, above it OCR takes longer and reads no better
MOST_PIXELS = 16_000_000  # a page of A3 at 200 dpi has half of it
_MOST_IMAGE_PIXELS = 150_000_000  # what an image may unpack to: a sheet of A0 at 300 dpi
_POINTS = 72


@contextmanager
def pdf_pages(file: SourceFile, params: ParseParams) -> Iterator[tuple[int, Callable[[int], PageImage]]]:
    """How many pages a PDF has, and what renders each. Raises as ``pdfium.opened`` does."""
    from docmill.paged import pdfium

    with pdfium.opened(file, params) as document:
        yield len(document), lambda index: _pdf_page(document, index)


def _pdf_page(document: Any, index: int) -> PageImage:
    with closing(document[index]) as page:
        width, height = page.get_size()
        area = width * height
        if not (math.isfinite(area) and area > 0):
            raise ValueError(f"a page of {width:g} × {height:g} points")
        scale = min(DPI / _POINTS, math.sqrt(MOST_PIXELS / area), MOST_PIXELS**0.5 * 4 / max(width, height))
        with closing(page.render(scale=scale)) as bitmap:
            return _page_image(bitmap.to_pil(), 1 / scale)


@contextmanager
def image_pages(file: SourceFile) -> Iterator[tuple[int, Callable[[int], PageImage]]]:
    """The frames of an image, of which only a TIFF has several.

    Raises FileTooLarge for one of too many pixels, UnidentifiedImageError and OSError for one that cannot be read.
    """
    from PIL import Image, ImageFile

    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    Image.MAX_IMAGE_PIXELS = None  # it warns of some and refuses others; the check below is for all
    try:
        with Image.open(file.path, formats=("PNG", "JPEG", "TIFF")) as opened:
            yield getattr(opened, "n_frames", 1), lambda index: _frame(opened, index)
    finally:
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = before


def _frame(opened: Any, index: int) -> PageImage:
    from PIL import Image, ImageOps

    opened.seek(index)
    width, height = opened.size
    if width * height > _MOST_IMAGE_PIXELS:
        raise FileTooLarge(f"the image has {width:,} × {height:,} pixels; at most {_MOST_IMAGE_PIXELS:,} are read")
    side = int(MOST_PIXELS**0.5)
    opened.draft(None, (side, side))  # JPEGs unpack to less, where they are larger
    shrunk = min(math.sqrt(MOST_PIXELS / (opened.width * opened.height)), 1.0)
    size = max(int(opened.width * shrunk), 1), max(int(opened.height * shrunk), 1)
    image = _smooth(opened).resize(size, Image.Resampling.BILINEAR) if shrunk < 1 else opened
    turned = ImageOps.exif_transpose(image)
    dpi = opened.info.get("dpi", (DPI,))[0]
    return _page_image(turned, _POINTS / (float(dpi) if 50 <= dpi <= 1200 else DPI) * width / size[0])


def _smooth(image: Any) -> Any:
    """``image`` in a mode whose pixels can be mixed, without a copy where it is in one: it may be half a gigabyte."""
    if image.mode.startswith("I"):
        return image.point(lambda value: value / 256).convert("L")
    return image.convert({"1": "L", "P": "RGBA"}[image.mode]) if image.mode in ("1", "P") else image


def _page_image(image: Any, scale: float) -> PageImage:
    if image.mode == "P" or image.mode.startswith("I"):
        image = _smooth(image)
    if "A" in image.getbands():  # what shines through is paper
        from PIL import Image

        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    stream = io.BytesIO()
    (image if image.mode in ("1", "L") else image.convert("RGB")).save(stream, "PNG", compress_level=1)
    return PageImage(stream.getvalue(), image.width, image.height, scale)
