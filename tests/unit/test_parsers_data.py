"""CSV, TSV, JSON, JSON lines and workbooks: a record is one line that reads by itself."""

from __future__ import annotations

import datetime as dt
import json
import zipfile
from pathlib import Path

import pytest
from openpyxl import load_workbook
from openpyxl.comments import Comment

from docmill import registry
from docmill.domain.contracts import SourceFile
from docmill.domain.documents import ParsedDocument
from docmill.domain.params import ParseParams
from docmill.domain.tables import lines_of
from docmill.errors import CorruptedFile, EmptyDocument, FileTooLarge
from documents import make_xlsx, with_members

PARSERS = {"csv": "delimited", "tsv": "delimited", "json": "structured", "jsonl": "structured", "xlsx": "xlsx"}


def parse(path: Path, kind: str, **params: int) -> ParsedDocument:
    parser = registry.load("parsers", PARSERS[kind])
    return parser.parse(SourceFile(path, kind, path.stat().st_size), ParseParams(**params))


def read(tmp_path: Path, text: str, kind: str, **params: int) -> ParsedDocument:
    path = tmp_path / f"sample.{kind}"
    path.write_text(text, encoding="utf-8", newline="")
    return parse(path, kind, **params)


def codes(document: ParsedDocument) -> list[tuple[str, bool]]:
    return [(warning.code, warning.degrades) for warning in document.warnings]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    text = f'name{delimiter}oil\nAda{delimiter}"a, b; c|d\te"\nBob{delimiter}12\n'
    assert read(tmp_path, text, "csv").text == "name: Ada; oil: a, b; c|d e\nname: Bob; oil: 12"


def test_rows_of_numbers_have_no_names(tmp_path: Path) -> None:
    assert read(tmp_path, "1,2\n3,4\n", "csv").text == "1 | 2\n3 | 4"


def test_line_ends_inside_quotes_and_odd_widths(tmp_path: Path) -> None:
    text = 'a,b,c\r\n"one\r\ntwo",,3\r\n\r\n4\r\n5,6,7,8\r\n'
    assert read(tmp_path, text, "csv").text == "a: one two; c: 3\na: 4\na: 5; b: 6; c: 7; 8"


def test_carriage_returns_alone_end_lines(tmp_path: Path) -> None:
    assert read(tmp_path, "a,b\r1,2\r3,4", "csv").text == "a: 1; b: 2\na: 3; b: 4"


def test_a_huge_field_is_read(tmp_path: Path) -> None:
    assert len(read(tmp_path, f"a,b\n{'x' * 300_000},1\n", "csv").text) > 300_000


def test_rows_beyond_the_limit_degrade(tmp_path: Path) -> None:
    document = read(tmp_path, "a,b\n" + "1,2\n" * 10, "csv", max_rows=5)
    assert len(document.text.splitlines()) == 4
    assert codes(document) == [("ROWS_LEFT_OUT", True)]
    assert not read(tmp_path, "a,b\n" + "1,2\n" * 4, "csv", max_rows=5).warnings


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        ([["Report 2024"], ["Name", "Hours"], ["Ada", "3"]], ["Report 2024", "Name: Ada; Hours: 3"]),
        ([["Name", "Hours"]], ["Name | Hours"]),
        ([["Key", "Value"], ["Colour", "red"], ["Size", "big"]], ["Key | Value", "Colour | red", "Size | big"]),
        ([["a", "a", "b"], ["x", "y", "z"]], ["a | a | b", "x | y | z"]),
        ([["", ""], ["  ", "x"]], ["x"]),
        ([["Name", "", "Age:"], ["Ada", "note", "3"]], ["Name: Ada; note; Age: 3"]),
        ([], []),
    ],
)
def test_which_row_names_the_columns(rows: list[list[str]], lines: list[str]) -> None:
    assert list(lines_of(rows)) == lines


