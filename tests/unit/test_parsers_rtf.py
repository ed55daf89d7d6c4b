"""Rich text: code pages, Unicode and its stand-ins, what is skipped, tables, and nesting without end."""

from __future__ import annotations

from pathlib import Path

import pytest

from docmill import registry
from docmill.domain.contracts import SourceFile
from docmill.domain.documents import ParsedDocument
from docmill.domain.params import ParseParams
from docmill.errors import CorruptedFile
from documents import (
    ITEMS,
    PARAGRAPH,
    SECTION,
    TITLE,
    make_rtf,
    shape,
)


def parse(path: Path, **params: int) -> ParsedDocument:
    parser = registry.load("parsers", "rtf")
    return parser.parse(SourceFile(path, "rtf", path.stat().st_size), ParseParams(**params))


def read(tmp_path: Path, body: str) -> str:
    return parse(make_rtf(tmp_path / "a.rtf", body)).text


def test_a_document_in_its_order(tmp_path: Path) -> None:
    document = parse(make_rtf(tmp_path / "a.rtf"))
    assert shape(document) == [
        ("heading", 1, TITLE),
        ("paragraph", 0, PARAGRAPH),
        ("heading", 2, SECTION),
        *(("list_item", 1, f"- {item}") for item in ITEMS),
        ("table", 0, "Season | Oil | Hours\nSpring | Linseed | 12\nAutumn | Tung | 24"),
    ]
    assert document.title == TITLE
    assert document.metadata == {"author": "Ada Joiner", "created_at": "2024-01-31T08:30:00Z"}


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (r"Caf\'e9 \'80", "Café €"),
        ("Caf\xe9", "Café"),
        (r"\u233?t\u233?", "été"),
        (r"{\uc2\u26085\'93\'fa}x", "日x"),
        (r"{\uc0\u26085}x", "日x"),
        (r"\u-10179?\u-8704?", "\U0001f600"),
        (r"\u-10179?x", "\ufffdx"),
        (r"{\f1\'cf\'f0\'e8\'e2\'e5\'f2}", "Привет"),
        (r"{\f2\'83A\'83\'5c\'83" "\\'5c}", "アソソ"),
        (r"a\~b\_c\-d \{\}\\ \ldblquote q\rdblquote\emdash", "a b-cd {}\\ \u201cq\u201d\u2014"),
        (r"one\line two\tab three", "one\ntwo three"),
        (
            r"{\b bold}{\*\unknown gone}{\pict\pngblip 89504e47}{\field{\*\fldinst HYPERLINK x}{\fldrslt link}}",
            "boldlink",
        ),
        (r"{\pict\bin6 }{}}{}shown}{\object{\*\objdata 00}{\result seen}}", "seen"),
        (r"kept{\deleted lost}\deleted lost\deleted0  too", "kept too"),
        (r"text{\footnote A note.} more", "text more\n\nA note."),
        (r"body\par{\header Desk works\par 7\par}", "body\n\nDesk works"),
        ("wrap\r\nped", "wrapped"),
    ],
)
def test_characters_and_groups(tmp_path: Path, written: str, shown: str) -> None:
    assert read(tmp_path, rf"\pard {written}\par ") == shown


def test_the_code_page_of_the_file_is_used(tmp_path: Path) -> None:
    path = tmp_path / "a.rtf"
    path.write_bytes(rb"{\rtf1\ansi\ansicpg1251 \'cf\'f0\'e8}")
    assert parse(path).text == "При"
    path.write_bytes(rb"{\rtf1\mac \'8e}")
    assert parse(path).text == "é"
    path.write_bytes(rb"{\rtf1\ansi\ansicpg99999 \'e9}")
    assert parse(path).text == "é"


def test_bytes_of_no_code_page_degrade(tmp_path: Path) -> None:
    document = parse(make_rtf(tmp_path / "a.rtf", r"a\'81b\par"))
    assert "\ufffd" in document.text
    assert [(warning.code, warning.degrades) for warning in document.warnings] == [("DECODE_FALLBACK", True)]


def test_a_file_that_breaks_off_is_degraded(tmp_path: Path) -> None:
    path = make_rtf(tmp_path / "a.rtf", rf"\pard {PARAGRAPH}\par {{\b open")
    path.write_bytes(path.read_bytes()[:-1])
    document = parse(path)
    assert document.text == f"{PARAGRAPH}\n\nopen"
    assert [warning.code for warning in document.warnings] == ["DAMAGED_PART"]


def test_rows_beyond_the_limit_degrade(tmp_path: Path) -> None:
    document = parse(make_rtf(tmp_path / "a.rtf"), max_rows=2)
    assert document.text.endswith("Spring | Linseed | 12")
    assert [warning.code for warning in document.warnings] == ["ROWS_LEFT_OUT"]


def test_nesting_without_end_is_corrupted(tmp_path: Path) -> None:
    with pytest.raises(CorruptedFile, match="nested"):
        read(tmp_path, "{" * 100_000)
    assert read(tmp_path, "{" * 5000 + "deep" + "}" * 5000) == "deep"


@pytest.mark.parametrize("content", [b"text", b"\\rtf1 x", b"{\\pard x}"])
def test_what_is_no_rtf_is_corrupted(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.rtf"
    path.write_bytes(content)
    with pytest.raises(CorruptedFile, match="no RTF"):
        parse(path)


def test_huge_numbers_are_harmless(tmp_path: Path) -> None:
    assert read(
        tmp_path, r"\u9999999999?\f-9999999999\outlinelevel999999999\ilvl99999999\bin-5 x"
    ) == "\u270fx".replace("\u270f", chr(9999999999 & 0xFFFF))
