"""Word documents: structure in place, nothing declared is believed, both flavours of the format."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from docmill import registry
from docmill.domain.contracts import SourceFile
from docmill.domain.documents import ParsedDocument
from docmill.domain.params import ParseParams
from docmill.errors import CorruptedFile, EmptyDocument, FileTooLarge
from documents import (
    make_docx,
    shape,
    with_members,
)

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/wordprocessingml/main"


def parse(path: Path, **params: int) -> ParsedDocument:
    parser = registry.load("parsers", "docx")
    return parser.parse(SourceFile(path, "docx", path.stat().st_size), ParseParams(**params))


def with_body(path: Path, body: str, *, namespace: str = W, prolog: str = "") -> Path:
    """A document whose body is ``body``, in the prefix ``w``."""
    document = (
        f'{prolog}<w:document xmlns:w="{namespace}" xmlns:mc="m" xmlns:wps="s"><w:body>{body}</w:body></w:document>'
    )
    return with_members(make_docx(path, lambda _: None), {"word/document.xml": document})


def run(text: str) -> str:
    return f"<w:r><w:t>{text}</w:t></w:r>"


def test_headings_lists_and_tables_in_their_order(tmp_path: Path) -> None:
    def build(document: Any) -> None:
        document.add_heading("The Desk", 0)
        document.add_paragraph("One", style="List Bullet")
        document.add_paragraph("Deeper", style="List Bullet 2")
        table = document.add_table(rows=2, cols=2)
        for cell, text in zip((*table.rows[0].cells, *table.rows[1].cells), "abcd", strict=True):
            cell.text = text
        document.add_heading("Part", 3)
        document.add_paragraph("Text")

    document = parse(make_docx(tmp_path / "a.docx", build))
    assert shape(document) == [
        ("heading", 1, "The Desk"),
        ("list_item", 1, "- One"),
        ("list_item", 1, "- Deeper"),
        ("table", 0, "a | b\nc | d"),
        ("heading", 3, "Part"),
        ("paragraph", 0, "Text"),
    ]
    table = document.blocks[3]
    assert document.text[table.start : table.header_end] == "a | b"
    assert document.title == "The Desk"


def test_levels_by_outline_and_numbering(tmp_path: Path) -> None:
    body = (
        f'<w:p><w:pPr><w:outlineLvl w:val="1"/></w:pPr>{run("Outlined")}</w:p>'
        f'<w:p><w:pPr><w:outlineLvl w:val="9"/></w:pPr>{run("Body")}</w:p>'
        f'<w:p><w:pPr><w:numPr><w:ilvl w:val="2"/><w:numId w:val="5"/></w:numPr></w:pPr>{run("Third")}</w:p>'
        f'<w:p><w:pPr><w:numPr><w:numId w:val="0"/></w:numPr></w:pPr>{run("None")}</w:p>'
    )
    assert shape(parse(with_body(tmp_path / "a.docx", body))) == [
        ("heading", 2, "Outlined"),
        ("paragraph", 0, "Body"),
        ("list_item", 3, "- Third"),
        ("paragraph", 0, "None"),
    ]


@pytest.mark.parametrize("namespace", [W, STRICT])
def test_what_a_reader_sees_of_a_paragraph(tmp_path: Path, namespace: str) -> None:
    body = (
        f"<w:p>{run('kept ')}<w:ins>{run('inserted ')}</w:ins><w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"
        f"<w:moveFrom>{run('moved')}</w:moveFrom><w:hyperlink>{run('link')}</w:hyperlink>"
        "<w:r><w:tab/><w:instrText>PAGE</w:instrText><w:noBreakHyphen/><w:br/></w:r>"
        f"<w:sdt><w:sdtContent>{run('control')}</w:sdtContent></w:sdt></w:p><w:sdt><w:sdtContent><w:p>{run('block')}</w:p>"
        "</w:sdtContent></w:sdt>"
    )
    document = parse(with_body(tmp_path / "a.docx", body, namespace=namespace))
    assert document.text == "kept inserted link -\ncontrol\n\nblock"


def test_text_boxes_are_read_once_and_with_their_tables(tmp_path: Path) -> None:
    table = f"<w:tbl><w:tr><w:tc><w:p>{run('cell')}</w:p></w:tc></w:tr></w:tbl>"
    box = f"<w:txbxContent><w:p>{run('boxed')}</w:p>{table}</w:txbxContent>"
    body = (
        f"<w:p>{run('before')}<w:r><mc:AlternateContent><mc:Choice><wps:txbx>{box}</wps:txbx></mc:Choice>"
        f"<mc:Fallback>{box}</mc:Fallback></mc:AlternateContent></w:r>{run(' after')}</w:p><w:p>{run('next')}</w:p>"
    )
    assert parse(with_body(tmp_path / "a.docx", body)).text == "before after\n\nboxed\ncell\n\nnext"


def test_a_declared_span_is_not_expanded_and_nested_tables_are_cell_text(tmp_path: Path) -> None:
    inner = f"<w:tbl><w:tr><w:tc><w:p>{run('in')}</w:p></w:tc><w:tc><w:p>{run('ner')}</w:p></w:tc></w:tr></w:tbl>"
    body = (
        '<w:tbl><w:tr><w:tc><w:tcPr><w:gridSpan w:val="2000000000"/></w:tcPr>'
        f"<w:p>{run('wide')}</w:p></w:tc></w:tr><w:tr><w:tc>{inner}<w:p>{run('tail')}</w:p></w:tc>"
        f"<w:tc><w:p>{run('b')}</w:p><w:p>{run('c')}</w:p></w:tc></w:tr></w:tbl><w:p>{run('end')}</w:p>"
    )
    document = parse(with_body(tmp_path / "a.docx", body))
    assert document.text == "wide\nin ner tail | b c\n\nend"


def test_headers_and_footers_once_without_page_numbers(tmp_path: Path) -> None:
    def build(document: Any) -> None:
        section = document.sections[0]
        section.header.paragraphs[0].text = "Joiners Ltd"
        section.footer.paragraphs[0].text = "Confidential"
        section.footer.add_paragraph("12")
        second = document.add_section()
        second.header.is_linked_to_previous = False
        second.header.paragraphs[0].text = "Joiners Ltd"
        document.add_paragraph("Body")

    assert parse(make_docx(tmp_path / "a.docx", build)).text == "Joiners Ltd\n\nBody\n\nConfidential"


def with_part(path: Path, kind: str, content: str) -> Path:
    """The package with one more part, which its document leads to."""
    with zipfile.ZipFile(path) as package:
        relations = package.read("word/_rels/document.xml.rels").decode()
    link = f'<Relationship Id="rIdN" Type="http://x/relationships/{kind}" Target="{kind}.xml"/></Relationships>'
    return with_members(
        path,
        {
            "word/_rels/document.xml.rels": relations.replace("</Relationships>", link),
            f"word/{kind}.xml": content,
        },
    )


def test_footnotes_follow_the_paragraph_that_names_them(tmp_path: Path) -> None:
    body = f'<w:p>{run("Fact")}<w:r><w:footnoteReference w:id="2"/></w:r></w:p><w:p>{run("Next")}</w:p>'
    notes = f'<w:footnotes xmlns:w="{W}"><w:footnote w:id="2"><w:p>{run("Source")}</w:p></w:footnote></w:footnotes>'
    path = with_part(with_body(tmp_path / "a.docx", body), "footnotes", notes)
    assert parse(path).text == "Fact\n\nSource\n\nNext"


def test_comments_follow_the_text(tmp_path: Path) -> None:
    said = "".join(f'<w:comment w:id="{n}"><w:p>{run(f"Why {n}?")}</w:p></w:comment>' for n in range(2))
    path = with_body(tmp_path / "a.docx", f"<w:p>{run('Fact')}</w:p>")
    path = with_part(path, "comments", f'<w:comments xmlns:w="{W}">{said}</w:comments>')
    assert parse(path).text == "Fact\n\nWhy 0?\n\nWhy 1?"


def test_rows_beyond_the_limit_degrade_and_text_goes_on(tmp_path: Path) -> None:
    row = f"<w:tr><w:tc><w:p>{run('x')}</w:p></w:tc></w:tr>"
    path = with_body(tmp_path / "a.docx", f"<w:tbl>{row * 10}</w:tbl><w:p>{run('after')}</w:p>")
    document = parse(path, max_rows=4)
    assert document.text == "x\nx\nx\nx\n\nafter"
    assert [(warning.code, warning.degrades) for warning in document.warnings] == [("ROWS_LEFT_OUT", True)]
    assert not parse(path, max_rows=10).warnings


def test_a_package_larger_than_allowed_is_refused(tmp_path: Path) -> None:
    path = with_body(tmp_path / "a.docx", f"<w:p>{run('x' * 50_000)}</w:p>")
    with pytest.raises(FileTooLarge):
        parse(path, max_expanded_bytes=40_000)


def test_reading_stops_at_the_character_limit(tmp_path: Path) -> None:
    path = with_body(tmp_path / "a.docx", f"<w:p>{run('word')}</w:p>" * 5000 + "<broken")
    document = parse(path, max_characters=500)
    assert len(document.text) <= 500
    assert {warning.code for warning in document.warnings} == {"TEXT_TRUNCATED"}, "the broken end is never reached"


def test_damage_after_text_degrades_and_before_it_fails(tmp_path: Path) -> None:
    # Enough text that it is read before the parser meets the damage: it is fed in blocks.
    document = parse(with_body(tmp_path / "a.docx", f"<w:p>{run('word ' * 20)}</w:p>" * 2000 + "<w:p><w:r></w:p>"))
    assert document.text.startswith("word word")
    assert [(warning.code, warning.degrades) for warning in document.warnings] == [("DAMAGED_PART", True)]
    with pytest.raises(CorruptedFile, match="Word document"):
        parse(with_body(tmp_path / "b.docx", "<w:p><w:r></w:p>"))


def test_entities_are_neither_expanded_nor_fetched(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("top secret")
    prolog = f'<!DOCTYPE x [<!ENTITY file SYSTEM "{secret.as_uri()}"><!ENTITY e "boom">]>'
    body = f"<w:p>{run('seen &file; &e;')}</w:p><w:p>{run('more')}</w:p>"
    text = parse(with_body(tmp_path / "a.docx", body, prolog=prolog)).text
    assert "top secret" not in text
    assert "more" in text


def test_broken_side_parts_do_not_matter(tmp_path: Path) -> None:
    path = with_members(make_docx(tmp_path / "a.docx"), {"word/styles.xml": "<broken", "docProps/core.xml": "\0"})
    document = parse(path)
    assert "Cleaning" in document.text
    assert document.metadata == {}


def test_a_document_without_text_is_empty_and_without_a_body_corrupted(tmp_path: Path) -> None:
    with pytest.raises(EmptyDocument):
        parse(make_docx(tmp_path / "a.docx", lambda _: None))
    path = make_docx(tmp_path / "b.docx")
    with zipfile.ZipFile(path) as package:
        kept = {name: package.read(name) for name in package.namelist() if name != "word/document.xml"}
    with zipfile.ZipFile(path, "w") as package:
        for name, content in kept.items():
            package.writestr(name, content)
    with pytest.raises(CorruptedFile, match="no document part"):
        parse(path)