def test_an_object_becomes_paths(tmp_path: Path) -> None:
    value = {
        "title": "Desk",
        "a": {"b": [1.50, True, None], "c": [{"d": "x\ny"}, {"d": ""}]},
        "e": 12345678901234567890,
    }
    document = read(tmp_path, json.dumps(value).replace("1.5", "1.50"), "json")
    assert document.text == "title: Desk\na.b: 1.50, true\na.c[0].d: x y\ne: 12345678901234567890"
    assert document.title == "Desk"


def test_a_list_of_objects_becomes_records(tmp_path: Path) -> None:
    text = '[{"a": 1, "b": {"c": "x"}}, {"a": 2}]'
    assert read(tmp_path, text, "json").text == "a: 1; b.c: x\na: 2"
    assert codes(read(tmp_path, text, "json", max_rows=1)) == [("ROWS_LEFT_OUT", True)]


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 5000 + "1" + "}" * 5000, '{"a": ', "nonsense"])
def test_what_is_no_json_or_too_deep_is_corrupted(tmp_path: Path, text: str) -> None:
    with pytest.raises(CorruptedFile):
        read(tmp_path, text, "json")


def test_huge_numbers_are_text(tmp_path: Path) -> None:
    assert read(tmp_path, '{"n": ' + "9" * 10_000 + "}", "json").text == "n: " + "9" * 10_000


def test_json_lines_under_a_json_name(tmp_path: Path) -> None:
    assert read(tmp_path, '{"a": 1}\n{"a": 2}\n', "json").text == "a: 1\na: 2"


def test_a_bad_line_degrades(tmp_path: Path) -> None:
    document = read(tmp_path, '{"a": 1}\n\n{"a":\n{"a": 2}\n', "jsonl")
    assert document.text == "a: 1\na: 2"
    assert codes(document) == [("BAD_LINES", True)]
    assert "line 3" in document.warnings[0].message


def test_no_good_line_is_corrupted_and_no_value_is_empty(tmp_path: Path) -> None:
    with pytest.raises(CorruptedFile):
        read(tmp_path, "x\ny\n", "jsonl")
    with pytest.raises(EmptyDocument):
        read(tmp_path, "{}\n[]\nnull\n", "jsonl")


def test_lone_surrogates_are_replaced(tmp_path: Path) -> None:
    assert read(tmp_path, r'{"a": "x\ud800y"}', "json").text == "a: x\ufffdy"


def test_json_that_cannot_fit_is_refused_whole(tmp_path: Path) -> None:
    with pytest.raises(FileTooLarge):
        read(tmp_path, json.dumps({"a": "x" * (1024**2 + 10)}), "json", max_characters=100)


def test_sheets_are_headings_with_tables(tmp_path: Path) -> None:
    rows = [
        ("Name", "Paid", "When", "Rate"),
        ("Ada", True, dt.datetime(2024, 3, 1, 12, 30), 0.1 + 0.2),
        (None, None, None, None),
        ("Bob\nJr", False, dt.datetime(2024, 3, 2), 3.0),
    ]
    document = parse(make_xlsx(tmp_path / "book.xlsx", {"Pay": rows, "Empty": [], "Notes": [("only this",)]}), "xlsx")
    assert document.text.split("\n\n") == [
        "Pay",
        "Name: Ada; Paid: TRUE; When: 2024-03-01 12:30:00; Rate: 0.3\n"
        "Name: Bob Jr; Paid: FALSE; When: 2024-03-02; Rate: 3",
        "Notes",
        "only this",
    ]
    assert [block.kind.value for block in document.blocks] == ["heading", "table", "heading", "table"]


def test_a_workbook_without_cells_is_empty(tmp_path: Path) -> None:
    with pytest.raises(EmptyDocument):
        parse(make_xlsx(tmp_path / "book.xlsx", {"Nothing": []}), "xlsx")


