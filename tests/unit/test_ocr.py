"""OCR: what it reads of scans and images, in which order, how certain it is, and what it must not take."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import pytest

from docmill.domain.contracts import LeftOut, SourceFile
from docmill.domain.deadline import Deadline
from docmill.domain.documents import ParsedDocument
from docmill.domain.params import ParseParams
from docmill.domain.reading_order import Piece, rows
from docmill.errors import CorruptedFile, DocumentTimeout, EmptyDocument, FileTooLarge, MissingError
from docmill.paged import ocr, rendering
from docmill.parsers import image as images
from docmill.parsers import pdf
from documents import (
    ITEMS,
    PARAGRAPH,
    TITLE,
    image_page,
    make_image,
    make_pdf,
    scanned_page,
    text_page,
)
from odd_pdfs import huge_page


class Kept:
    """A Keeper that shows what it was given."""

    def __init__(self, most: int = 1000) -> None:
        self.assets: dict[str, bytes] = {}
        self._most = most

    def member(self, name: str, content: IO[bytes]) -> bool:
        raise AssertionError(name)

    def asset(self, name: str, content: bytes) -> None:
        if len(self.assets) >= self._most:
            raise LeftOut("enough is kept")
        self.assets[name] = content


def parse(
    path: Path, kind: str = "pdf", *, keeper: Kept | None = None, seconds: float | None = None, **params: Any
) -> ParsedDocument:
    parser = pdf.PLUGIN if kind == "pdf" else images.PLUGIN
    file = SourceFile(path, kind, path.stat().st_size, deadline=Deadline(seconds), keeper=keeper or Kept())
    return parser.parse(file, ParseParams(**{"ocr": "auto", **params}))


def warned(document: ParsedDocument) -> list[tuple[str, int | None]]:
    return [(warning.code, warning.page) for warning in document.warnings]


def test_a_scan_is_read_page_by_page(tmp_path: Path) -> None:
    keeper = Kept()
    path = make_pdf(tmp_path / "a.pdf", [text_page("Typed."), scanned_page(TITLE), scanned_page("Second", *ITEMS)])
    document = parse(path, keeper=keeper)
    assert document.text.split("\n\n")[0] == "Typed."
    assert [block.page for block in document.blocks if TITLE in document.text[block.start : block.end]] == [2]
    assert all(item in document.text for item in ITEMS)
    assert document.page_characters[1] == len(TITLE)
    assert not document.warnings
    told = document.metadata["ocr"]
    assert told["engine"].startswith("faster-paddle")
    assert list(told["pages"]) == ["2", "3"] and all(0.5 < each <= 1 for each in told["pages"].values())
    assert sorted(keeper.assets) == ["ocr/page-0002.json", "ocr/page-0003.json"]
    record = json.loads(keeper.assets["ocr/page-0002.json"])
    assert [each["text"] for each in record["pieces"]] == [TITLE]
    left, top, right, bottom = record["pieces"][0]["box"]
    assert 0 < left < right < record["width"] and 0 < top < bottom < record["height"]


def test_a_page_in_which_ocr_reads_nothing_stays_without_text(tmp_path: Path) -> None:
    path = make_pdf(tmp_path / "a.pdf", [text_page("Typed."), image_page, lambda pdf: None])
    document = parse(path)
    assert document.text == "Typed."
    assert warned(document) == [("PAGES_WITHOUT_TEXT", 2)]
    assert "ocr" not in document.metadata
    with pytest.raises(EmptyDocument, match="OCR finds no text"):
        parse(make_pdf(tmp_path / "b.pdf", [image_page]))


def test_auto_leaves_pages_with_text_and_force_reads_them_all(tmp_path: Path) -> None:
    path = make_pdf(tmp_path / "a.pdf", [text_page(PARAGRAPH)])
    assert "ocr" not in parse(path).metadata
    forced = parse(path, ocr="force")
    assert list(forced.metadata["ocr"]["pages"]) == ["1"]
    assert "walnut desk is oiled twice" in forced.text


def test_sizes_that_vary_are_no_headings_and_large_ones_are(tmp_path: Path) -> None:
    def draw(page: Any) -> None:
        from documents import draw_text

        large = draw_text(["Care of the Desk"], size=90)
        small = draw_text(["on our own, we sow none", "HEIGHTS OF CAPITALS", "gypsy jay, quay"], size=36)
        large.paste(small.crop((0, 150, 1654, 1200)), (0, 600))
        page.image(large, x=0, y=0, w=210)

    document = parse(make_pdf(tmp_path / "a.pdf", [draw, text_page("Typed text. " * 20)]))
    kinds = {document.text[block.start : block.end]: block.kind.value for block in document.blocks}
    assert [text for text, kind in kinds.items() if kind == "heading"] == ["Care of the Desk"]


def test_the_clock_is_looked_at_between_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_pdf(tmp_path / "a.pdf", [scanned_page(TITLE), scanned_page("Never read")])
    deadline = Deadline(60)
    whole = ocr.read

    def read(png: bytes) -> Any:
        monkeypatch.setattr(deadline, "_at", 0.0)
        return whole(png)

    monkeypatch.setattr(ocr, "read", read)
    document = pdf.PLUGIN.parse(SourceFile(path, "pdf", 1, deadline=deadline), ParseParams(ocr="auto"))
    assert document.text == TITLE
    assert warned(document) == [("PAGES_WITHOUT_TEXT", 2), ("TIMEOUT", None)]
    with pytest.raises(DocumentTimeout):
        parse(path, seconds=0)


def test_a_page_on_which_the_engine_fails_costs_that_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(png: bytes) -> Any:
        raise RuntimeError("no such tensor")

    monkeypatch.setattr(ocr, "read", fail)
    document = parse(make_pdf(tmp_path / "a.pdf", [text_page("Typed."), scanned_page(TITLE)]))
    assert (document.text, warned(document)) == ("Typed.", [("PAGE_FAILED", 2)])
    with pytest.raises(CorruptedFile, match="no such tensor"):
        parse(make_image(tmp_path / "a.png"), "png")


def test_results_that_are_not_kept_are_told(tmp_path: Path) -> None:
    document = parse(make_pdf(tmp_path / "a.pdf", [scanned_page(TITLE), scanned_page("Two")]), keeper=Kept(most=1))
    assert warned(document) == [("ASSETS_LEFT_OUT", None)]
    assert not document.degraded


def test_ocr_that_is_not_installed_is_missing_and_no_document_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ocr, "find_spec", lambda name: None)
    for path, kind in ((make_pdf(tmp_path / "a.pdf"), "pdf"), (make_image(tmp_path / "a.png"), "png")):
        with pytest.raises(MissingError) as raised:
            parse(path, kind)
        assert raised.value.hint == 'pip install "docmill[ocr]"'


# ---- images ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["png", "jpg", "tiff"])
def test_an_image_is_a_document_by_ocr_alone(tmp_path: Path, kind: str) -> None:
    path = make_image(tmp_path / f"a.{kind}")
    document = parse(path, kind)
    assert document.title is None or TITLE in document.title
    assert TITLE in document.text and ITEMS[1] in document.text
    assert document.metadata["page_count"] == 1
    with pytest.raises(EmptyDocument) as raised:
        parse(path, kind, ocr="off")
    assert "parse.ocr=auto" in (raised.value.hint or "")


def test_the_pages_of_a_tiff_are_pages(tmp_path: Path) -> None:
    path = make_image(tmp_path / "a.tiff", [["First sheet"], ["Second sheet"], ["Third sheet"]])
    document = parse(path, "tiff")
    assert [block.page for block in document.blocks] == [1, 2, 3]
    assert "Second sheet" in document.text
    document = parse(path, "tiff", max_pages=2)
    assert "Third" not in document.text
    assert warned(document) == [("PAGES_LEFT_OUT", None)]


def test_images_of_every_mode_are_rendered(tmp_path: Path) -> None:
    from PIL import Image

    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK"):
        path = tmp_path / f"{mode.replace(';', '')}.{'tiff' if mode == 'CMYK' else 'png'}"
        Image.new(mode, (40, 30)).save(path)
        with rendering.image_pages(SourceFile(path, "png", 1)) as (count, page):
            rendered = page(0)
        assert (count, rendered.width, rendered.height) == (1, 40, 30), mode


def test_what_shines_through_is_paper(tmp_path: Path) -> None:
    from io import BytesIO

    from PIL import Image

    path = tmp_path / "clear.png"
    Image.new("RGBA", (20, 20), (0, 0, 0, 0)).save(path)
    with rendering.image_pages(SourceFile(path, "png", 1)) as (_count, page):
        assert Image.open(BytesIO(page(0).png)).getpixel((3, 3)) == (255, 255, 255)


def test_decompression_bombs_are_refused_before_they_unpack(tmp_path: Path) -> None:
    import struct
    import zlib

    def part(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    path = tmp_path / "bomb.png"
    header = part(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + part(b"IDAT", zlib.compress(b"\0" * 9)) + part(b"IEND", b""))
    with pytest.raises(FileTooLarge, match="60,000"):
        parse(path, "png")


def test_large_images_and_pages_are_made_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "MOST_PIXELS", 1_000_000)
    file = SourceFile(huge_page(tmp_path / "huge.pdf"), "pdf", 1)
    with rendering.pdf_pages(file, ParseParams()) as (_count, page):
        rendered = page(0)
    assert rendered.width * rendered.height <= 1_010_000
    assert rendered.width * rendered.scale == pytest.approx(28_346, rel=0.01)
    with rendering.image_pages(SourceFile(make_image(tmp_path / "a.png"), "png", 1)) as (_count, page):
        rendered = page(0)
    assert rendered.width * rendered.height <= 1_000_000
    assert rendered.width * rendered.scale == pytest.approx(1654 / 200 * 72, rel=0.01)


# ---- reading order ---------------------------------------------------------------------------------------------------


def pieces(*placed: tuple[str, float, float]) -> list[Piece]:
    return [Piece(text, left, top, left + 10 * len(text), top + 20, 0.9) for text, left, top in placed]


def texts(found: Sequence[Sequence[Piece]]) -> list[str]:
    return [" ".join(each.text for each in row) for row in found]


def test_columns_of_prose_are_read_one_after_the_other() -> None:
    prose = [f"line number {number} of this" for number in range(6)]
    scattered = pieces(
        ("A title that runs across both of the columns", 0, 0),
        *((text, 0, 40 + 30 * row) for row, text in enumerate(prose[:3])),
        *((text, 300, 44 + 30 * row) for row, text in enumerate(prose[3:])),
    )
    assert texts(rows(list(reversed(scattered)))) == ["A title that runs across both of the columns", *prose]


def test_cells_are_read_row_by_row() -> None:
    table = [["Season", "Oil", "Hours"], ["Spring", "Linseed", "12"], ["Autumn", "Tung", "24"], ["Winter", "None", "0"]]
    placed = [
        (cell, 300.0 * column, 40.0 * row) for row, cells in enumerate(table) for column, cell in enumerate(cells)
    ]
    assert texts(rows(list(reversed(pieces(*placed))))) == [" ".join(cells) for cells in table]
    assert rows([]) == []
