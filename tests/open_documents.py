"""Makes OpenDocument files and e-books for the tests, by hand: no library that writes them is needed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from packed_documents import make_zip
from sample_words import HEADER, ITEMS, PARAGRAPH, ROWS, SECTION, TITLE

_ODF_SPACES = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{space}:1.0"'
    for prefix, space in {
        "office": "office", "text": "text", "table": "table", "draw": "drawing", "style": "style",
        "presentation": "presentation", "svg": "svg-compatible", "meta": "meta", "manifest": "manifest",
    }.items()
)  # fmt: skip


def make_opendocument(
    path: Path, kind: str, body: str, *, styles: str = "", members: dict[str, str] | None = None
) -> Path:
    """An OpenDocument ``kind`` (text, spreadsheet, presentation) whose body is the XML in ``body``."""
    content = (
        f"<office:document-content {_ODF_SPACES}><office:automatic-styles>{styles}</office:automatic-styles>"
        f"<office:body><office:{kind}>{body}</office:{kind}></office:body></office:document-content>"
    )
    meta = (
        f'<office:document-meta {_ODF_SPACES} xmlns:dc="http://purl.org/dc/elements/1.1/"><office:meta>'
        "<meta:initial-creator>Ada Joiner</meta:initial-creator>"
        "<meta:creation-date>2024-01-31T08:30:00</meta:creation-date>"
        "</office:meta></office:document-meta>"
    )
    mimetype = f"application/vnd.oasis.opendocument.{kind}"
    return make_zip(path, {"mimetype": mimetype, "content.xml": content, "meta.xml": meta, **(members or {})})


def odf_table(rows: Iterable[Sequence[str]], name: str = "Oils") -> str:
    def cell(text: str) -> str:
        return f"<table:table-cell><text:p>{text}</text:p></table:table-cell>"

    written = "".join(f"<table:table-row>{''.join(map(cell, row))}</table:table-row>" for row in rows)
    return f'<table:table table:name="{name}"><table:table-column/>{written}</table:table>'


def make_odt(path: Path) -> Path:
    items = "".join(f"<text:list-item><text:p>{item}</text:p></text:list-item>" for item in ITEMS)
    body = (
        f'<text:h text:outline-level="1">{TITLE}</text:h><text:p>{PARAGRAPH}</text:p>'
        f'<text:h text:outline-level="2">{SECTION}</text:h><text:list>{items}</text:list>{odf_table((HEADER, *ROWS))}'
    )
    return make_opendocument(path, "text", body)


def make_ods(path: Path) -> Path:
    return make_opendocument(path, "spreadsheet", odf_table((HEADER, *ROWS)))


def make_odp(path: Path) -> Path:
    def frame(content: str, kind: str) -> str:
        return f'<draw:frame presentation:class="{kind}"><draw:text-box>{content}</draw:text-box></draw:frame>'

    items = "".join(f"<text:list-item><text:p>{item}</text:p></text:list-item>" for item in ITEMS)
    pages = (
        frame(f"<text:p>{TITLE}</text:p>", "title") + frame(f"<text:p>{PARAGRAPH}</text:p>", "subtitle"),
        frame(f"<text:p>{SECTION}</text:p>", "title") + frame(f"<text:list>{items}</text:list>", "outline"),
    )
    return make_opendocument(path, "presentation", "".join(f"<draw:page>{page}</draw:page>" for page in pages))


def make_epub(path: Path, chapters: Sequence[str] | None = None, *, members: dict[str, str] | None = None) -> Path:
    """An e-book of EPUB 3; each of ``chapters`` is the body of a page."""
    bodies = (
        chapters
        if chapters is not None
        else (
            f"<h1>{TITLE}</h1><p>{PARAGRAPH}</p>",
            f"<h2>{SECTION}</h2><ul>{''.join(f'<li>{item}</li>' for item in ITEMS)}</ul>",
        )
    )
    pages = {
        f"OEBPS/text/{number}.xhtml": '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml">'
        f"<head><title/></head><body>{body}</body></html>"
        for number, body in enumerate(bodies)
    }
    items = "".join(
        f'<item id="c{number}" href="text/{number}.xhtml" media-type="application/xhtml+xml"/>'
        for number in range(len(bodies))
    )
    spine = "".join(f'<itemref idref="c{number}"/>' for number in range(len(bodies)))
    book = (
        '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>'
        f"<dc:title>{TITLE}</dc:title><dc:creator>Ada Joiner</dc:creator><dc:language>en</dc:language></metadata>"
        f"<manifest>{items}</manifest><spine>{spine}</spine></package>"
    )
    container = '<container><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
    return make_zip(
        path,
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": container,
            "OEBPS/book.opf": book,
            **pages,
            **(members or {}),
        },
    )
