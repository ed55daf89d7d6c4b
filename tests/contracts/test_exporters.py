"""Every exporter writes rows that can be read back, counts them, and takes any text."""

from __future__ import annotations

import csv
import json
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
