"""Plain text, source code, Markdown, and the bytes they are decoded from."""

from __future__ import annotations

from pathlib import Path

import pytest

from docmill import filetypes, registry
from docmill.decoding import decode
from docmill.domain.contracts import SourceFile
from docmill.domain.documents import ParsedDocument
from docmill.domain.markup import plain
from docmill.domain.params import ParseParams
from docmill.errors import CorruptedFile
from documents import shape


def read(tmp_path: Path, content: str | bytes, kind: str = "markdown", **params: int) -> ParsedDocument:
    path = tmp_path / "sample"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    parser = registry.load("parsers", "markdown" if kind == "markdown" else "text")
    return parser.parse(SourceFile(path, kind, path.stat().st_size), ParseParams(**params))


def test_text_is_parted_by_empty_lines_and_keeps_its_lines(tmp_path: Path) -> None:
    document = read(tmp_path, "one\n  two  \n\n\n \nthree\r\nfour\rfive", "text")
    assert shape(document) == [("paragraph", 0, "one\n  two"), ("paragraph", 0, "three\nfour\nfive")]


def test_underlined_lines_are_headings_by_order_of_their_marks(tmp_path: Path) -> None:
    document = read(tmp_path, "=====\nTitle\n=====\n\nPart\n----\ntext\n\nOther\n=====\n\nx\n", "text")
    assert shape(document) == [
        ("heading", 1, "Title"),
        ("heading", 2, "Part"),
        ("paragraph", 0, "text"),
        ("heading", 1, "Other"),
        ("paragraph", 0, "x"),
    ]
    assert document.title == "Title"


def test_rules_and_short_underlines_make_no_heading(tmp_path: Path) -> None:
    text = "a longer line than that\n-----\n\n-----\n-----"
    assert {kind for kind, _, _ in shape(read(tmp_path, text, "text"))} == {"paragraph"}


def test_code_keeps_its_indentation_and_has_no_title(tmp_path: Path) -> None:
    document = read(tmp_path, "class A:\n\n    def b(self):\n        return 1\n", "code")
    assert shape(document) == [("code", 0, "class A:"), ("code", 0, "    def b(self):\n        return 1")]
    assert document.title is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_encodings_are_read_without_a_warning(tmp_path: Path, encoding: str) -> None:
    document = read(tmp_path, "Öl für den Tisch – zweimal im Jahr".encode(encoding), "text")
    assert document.text == "Öl für den Tisch – zweimal im Jahr"
    assert not document.warnings


def test_another_encoding_is_guessed_and_said(tmp_path: Path) -> None:
    words = "Größe und Länge des Tisches müssen überprüft werden, bevor das Öl aufgetragen wird. " * 5
    document = read(tmp_path, words.encode("cp1252"), "text")
    assert document.text == words.strip()
    assert [(warning.code, warning.degrades) for warning in document.warnings] == [("DECODE_FALLBACK", False)]


def test_a_few_broken_bytes_in_utf8_stay_utf8_and_degrade(tmp_path: Path) -> None:
    document = read(tmp_path, ("Größe " * 100).encode() + b"\xff end", "text")
    assert document.text.endswith("Größe \ufffd end")
    assert document.degraded


def test_binary_data_is_no_text() -> None:
    with pytest.raises(CorruptedFile, match="binary"):
        decode(b"ab\0cd\x01\x02 and more text than NULs")


RUSSIAN = "Стол смазывают дважды в год, весной и осенью, мягкой тканью.\n" * 3


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", ["Oil the desk twice a year.\n", RUSSIAN, "λάδι για το τραπέζι, δύο φορές\n" * 2])
def test_wide_encodings_are_known_without_a_mark(tmp_path: Path, encoding: str, text: str) -> None:
    document = read(tmp_path, text.encode(encoding), "text")
    assert document.text == text.strip()
    assert not document.warnings


def test_a_lone_surrogate_in_a_wide_encoding_is_replaced_and_degrades(tmp_path: Path) -> None:
    document = read(tmp_path, "\ufefftext \ud83d end".encode("utf-16-le", "surrogatepass"), "text")
    assert document.text == "text \ufffd end"
    assert document.degraded


