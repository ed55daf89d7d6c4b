"""E-books: chapters in the order of the spine, XHTML as XML writes it, copy protection, books without an index."""

from __future__ import annotations

from pathlib import Path

import pytest

from docmill import registry
from docmill.domain.contracts import SourceFile
from docmill.domain.documents import ParsedDocument
from docmill.domain.params import ParseParams
from docmill.errors import CorruptedFile, EncryptedFile
from documents import (
    ITEMS,
    PARAGRAPH,
    SECTION,
    TITLE,
    make_epub,
    make_zip,
    shape,
    with_members,
)


def parse(path: Path, **params: int) -> ParsedDocument:
    parser = registry.load("parsers", "epub")
    return parser.parse(SourceFile(path, "epub", path.stat().st_size), ParseParams(**params))


def test_chapters_in_their_order(tmp_path: Path) -> None:
    document = parse(make_epub(tmp_path / "a.epub"))
    assert shape(document) == [
        ("heading", 1, TITLE),
        ("paragraph", 0, PARAGRAPH),
        ("heading", 2, SECTION),
        *(("list_item", 1, f"- {item}") for item in ITEMS),
    ]
    assert document.title == TITLE
    assert document.metadata == {"author": "Ada Joiner", "language": "en"}


def test_the_spine_decides_and_not_the_names(tmp_path: Path) -> None:
    path = make_epub(tmp_path / "a.epub", ["<p>one</p>", "<p>two</p>"])
    book = (
        "<package><metadata/><manifest>"
        '<item id="a" href="text/1.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="b" href="text/%30.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="c" href="style.css" media-type="text/css"/></manifest>'
        '<spine><itemref idref="a"/><itemref idref="b"/><itemref idref="c"/><itemref idref="none"/></spine></package>'
    )
    assert parse(with_members(path, {"OEBPS/book.opf": book})).text == "two\n\none"


def test_elements_that_end_themselves_swallow_nothing(tmp_path: Path) -> None:
    path = make_epub(tmp_path / "a.epub", ['<script src="x"/><p>a<a id="p1"/>b<br/>c</p><div/><h2>d</h2>'])
    assert shape(parse(path)) == [("paragraph", 0, "ab\nc"), ("heading", 2, "d")]


def test_a_missing_chapter_costs_that_chapter(tmp_path: Path) -> None:
    path = make_epub(tmp_path / "a.epub", ["<p>one</p>"])
    book = (
        '<package><manifest><item id="a" href="text/0.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="b" href="gone.xhtml" media-type="application/xhtml+xml"/></manifest>'
        '<spine><itemref idref="b"/><itemref idref="a"/></spine></package>'
    )
    document = parse(with_members(path, {"OEBPS/book.opf": book}))
    assert document.text == "one"
    assert [(warning.code, warning.degrades) for warning in document.warnings] == [("DAMAGED_PART", True)]


def test_a_book_without_an_index_is_read_by_name(tmp_path: Path) -> None:
    document = parse(make_zip(tmp_path / "a.epub", {"2.xhtml": "<p>two</p>", "1.xhtml": "<p>one</p>"}))
    assert document.text == "one\n\ntwo"
    assert document.degraded
    with pytest.raises(CorruptedFile, match="no chapters"):
        parse(make_zip(tmp_path / "b.epub", {"mimetype": "application/epub+zip"}))


def encryption(algorithm: str, part: str) -> dict[str, str]:
    return {
        "META-INF/encryption.xml": f'<encryption><EncryptedData><EncryptionMethod Algorithm="{algorithm}"/>'
        f'<CipherData><CipherReference URI="{part}"/></CipherData></EncryptedData></encryption>'
    }


def test_copy_protection_is_told_and_scrambled_fonts_are_not(tmp_path: Path) -> None:
    aes = "http://www.w3.org/2001/04/xmlenc#aes128-cbc"
    with pytest.raises(EncryptedFile, match="copy-protected"):
        parse(make_epub(tmp_path / "a.epub", members=encryption(aes, "OEBPS/text/0.xhtml")))
    fonts = encryption("http://www.idpf.org/2008/embedding", "OEBPS/font.otf")
    assert parse(make_epub(tmp_path / "b.epub", members=fonts)).text


def test_a_chapter_in_another_encoding_is_read_as_it_says(tmp_path: Path) -> None:
    path = make_epub(tmp_path / "a.epub", ["<p>x</p>"])
    page = '<?xml version="1.0" encoding="windows-1251"?><html><body><p>Привет</p></body></html>'
    assert parse(with_members(path, {"OEBPS/text/0.xhtml": page.encode("cp1251")})).text == "Привет"
