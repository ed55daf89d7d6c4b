"""Every exporter writes passages that can be read back, counts them, and takes any text."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from docmill import registry
from docmill.domain.contracts import ExportedDocument, ModelInfo
from docmill.domain.documents import ParsedDocument

TYPES = {
    "headings": pa.list_(pa.string()),
    "embedding": pa.list_(pa.float32(), 3),
    "page_start": pa.int32(),
    "char_start": pa.int32(),
    "char_end": pa.int32(),
    "position": pa.int32(),
    "tokens": pa.int32(),
    "page_end": pa.int32(),
}
COMMON = {"source": "docs", "title": None, "type": "markdown", "page_end": None, "tokens": 5, "document_id": "d" * 32}


def passage(number: int, **said: Any) -> dict[str, Any]:
    row = {"uri": "a.md", "position": number, "char_start": 10 * number, "char_end": 10 * number + 5, "headings": []}
    row |= {"text": "plain", "page_start": None, "chunk_id": f"{number:032x}", "embedding": [0.5, -0.25, 1 / 3]}
    row |= {"metadata": {"author": "Ü", "n": [1]}, **COMMON, **said}
    row["search_text"] = row["text"]
    row["embedding"] = pa.array(row["embedding"], pa.float32()).to_pylist()
    return row


ROWS = [
    passage(0, text='quotes " and\nlines, 😀', headings=["A", "B"]),
    passage(1, text="-1+1", page_start=2),
]


class Rows:
    """An export of rows at hand; all of one document."""

    def __init__(self, rows: list[dict[str, Any]], fields: list[str] | None = None) -> None:
        self.database = "default"
        self.model = ModelInfo("of-a-test", "test", "f" * 64, 3, max_tokens=16)
        self.fields = tuple(fields or (rows or ROWS)[0])
        self.schema = pa.schema([pa.field(name, TYPES.get(name, pa.string())) for name in self.fields])
        self._rows = rows

    def rows(self) -> Iterator[dict[str, Any]]:
        return iter(self._rows)

    def batches(self) -> Iterator[pa.RecordBatch]:
        for row in self._rows:
            stored = {**row, "metadata": json.dumps(row["metadata"])} if "metadata" in row else row
            yield pa.RecordBatch.from_pylist([stored], self.schema)

    def documents(self) -> Iterator[ExportedDocument]:
        if self._rows:
            row = self._rows[0]
            times = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
            named = (row["uri"], "docs", None, "markdown", 1, "sha256-0", len(self._rows))
            yield ExportedDocument("d" * 32, *named, *times, {"author": "Ü"}, tuple(self._rows))

    def markdown(self, document: ExportedDocument) -> str:
        return self.text(document)

    def text(self, document: ExportedDocument) -> str:
        return self.parsed(document).text

    def parsed(self, document: ExportedDocument) -> ParsedDocument:
        return ParsedDocument("markdown", "\n\n".join(row["text"] for row in document.passages), ())


def written(name: str, rows: list[dict[str, Any]], fields: list[str] | None = None) -> str:
    stream = io.BytesIO()
    registry.load("exporters", name).write(Rows(rows, fields), stream)
    return stream.getvalue().decode("utf-8")


@pytest.mark.parametrize("name", registry.names("exporters"))
def test_it_counts_and_leaves_the_stream_open(name: str, tmp_path: Path) -> None:
    exporter = registry.load("exporters", name)
    assert exporter.suffix == "" or exporter.suffix.startswith(".")
    assert set(exporter.needs) <= set(ROWS[0])
    for rows in (ROWS, []):
        if exporter.folder:
            place = tmp_path / f"folder-{len(rows)}"
            place.mkdir()
            assert exporter.write(Rows(rows), place) == len(rows)
            assert any(place.iterdir()) or not rows
        else:
            stream = io.BytesIO()
            assert exporter.write(Rows(rows), stream) == len(rows)
            assert not stream.closed and bool(stream.getvalue()) >= bool(rows)


def test_json_lines() -> None:
    assert [json.loads(line) for line in written("jsonl", ROWS).splitlines()] == ROWS


def test_json() -> None:
    for rows in (ROWS, []):
        assert json.loads(written("json", rows)) == rows


def test_parquet(tmp_path: Path) -> None:
    for rows in (ROWS, []):
        stream = io.BytesIO()
        registry.load("exporters", "parquet").write(Rows(rows), stream)
        read = pq.read_table(io.BytesIO(stream.getvalue()))
        assert read.schema.equals(Rows(rows).schema)
        found = [{**row, "metadata": json.loads(row["metadata"])} for row in read.to_pylist()]
        assert found == rows


def test_lance(tmp_path: Path) -> None:
    import lancedb

    assert registry.load("exporters", "lance").write(Rows(ROWS), tmp_path) == 2
    table = lancedb.connect(tmp_path).open_table("chunks")
    assert table.schema.field("embedding").type == TYPES["embedding"]
    assert [{**row, "metadata": json.loads(row["metadata"])} for row in table.to_arrow().to_pylist()] == ROWS
    assert table.search([0.5, -0.25, 0.3], vector_column_name="embedding").limit(1).to_list()[0]["uri"] == "a.md"


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("a/b.pdf", "docs/a/b.pdf"),
        ("../../etc/x", "docs/etc/x"),
        ("https://example.org//a?b", "docs/https:/example.org/a?b"),
        ("pack.zip!/in/x.md", "docs/pack.zip!/in/x.md"),
        ("ä" * 150, "docs/" + "ä" * 100 + "~dddddddd"),
    ],
)
def test_markdown_lies_where_the_uri_says_and_nowhere_else(uri: str, place: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    rows = [{**row, "uri": uri} for row in ROWS]
    assert registry.load("exporters", "markdown").write(Rows(rows), out) == 2
    files = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert files == [f"{place}.json", f"{place}.md"]
    assert (out / f"{place}.md").read_text("utf-8") == 'quotes " and\nlines, 😀\n\n-1+1'
    known = json.loads((out / f"{place}.json").read_text("utf-8"))
    assert (known["uri"], known["metadata"], len(known["passages"])) == (uri, {"author": "Ü"}, 2)
    assert known["passages"][1]["page_start"] == 2 and "text" not in known["passages"][1]


def test_csv_disarms_formulas() -> None:
    header, first, second = csv.reader(io.StringIO(written("csv", [{**row, "uri": "=cmd()"} for row in ROWS])))
    rows = [dict(zip(header, row, strict=True)) for row in (first, second)]
    assert header == list(ROWS[0])
    assert rows[0]["text"] == ROWS[0]["text"]
    assert json.loads(rows[0]["headings"]) == ["A", "B"]
    assert [rows[1][name] for name in ("uri", "text", "char_start", "title")] == ["'=cmd()", "'-1+1", "10", ""]


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
def test_csv_takes_whatever_a_spreadsheet_would_run_as_text(text: str) -> None:
    rows = [{text: text, "number": -1, "share": -0.5, "metadata": {text: text}}]
    header, row = csv.reader(io.StringIO(written("csv", rows), newline=""))
    assert header[0].startswith("'") and row[0].startswith("'")
    assert row[1:3] == ["-1", "-0.5"]
    assert row[3].startswith("{")


@pytest.mark.parametrize("text", ["plain", "a=b", "1-2", "'quoted", "", "\u0639\u200f-", "2024-01-01"])
def test_csv_leaves_all_other_text_alone(text: str) -> None:
    assert list(csv.reader(io.StringIO(written("csv", [{"text": text, "n": 1}]), newline="")))[1] == [text, "1"]


@pytest.mark.parametrize("name", ["jsonl", "json"])
def test_json_keeps_any_text_and_shows_no_terminal_any_of_it(name: str) -> None:
    text = "\x00\x1b[31m\x7f\x85\x9b31m\u00ad\u061c\u200b\u200c\u200f\u2028\u202e\u2066\ufeff\U000e0041 \u0639 ü 😀"
    rows = [{"text": text, text: 1}]
    found = written(name, rows)
    assert [json.loads(found)] in (rows, [rows])
    assert not [each for each in found if unicodedata.category(each) in ("Cc", "Cf", "Zl") and each != "\n"]
    assert "ü 😀" in found