def test_surrogates_in_utf8_become_their_characters(tmp_path: Path) -> None:
    """As Java and older databases write them."""
    assert decode("Smile \ud83d\ude00".encode("utf-8", "surrogatepass")).text == "Smile \U0001f600"
    lone = decode("Broken \ud83d text".encode("utf-8", "surrogatepass"))
    assert lone.lossy
    assert lone.text.startswith("Broken \ufffd")


@pytest.mark.parametrize(
    "data",
    [
        "Grüße, schöne Möbel".encode() + b" \xff\xfe end",
        RUSSIAN.encode() + b"\xe9t\xe9",
        "é".encode() * 2 + b" plain text and a broken one: \xe9",
    ],
)
def test_broken_bytes_among_utf8_never_make_it_another_encoding(tmp_path: Path, data: bytes) -> None:
    document = read(tmp_path, data, "text")
    assert "\ufffd" in document.text
    assert "Ã" not in document.text
    assert "Р" not in document.text
    assert [(warning.code, warning.degrades) for warning in document.warnings] == [("DECODE_FALLBACK", True)]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        ("Čeština a žluťoučký kůň, příliš ďábelské ódy. " * 3, "cp1250"),
        ("日本語の文章です。机に油を塗ります。" * 3, "shift_jis"),
        ("日本語の文章です。机に油を塗ります。" * 3, "euc_jp"),
        ("桌子每年上油两次，春天和秋天。" * 3, "gb18030"),
    ],
)
def test_other_encodings_are_guessed_and_told(tmp_path: Path, text: str, encoding: str) -> None:
    document = read(tmp_path, text.encode(encoding), "text")
    assert document.text == text.strip()
    assert [(warning.code, warning.degrades) for warning in document.warnings] == [("DECODE_FALLBACK", False)]