def test_comments_and_text_boxes_follow_the_sheets(tmp_path: Path) -> None:
    path = make_xlsx(tmp_path / "book.xlsx", {"S": [("a", "b")]})
    book = load_workbook(path)
    book.active["A1"].comment = Comment("Is this\nright?", "Ada")
    book.save(path)
    words = "<a:p><a:r><a:t>In a </a:t></a:r><a:r><a:t>box</a:t></a:r></a:p>"
    box = f'<x:wsDr xmlns:x="x" xmlns:a="a"><x:txBody>{words}</x:txBody></x:wsDr>'
    document = parse(with_members(path, {"xl/drawings/drawing1.xml": box}), "xlsx")
    assert document.text == "S\n\na | b\n\nIs this\nright?\n\nIn a box"
    assert parse(with_members(path, {"xl/drawings/drawing1.xml": "<broken"}), "xlsx").text.startswith("S")


def test_a_false_dimension_hides_nothing(tmp_path: Path) -> None:
    path = make_xlsx(tmp_path / "book.xlsx", {"S": [("a", "b"), ("c", 1), ("d", 2)]})
    _replace_in_sheet(path, b'<dimension ref="A1:B3"/>', b'<dimension ref="A1"/>')
    assert "a: d; b: 2" in parse(path, "xlsx").text


def test_rows_and_cells_beyond_the_limits_degrade(tmp_path: Path) -> None:
    path = make_xlsx(tmp_path / "book.xlsx", {"One": [("a", "b"), *((1, 2) for _ in range(20))], "Two": [("x", "y")]})
    for params in ({"max_rows": 10}, {"max_cells": 20}):
        document = parse(path, "xlsx", **params)
        assert codes(document) == [("ROWS_LEFT_OUT", True)]
        assert len(document.text.splitlines()) < 15
        assert "Two" not in document.text
    assert "Two" in parse(path, "xlsx").text


def test_a_broken_sheet_costs_that_sheet(tmp_path: Path) -> None:
    path = make_xlsx(tmp_path / "book.xlsx", {"Good": [("a", "b"), ("c", 1)], "Bad": [("d",), ("e",)]})
    _replace_in_sheet(path, b'<row r="2">', b'<row r="2"><broken', sheet=2)
    document = parse(path, "xlsx")
    assert document.text == "Good\n\na: c; b: 1\n\nBad\n\nd"
    assert codes(document) == [("DAMAGED_PART", True)]
    _replace_in_sheet(path, b'<row r="1">', b'<row r="1"><broken', sheet=1)
    _replace_in_sheet(path, b'<row r="1">', b'<row r="1"><broken', sheet=2)
    with pytest.raises(CorruptedFile):
        parse(path, "xlsx")


def test_repeated_huge_strings_stop_at_the_limit(tmp_path: Path) -> None:
    path = make_xlsx(tmp_path / "book.xlsx", {"S": [("x" * 30_000,) for _ in range(500)]})
    document = parse(path, "xlsx", max_characters=100_000)
    assert len(document.text) <= 100_000
    assert document.degraded


def test_missing_properties_are_not_invented(tmp_path: Path) -> None:
    core = "<cp:coreProperties xmlns:cp='c' xmlns:dc='d'><dc:title>Oils</dc:title></cp:coreProperties>"
    path = with_members(make_xlsx(tmp_path / "book.xlsx"), {"docProps/core.xml": core})
    document = parse(path, "xlsx")
    assert document.title == "Oils"
    assert document.metadata == {}


def test_entity_bombs_do_not_expand(tmp_path: Path) -> None:
    entities = "".join(f'<!ENTITY e{level} "{f"&e{level - 1};" * 20}">' for level in range(1, 9))
    path = make_xlsx(tmp_path / "book.xlsx", {"S": [("text",)]})
    _replace_in_sheet(path, b"<worksheet ", f'<!DOCTYPE x [<!ENTITY e0 "boom">{entities}]><worksheet '.encode())
    _replace_in_sheet(path, b"<t>text</t>", b"<t>&e8;</t>")
    with pytest.raises(CorruptedFile):
        parse(path, "xlsx")


def _replace_in_sheet(path: Path, old: bytes, new: bytes, *, sheet: int = 1) -> None:
    name = f"xl/worksheets/sheet{sheet}.xml"
    with zipfile.ZipFile(path) as package:
        content = package.read(name)
    assert old in content
    with_members(path, {name: content.replace(old, new)})
