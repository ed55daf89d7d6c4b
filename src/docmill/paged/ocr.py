"""Reads images of pages by OCR: PaddleOCR's small models, which the extra ``docmill[ocr]`` brings along.

Owns the engine and what its answer means. It downloads nothing: only the models that ship inside the package are used.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from statistics import fmean
from typing import TYPE_CHECKING, Any

from docmill.domain.contracts import LeftOut
from docmill.domain.failures import is_out_of_memory, words_of
from docmill.domain.layout import Line
from docmill.domain.reading_order import Piece, rows
from docmill.errors import DocumentError, MissingError
from docmill.paged.content import OCR, Content, Page, usual_size

if TYPE_CHECKING:
    from docmill.domain.contracts import SourceFile

_PACKAGE = "faster_paddle"
_MODEL = "tiny"  # and small lie in the package; larger ones would be downloaded
_LARGER = 1.5  # sizes of boxes vary by a third within one font: only what is larger than that is a larger font


@dataclass(frozen=True, slots=True)
class PageImage:
    """``png`` of ``width`` × ``height`` pixels, each of which is ``scale`` points wide."""

    png: bytes
    width: int
    height: int
    scale: float


def require() -> None:
    """Raises MissingError where the package is not installed."""
    if find_spec(_PACKAGE) is None:
        raise MissingError("OCR needs a package that is not installed", hint='pip install "docmill[ocr]"')


def engine_name() -> str:
    from importlib.metadata import version

    return f"faster-paddle {version('faster-paddle')} {_MODEL}"


@lru_cache(maxsize=1)
def _engine() -> Any:
    import faster_paddle

    return faster_paddle.OcrEngine(model_size=_MODEL, threads=1)


def read(png: bytes) -> list[Piece]:
    """The pieces of text in an image, in no order. Raises whatever the engine raises."""
    found = []
    for each in _engine().ocr(png)["bounds"].values():
        (left, top), (right, bottom) = each["topLeftCoord"], each["bottomRightCoord"]
        if each["text"].strip():
            found.append(Piece(each["text"].strip(), left, top, right, bottom, float(each["confidence"])))
    return found


def recognise(content: Content, wanted: Iterable[int], image: Callable[[int], PageImage], file: SourceFile) -> None:
    """Put what OCR reads into the pages of ``content`` at these indexes; one in which it reads nothing stays.

    ``image`` renders a page, and raises what it likes where that fails. What was read is kept as an asset.
    """
    sized = usual_size(content.pages)
    read_: list[tuple[int, PageImage, list[Piece]]] = []
    for index in wanted:
        if file.deadline.passed:
            content.out_of_time = True
            break
        try:
            rendered = image(index)
            pieces = read(rendered.png)
        except DocumentError:
            raise
        except Exception as error:
            if is_out_of_memory(error):
                raise
            content.pages[index].failure = content.pages[index].failure or f"OCR failed: {words_of(error)}"
            continue
        if pieces:
            read_.append((index, PageImage(b"", rendered.width, rendered.height, rendered.scale), pieces))
            _keep(file, index, rendered, pieces, content)
    size = sized or _usual_height(read_)
    usual = _usual_height(read_) or size
    for index, rendered, pieces in read_:
        confidence = round(fmean(each.confidence for each in pieces), 3)
        content.pages[index] = Page(_lines(pieces, rendered, size, usual), engine=OCR, confidence=confidence)


def _usual_height(read_: Sequence[tuple[int, PageImage, list[Piece]]]) -> float:
    """Of a line, in points, by the characters in them."""
    heights: Counter[float] = Counter()
    for _index, rendered, pieces in read_:
        for each in pieces:
            heights[each.height * rendered.scale] += len(each.text)
    middle = heights.total() / 2
    for height, count in sorted(heights.items()):
        middle -= count
        if middle <= 0:
            return height
    return 0.0


def _lines(pieces: Sequence[Piece], rendered: PageImage, size: float, usual: float) -> list[Line]:
    """``size``: what the usual height is taken for, so that pages read by OCR and others rank together."""
    found = []
    for row in rows(pieces):
        height = max(each.height for each in row) * rendered.scale
        times = height / usual if height >= _LARGER * usual else 1.0
        found.append(
            Line(
                " ".join(each.text for each in row),
                row[0].left * rendered.scale,
                row[-1].right * rendered.scale,
                (rendered.height - max(each.bottom for each in row)) * rendered.scale,
                size * round(times * 2) / 2,
            )
        )
    return found


def _keep(file: SourceFile, index: int, rendered: PageImage, pieces: Sequence[Piece], content: Content) -> None:
    record = {
        "page": index + 1,
        "engine": engine_name(),
        "width": rendered.width,
        "height": rendered.height,
        "pieces": [
            {
                "text": each.text,
                "box": [each.left, each.top, each.right, each.bottom],
                "confidence": round(each.confidence, 4),
            }
            for row in rows(pieces)
            for each in row
        ],
    }
    try:
        file.keeper.asset(f"ocr/page-{index + 1:04}.json", json.dumps(record, ensure_ascii=False).encode())
    except LeftOut as why:
        content.left_out.append(str(why))
