"""Every exporter writes rows that can be read back, counts them, and takes any text."""

from __future__ import annotations

import csv
import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from docmill import registry

ROWS: list[dict[str, Any]] = [
    {"uri": "a.md", "text": 'quotes " and\nlines, 😀', "char_start": 0, "headings": ["A", "B"], "page": None},
    {"uri": "=cmd()", "text": "-1+1", "char_start": 7, "headings": [], "page": 2},
]
FIELDS = ["uri", "text", "char_start", "headings", "page"]


@pytest.mark.parametrize("name", registry.names("exporters"))
def test_counts_and_suffix(name: str, tmp_path: Path) -> None:
    exporter = registry.load("exporters", name)
    assert exporter.suffix.startswith(".")
    for rows in (ROWS, []):
        path = tmp_path / f"{len(rows)}{exporter.suffix}"
        assert exporter.write(iter(rows), path, FIELDS) == len(rows)
        assert path.exists()


def test_json_lines(tmp_path: Path) -> None:
    registry.load("exporters", "jsonl").write(iter(ROWS), tmp_path / "x", FIELDS)
    assert [json.loads(line) for line in (tmp_path / "x").read_text("utf-8").splitlines()] == ROWS


def test_json(tmp_path: Path) -> None:
    for rows in (ROWS, []):
        registry.load("exporters", "json").write(iter(rows), tmp_path / "x", FIELDS)
        assert json.loads((tmp_path / "x").read_text("utf-8")) == rows


def test_csv_disarms_formulas(tmp_path: Path) -> None:
    registry.load("exporters", "csv").write(iter(ROWS), tmp_path / "x", FIELDS)
    with (tmp_path / "x").open(newline="", encoding="utf-8") as stream:
        header, first, second = csv.reader(stream)
    assert header == FIELDS
    assert first[1] == ROWS[0]["text"]
    assert json.loads(first[3]) == ["A", "B"]
    assert second[:3] == ["'=cmd()", "'-1+1", "7"]


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "\ttext",
        "  =1+1",
        "\u00a0=1",
        "\u200b\u200f=1",
        "\ufeff=1",
        "\x00=1",
        "\uff1d1+1",
        "\uff0b1",
        "\uff0d1",
        "\uff20SUM(A1)",
        "\ufe66 1",
    ],
)
def test_csv_takes_whatever_a_spreadsheet_would_run_as_text(text: str, tmp_path: Path) -> None:
    rows = [{text: text, "number": -1, "share": -0.5, "metadata": {text: text}}]
    registry.load("exporters", "csv").write(iter(rows), tmp_path / "x", [text, "number", "share", "metadata"])
    with (tmp_path / "x").open(newline="", encoding="utf-8") as stream:
        header, row = csv.reader(stream)
    assert header[0].startswith("'") and row[0].startswith("'")
    assert row[1:3] == ["-1", "-0.5"]
    assert row[3].startswith("{")


@pytest.mark.parametrize("text", ["plain", "a=b", "1-2", "'quoted", "", "\u0639\u200f-", "2024-01-01"])
def test_csv_leaves_all_other_text_alone(text: str, tmp_path: Path) -> None:
    registry.load("exporters", "csv").write(iter([{"text": text, "n": 1}]), tmp_path / "x", ["text", "n"])
    with (tmp_path / "x").open(newline="", encoding="utf-8") as stream:
        assert list(csv.reader(stream))[1] == [text, "1"]


@pytest.mark.parametrize("name", ["jsonl", "json"])
def test_json_keeps_any_text_and_shows_no_terminal_any_of_it(name: str, tmp_path: Path) -> None:
    text = "\x00\x1b[31m\x7f\x85\x9b31m\u00ad\u061c\u200b\u200c\u200f\u2028\u202e\u2066\ufeff\U000e0041 \u0639 ü 😀"
    rows = [{"text": text, text: 1}]
    registry.load("exporters", name).write(iter(rows), tmp_path / "x", ["text", text])
    written = (tmp_path / "x").read_text("utf-8")
    assert [json.loads(written)] in (rows, [rows])
    assert not [each for each in written if unicodedata.category(each) in ("Cc", "Cf", "Zl") and each != "\n"]
    assert "ü 😀" in written