@pytest.mark.parametrize(
    "content", [b"one\0two\n" + b"three, four and five\n" * 9, b"line one\n" + b"\0" * 4000 + b"line two\n"]
)
def test_nuls_in_a_log_carry_no_text_and_make_it_no_binary(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(content)
    assert filetypes.detect(path).name == "text"
    assert "\0" not in read(tmp_path, content, "text").text


def test_encodings_of_seven_bits_are_read_as_declared() -> None:
    data = "日本語".encode("iso-2022-jp")
    assert decode(data, declared="ISO-2022-JP").text == "日本語"
    assert decode("日本語".encode(), declared="iso-8859-1").text == "日本語", "what is valid UTF-8 is UTF-8"


def test_an_xml_declaration_names_the_encoding(tmp_path: Path) -> None:
    written = '<?xml version="1.0" encoding="windows-1251"?><a>Стол</a>'
    document = read(tmp_path, written.encode("cp1251"), "code")
    assert document.text == written
    assert not document.warnings


@pytest.mark.parametrize("declared", ["no-such-codec", "rot13", "zlib", "\0", "utf-16"])
def test_a_declared_encoding_that_is_none_is_passed_over(declared: str) -> None:
    assert "caf" in decode(b"caf\xe9 cr\xe8me " * 20, declared=declared).text


def test_a_declared_encoding_is_used() -> None:
    assert decode("Привет".encode("koi8-r"), declared="KOI8-R").text == "Привет"
    assert decode(b"\x93x\x94", declared="iso-8859-1").text == "“x”", "the web's Latin-1 is Windows-1252"


def test_a_cut_never_splits_a_character(tmp_path: Path) -> None:
    content = ("é" * (1024**2 // 2) + "é").encode()
    document = read(tmp_path, b"x" + content, "text", max_characters=1000)
    assert "\ufffd" not in document.text
    assert {"FILE_TRUNCATED", "TEXT_TRUNCATED"} == {warning.code for warning in document.warnings}


def test_invisible_and_unencodable_characters_go(tmp_path: Path) -> None:
    document = read(tmp_path, "co\u00adop\u200b \x07fi\ufb01le e\u0301\x0cnext", "text")
    assert document.text == "coop fifile é\nnext"


MARKDOWN = """---
title: "The Desk"
author: Ada Joiner
date: 2024-03-01
tags: [wood, oil]
---
Intro with **bold**, *italic*, `code *kept*`,
a [link](http://x.y/z_(1)) and ![a picture](p.png).

Setext
======

- one
    - nested
      goes on
- two

1. first
2) second

> quoted text

***

| Name | Use \\| Note |
|:-----|-----:|
| **Oil** | wood |
| Wax | `a|b` |

## Closed ##

<!-- hidden
over lines --> after

[ref]: http://x.y
Final line[^1] with snake_case_name and 2 * 3 * 4.
"""


def test_markdown_reads_as_a_reader_sees_it(tmp_path: Path) -> None:
    document = read(tmp_path, MARKDOWN)
    assert document.title == "The Desk"
    assert document.metadata == {"author": "Ada Joiner", "created_at": "2024-03-01T00:00:00Z"}
    assert shape(document)[:9] == [
        ("paragraph", 0, "Intro with bold, italic, code *kept*, a link and a picture."),
        ("heading", 1, "Setext"),
        ("list_item", 1, "- one"),
        ("list_item", 2, "- nested goes on"),
        ("list_item", 1, "- two"),
        ("list_item", 1, "1. first"),
        ("list_item", 1, "2. second"),
        ("paragraph", 0, "quoted text"),
        ("table", 0, "Name | Use | Note\nOil | wood\nWax | `a | b`"),
    ]
    assert shape(document)[9:] == [
        ("heading", 2, "Closed"),
        ("paragraph", 0, "after"),
        ("paragraph", 0, "Final line[^1] with snake_case_name and 2 * 3 * 4."),
    ]
    table = next(block for block in document.blocks if block.kind == "table")
    assert document.text[table.start : table.header_end] == "Name | Use | Note"


def test_marks_inside_fences_are_code(tmp_path: Path) -> None:
    document = read(tmp_path, "```md\n# no heading\n\n**as is** <!-- kept -->\n```\n\nTitle\n---\n\n~~~\n```\nopen")
    assert shape(document) == [
        ("code", 0, "# no heading\n\n**as is** <!-- kept -->"),
        ("heading", 2, "Title"),
        ("code", 0, "```\nopen"),
    ]


def test_indented_code_outside_of_lists_only(tmp_path: Path) -> None:
    document = read(tmp_path, "text\n\n    code()\n\tmore()\n\n- item\n\n    still the item\n")
    assert shape(document) == [
        ("paragraph", 0, "text"),
        ("code", 0, "code()\nmore()"),
        ("list_item", 1, "- item"),
        ("paragraph", 0, "still the item"),
    ]


def test_a_rule_at_the_top_is_no_front_matter(tmp_path: Path) -> None:
    document = read(tmp_path, "---\n\nText between rules\n\n---\n\nmore\n")
    assert document.text == "Text between rules\n\nmore"


def test_a_number_that_wraps_to_a_line_start_makes_no_list(tmp_path: Path) -> None:
    assert shape(read(tmp_path, "It was built in\n1998. Then it fell.")) == [
        ("paragraph", 0, "It was built in 1998. Then it fell.")
    ]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("a **b** c", "a b c"),
        ("***both***", "both"),
        ("__init__ and ~~gone~~", "init and gone"),
        ("snake_case stays", "snake_case stays"),
        ("5 * 3 * 2", "5 * 3 * 2"),
        (r"\*stars\* &amp; more", "*stars* & more"),
        ("[text][ref] and [x]", "text and [x]"),
        ("<https://x.y/?a=b_c_d>", "https://x.y/?a=b_c_d"),
        ("run <path> with <b>care</b><br>now", "run <path> with care now"),
        ("`a ** b` and ``c ` d``", "a ** b and c ` d"),
    ],
)
def test_inline_marks(written: str, shown: str) -> None:
    assert plain(written) == shown


@pytest.mark.parametrize("hostile", ["**a ", "[", "![a](", "`", "<a ", "_a", "[a](()", "*_~"])
def test_endless_open_marks_come_to_an_end(tmp_path: Path, hostile: str) -> None:
    assert read(tmp_path, "x " + hostile * 20_000).text


def test_lines_without_end_come_to_an_end(tmp_path: Path) -> None:
    assert read(tmp_path, "# a" + " " * 200_000 + "b\n" + "- " * 50_000 + "x\n" + "<!-- \n" * 20_000 + "end").text
