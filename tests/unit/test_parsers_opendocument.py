"""OpenDocument: structure in place, notes and boxes, repeated cells that are not believed, passwords."""

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
    make_odp,
    make_ods,
    make_odt,
    make_opendocument,
    make_zip,
    odf_table,
    shape,
    with_members,
)


def parse(path: Path, kind: str = "odt", **params: int) -> ParsedDocument:
    parser = registry.load("parsers", "opendocument")
    return parser.parse(SourceFile(path, kind, path.stat().st_size), ParseParams(**params))


def read(tmp_path: Path, body: str, styles: str = "") -> list[tuple[str, int, str]]:
    return shape(parse(make_opendocument(tmp_path / "a.odt", "text", body, styles=styles)))


def test_a_text_in_its_order(tmp_path: Path) -> None:
    document = parse(make_odt(tmp_path / "a.odt"))
    assert shape(document) == [
        ("heading", 1, TITLE),
        ("paragraph", 0, PARAGRAPH),
        ("heading", 2, SECTION),
        *(("list_item", 1, f"- {item}") for item in ITEMS),
        ("table", 0, "Season | Oil | Hours\nSpring | Linseed | 12\nAutumn | Tung | 24"),
    ]
    assert document.title == TITLE
    assert document.metadata == {"author": "Ada Joiner", "created_at": "2024-01-31T08:30:00Z"}


def test_what_stands_inside_a_paragraph(tmp_path: Path) -> None:
    body = (
        '<text:p>One<text:s text:c="3"/>two<text:tab/>three<text:line-break/>\n   <text:span>four <text:a>five</text:a>'
        "</text:span><text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>A note.</text:p>"
        "</text:note-body></text:note><office:annotation><text:p>A comment.</text:p></office:annotation>"
        "<draw:frame><draw:text-box><text:p>In a box.</text:p></draw:text-box>"
        "<svg:title>Picture</svg:title></draw:frame>"
        "</text:p><text:tracked-changes><text:changed-region><text:deletion><text:p>Gone.</text:p></text:deletion>"
        "</text:changed-region></text:tracked-changes><text:p>End</text:p>"
    )
    assert read(tmp_path, body) == [
        ("paragraph", 0, "One two three\nfour five"),
        ("paragraph", 0, "In a box."),
        ("paragraph", 0, "A note."),
        ("paragraph", 0, "End"),
    ]


def test_lists_nest_and_titles_are_known_by_their_style(tmp_path: Path) -> None:
    styles = '<style:style style:name="P1" style:parent-style-name="Title"/>'
    body = (
        '<text:p text:style-name="P1">The Desk</text:p>'
        "<text:list><text:list-item><text:p>One</text:p><text:p>more</text:p>"
        "<text:list><text:list-item><text:p>Deeper</text:p></text:list-item></text:list></text:list-item></text:list>"
    )
    assert read(tmp_path, body, styles) == [
        ("heading", 1, "The Desk"),
        ("list_item", 1, "- One"),
        ("list_item", 1, "more"),
        ("list_item", 2, "- Deeper"),
    ]


def test_headers_and_footers_once(tmp_path: Path) -> None:
    area = "<style:header xmlns:style='s' xmlns:text='t'><text:p>Desk works</text:p><text:p>7</text:p></style:header>"
    styles = f"<styles>{area}{area}</styles>"
    path = make_opendocument(tmp_path / "a.odt", "text", "<text:p>Body</text:p>", members={"styles.xml": styles})
    assert [text for _, _, text in shape(parse(path))] == ["Desk works", "Body"]


def test_sheets_are_headings_with_records(tmp_path: Path) -> None:
    assert shape(parse(make_ods(tmp_path / "a.ods"), "ods")) == [
        ("heading", 1, "Oils"),
        ("table", 0, "Season: Spring; Oil: Linseed; Hours: 12\nSeason: Autumn; Oil: Tung; Hours: 24"),
    ]


def test_declared_repetitions_are_bounded(tmp_path: Path) -> None:
    wide = '<table:table-cell table:number-columns-repeated="999999999"><text:p>x</text:p></table:table-cell>'
    empty = '<table:table-row table:number-rows-repeated="999999999"><table:table-cell/></table:table-row>'
    long = empty.replace("<table:table-cell/>", "<table:table-cell><text:p>y</text:p></table:table-cell>")
    table = f"<table:table>{empty}<table:table-row>{wide}</table:table-row>{long}</table:table>"
    document = parse(make_opendocument(tmp_path / "a.ods", "spreadsheet", table), "ods", max_rows=50)
    assert document.text.count("x") == 1024
    assert document.text.count("y") == 49
    assert [warning.code for warning in document.warnings] == ["ROWS_LEFT_OUT"]


def test_slides_are_pages(tmp_path: Path) -> None:
    document = parse(make_odp(tmp_path / "a.odp"), "odp")
    assert [(block.page, block.level) for block in document.blocks] == [(1, 1), (1, 0), (2, 2), (2, 1), (2, 1), (2, 1)]
    assert document.metadata["page_count"] == 2
    assert document.page_characters == (
        len(TITLE) + len(PARAGRAPH),
        len(SECTION) + sum(len(item) + 2 for item in ITEMS),
    )
    assert [warning.code for warning in parse(tmp_path / "a.odp", "odp", max_pages=1).warnings] == ["PAGES_LEFT_OUT"]


def test_a_password_is_told(tmp_path: Path) -> None:
    manifest = (
        '<manifest:manifest xmlns:manifest="m"><manifest:file-entry manifest:full-path="content.xml">'
        "<manifest:encryption-data/></manifest:file-entry></manifest:manifest>"
    )
    with pytest.raises(EncryptedFile):
        parse(with_members(make_odt(tmp_path / "a.odt"), {"META-INF/manifest.xml": manifest, "content.xml": "\0\1\2"}))


def test_what_breaks_off_is_degraded_and_what_has_no_content_corrupted(tmp_path: Path) -> None:
    path = make_opendocument(tmp_path / "a.odt", "text", f"<text:p>{PARAGRAPH}</text:p><text:p>Bro</p>ken")
    document = parse(path)
    assert document.text == PARAGRAPH
    assert [warning.code for warning in document.warnings] == ["DAMAGED_PART"]
    with pytest.raises(CorruptedFile, match="no content"):
        parse(make_zip(tmp_path / "b.odt", {"mimetype": "application/vnd.oasis.opendocument.text"}))


def test_a_table_in_a_cell_is_text_of_that_cell(tmp_path: Path) -> None:
    inner = odf_table([("in", "side")])
    outer = odf_table([("out",)]).replace("</table:table-cell>", f"{inner}</table:table-cell>")
    assert read(tmp_path, f"{outer}<text:p>after</text:p>") == [("table", 0, "out in side"), ("paragraph", 0, "after")]
