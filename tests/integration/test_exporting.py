"""Exports of a real database: what is read back is what lies there, at one version, whole or absent."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import Mill
from docmill.domain.results import ExportReport, ExportResult
from docmill.errors import AlreadyExists, UsageError
from docmill.service import exporting, home
from docmill.stores import published
from docmill.stores.published import Published
from docmill.stores.reading import DOCUMENTS, Database

GUIDE = "# Guide — Ölpflege\n\n" + "\n\n".join(
    f"## Part {n}\n\n" + f"Paragraph {n} speaks of {word}. 日本語 😀 " * 9
    for n, word in enumerate(["walnut", "linseed", "beeswax", "shellac", "varnish", "turpentine"])
)
TABLE = "| name | use |\n|---|---|\n" + "\n".join(f"| oil {n} | dries in {n} days |" for n in range(60))
TO_STDOUT = """
import sys
from pathlib import Path
from docmill import settings
from docmill.service.exporting import export
export(settings.build(home=Path(sys.argv[1])), database="default", format=sys.argv[2], compression=sys.argv[3] or None)
"""
KILLED = """
import os, signal, sys
from pathlib import Path
from docmill import settings
from docmill.service.exporting import export
from docmill.stores.published import Published
batches = Published.batches
def some(self):
    yield next(batches(self))
    os.kill(os.getpid(), signal.SIGKILL)
Published.batches = some
export(settings.build(home=Path(sys.argv[1])), database="default", format=sys.argv[2], output=sys.argv[3])
"""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mill]:
    """Documents in two sources, which the tests of this module only read."""
    mill = Mill(tmp_path_factory.mktemp("filled"))
    home.init(mill.settings)
    mill.write("care/guide.md", GUIDE)
    mill.write("=cmd().md", "# =1+1\n\n-5 is what the formula gives.\n")
    mill.write("table.md", f"# Oils\n\n{TABLE}\n")
    mill.sync(overrides=["chunk.size=60"])
    (mill.root / "more").mkdir()
    (mill.root / "more" / "other.md").write_text("# Other\n\nOf another source.\n", "utf-8")
    (mill.root / "more" / "broken.pdf").write_bytes(b"%PDF-1.4 nothing more")
    mill.sync(mill.root / "more")
    yield mill


def export(mill: Mill, output: Path | None, **options: Any) -> ExportResult:
    if "batch" not in options:
        options["database"] = "default"
    return exporting.export(mill.settings, output=str(output) if output else None, **options)


def stored(mill: Mill) -> dict[str, dict[str, Any]]:
    """The rows of the database by id, with an export's names, and metadata."""
    table = Database(mill.home, "default").table(DOCUMENTS)
    metadata = {row["document_id"]: json.loads(row["metadata"]) for row in table.to_arrow().to_pylist()}
    rows = [{**row, "embedding": row["vector"], "metadata": metadata[row["document_id"]]} for row in mill.rows()]
    return {row["chunk_id"]: {name: row[name] for name in exporting.FIELDS} for row in rows}


def read(path: Path, format_: str) -> list[dict[str, Any]]:
    if format_ == "jsonl":
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    if format_ == "json":
        return json.loads(path.read_text("utf-8"))  # type: ignore[no-any-return] # a list of rows
    if format_ == "parquet":
        rows = pq.read_table(path).to_pylist()
    else:
        import lancedb

        rows = lancedb.connect(path).open_table("chunks").to_arrow().to_pylist()
    return [{**row, "metadata": json.loads(row["metadata"])} for row in rows]


@pytest.mark.parametrize("format_", ["jsonl", "json", "parquet", "lance"])
def test_what_is_read_back_is_what_lies_there(format_: str, filled: Mill, tmp_path: Path) -> None:
    result = export(filled, tmp_path / "out", format=format_, include_embeddings=True, include_metadata=True)
    rows, there = read(tmp_path / "out", format_), stored(filled)
    assert {row["chunk_id"]: row for row in rows} == there
    assert (result.rows, result.documents, result.fields) == (len(there), 4, list(exporting.FIELDS))
    assert {row["page_start"] for row in rows} == {None}
    vectors = np.array([row["embedding"] for row in rows], np.float32)
    assert np.array_equal(vectors, np.array([there[row["chunk_id"]]["embedding"] for row in rows], np.float32))
    positions = [(row["uri"], row["position"]) for row in rows if row["uri"] == "care/guide.md"]
    assert len(positions) > 2 and positions == sorted(positions)


def test_csv_is_the_same_but_for_formulas(filled: Mill, tmp_path: Path) -> None:
    export(filled, tmp_path / "out.csv", include_embeddings=True, include_metadata=True)
    there = stored(filled)
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["chunk_id"] for row in rows} == set(there)
    for row in rows:
        own = there[row["chunk_id"]]
        assert json.loads(row["embedding"]) == own["embedding"]
        assert json.loads(row["metadata"]) == own["metadata"]
        assert (row["page_start"], int(row["char_end"])) == ("", own["char_end"])
        assert row["text"].removeprefix("'") == own["text"]
    assert {row["uri"] for row in rows if "cmd" in row["uri"]} == {"'=cmd().md"}


def test_fields_follow_from_what_is_asked_for(filled: Mill, tmp_path: Path) -> None:
    plain = export(filled, tmp_path / "a.jsonl", include_text=False)
    assert set(plain.fields) == set(exporting.FIELDS) - {"text", "embedding", "metadata"}
    assert set(read(tmp_path / "a.jsonl", "jsonl")[0]) == set(plain.fields)


def test_a_batch_and_a_filter_narrow_it(filled: Mill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = export(filled, tmp_path / "all.jsonl")
    one = export(filled, tmp_path / "one.jsonl", batch="more")
    assert (one.rows, one.documents, both.documents) == (1, 1, 4)
    some = export(filled, tmp_path / "some.jsonl", filter="uri = 'care/guide.md' and text like '%beeswax%'")
    assert 0 < some.rows < both.rows and some.documents == 1
    monkeypatch.setattr(published, "_IDS_IN_A_CONDITION", 0)  # as a batch of many documents
    assert export(filled, tmp_path / "docs.jsonl", batch="docs").documents == 3
    assert {row["source"] for row in read(tmp_path / "docs.jsonl", "jsonl")} == {"docs"}


def test_documents_may_go_on_in_the_next_portion(filled: Mill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = export(filled, tmp_path / "whole", format="markdown")
    monkeypatch.setattr(published, "_ROWS_AT_ONCE", 2)
    monkeypatch.setattr(published, "_ROWS_A_LOOK", 1)
    parts = export(filled, tmp_path / "parts", format="markdown")
    assert (parts.rows, parts.documents) == (whole.rows, whole.documents) == (len(filled.rows()), 4)
    for path in (tmp_path / "whole").rglob("*.md*"):
        assert (tmp_path / "parts" / path.relative_to(tmp_path / "whole")).read_bytes() == path.read_bytes()


def test_markdown_is_the_whole_text_with_its_headings(filled: Mill, tmp_path: Path) -> None:
    result = exporting.export(filled.settings, batch="docs", per_document=str(tmp_path / "out"))
    assert result.format == "markdown"
    guide = tmp_path / "out" / "docs" / "care" / "guide.md.md"
    assert guide.read_text("utf-8").split() == GUIDE.split()
    assert "\n\n## Part 2\n\n" in guide.read_text("utf-8")
    known = json.loads(guide.with_name("guide.md.json").read_text("utf-8"))
    own = [row for row in filled.rows() if row["uri"] == "care/guide.md"]
    assert [each["chunk_id"] for each in known["passages"]] == [row["chunk_id"] for row in own]
    table = (tmp_path / "out" / "docs" / "table.md.md").read_text("utf-8")
    assert table.startswith("# Oils\n\nname | use\n--- | ---\noil 0 | dries in 0 days\n")
    with pytest.raises(UsageError):
        exporting.export(filled.settings, batch="docs", per_document="x", format="csv")


def test_without_the_output_of_parsing_passages_make_the_text(
    filled: Mill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = Published(filled.home, Database(filled.home, "default"), exporting.FIELDS)
    exact = {each.uri: exported.text(each) for each in exported.documents()}
    assert "oil 59 | dries in 59 days" in exact["table.md"]
    monkeypatch.setattr(published.document_queries, "parsed_output", lambda *_: None)
    for each in exported.documents():
        text = exported.text(each)
        assert text.split() == exact[each.uri].split()
        for row in each.passages:
            part = text[row["char_start"] : row["char_end"]]
            assert row["text"].endswith(part) and part


@pytest.mark.parametrize("how", ["gz", "zst", "zip"])
def test_compressed_by_the_ending_or_by_name(how: str, filled: Mill, tmp_path: Path) -> None:
    export(filled, tmp_path / "plain.csv")
    packed = export(filled, tmp_path / f"packed.csv.{how}")
    named = export(filled, tmp_path / "named", format="csv", compression=how)
    assert (packed.format, packed.compression, named.compression) == ("csv", how, how)
    for name, inner in ((f"packed.csv.{how}", "packed.csv"), ("named", "default.csv")):
        assert unpacked(tmp_path / name, how, inner) == (tmp_path / "plain.csv").read_bytes()


def unpacked(path: Path, how: str, inner: str) -> bytes:
    if how == "zip":
        with zipfile.ZipFile(path) as package:
            assert package.namelist() == [inner]
            return package.read(inner)
    if how == "gz":
        return gzip.decompress(path.read_bytes())
    return bytes(pa.CompressedInputStream(pa.OSFile(str(path)), "zstd").read())


def test_a_folder_is_zipped_or_as_it_is(filled: Mill, tmp_path: Path) -> None:
    zipped = export(filled, tmp_path / "db.lancedb.zip")
    assert (zipped.format, zipped.compression) == ("lance", "zip")
    with zipfile.ZipFile(tmp_path / "db.lancedb.zip") as package:
        package.extractall(tmp_path / "out")
    import lancedb

    assert lancedb.connect(tmp_path / "out" / "db.lancedb").open_table("chunks").count_rows() == zipped.rows
    with pytest.raises(UsageError, match="folder"):
        export(filled, tmp_path / "x.lancedb.gz")
    with pytest.raises(UsageError, match="stdout"):
        export(filled, None, format="lance")
    export(filled, tmp_path / "db", format="lance")
    with pytest.raises(AlreadyExists):
        export(filled, tmp_path / "db", format="lance")
    export(filled, tmp_path / "db", format="markdown", replace=True)
    assert (tmp_path / "db" / "docs").is_dir() and not (tmp_path / "db" / "chunks.lance").exists()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["db", "db.lancedb.zip", "out"]


@pytest.mark.parametrize("name", ["x.parquet", "x.md"])
def test_a_report_lies_beside_it(name: str, filled: Mill, tmp_path: Path) -> None:
    result = export(filled, tmp_path / name, format=None if name == "x.parquet" else "markdown", report=True)
    report = ExportReport.model_validate_json((tmp_path / f"{name}.report.json").read_text("utf-8"))
    assert result.report == str(tmp_path / f"{name}.report.json")
    assert (report.rows, report.documents, report.model.vector_dim) == (result.rows, 4, 64)
    assert report.outcomes.failed_documents == 1
    assert [each.uri for each in report.failed_documents] == ["broken.pdf"]
    assert report.size_bytes == sum(each.size_bytes for each in report.files)
    for each in report.files:
        path = tmp_path / each.path if result.format == "parquet" else tmp_path / name / each.path
        assert hashlib.sha256(path.read_bytes()).hexdigest() == each.sha256
    with pytest.raises(UsageError):
        export(filled, None, report=True)


@pytest.mark.parametrize(("format_", "how"), [("jsonl", ""), ("parquet", ""), ("csv", "zip")])
def test_stdout_is_the_same_and_is_appended_to(format_: str, how: str, filled: Mill, tmp_path: Path) -> None:
    export(filled, tmp_path / "file", format=format_, compression=how or None)
    with (tmp_path / "out").open("wb") as out:
        out.write(b"before")
        out.flush()
        os.lseek(out.fileno(), 0, os.SEEK_END)
        command = [sys.executable, "-c", TO_STDOUT, str(filled.home), format_, how]
        subprocess.run(command, stdout=out, check=True)
    assert (tmp_path / "out").read_bytes() == b"before" + (tmp_path / "file").read_bytes()


@pytest.mark.parametrize("format_", ["parquet", "lance"])
def test_a_killed_export_leaves_what_was_there(format_: str, filled: Mill, tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(filled.home), format_, str(tmp_path / "out")]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    export(filled, tmp_path / "out", format=format_)
    assert [each.name for each in tmp_path.iterdir()] == ["out"]


def test_all_is_read_at_one_version(mill: Mill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though a sync replaces and deletes everything between the first row and the second."""
    monkeypatch.setattr(published, "_ROWS_AT_ONCE", 1)
    monkeypatch.setattr(published, "_ROWS_A_LOOK", 1)
    mill.write_many(4)
    mill.sync()
    before = mill.texts()
    exported = Published(mill.home, Database(mill.home, "default"), exporting.FIELDS)
    documents = exported.documents()
    first = next(documents)
    mill.write_many(3, words="Replaced")
    (mill.folder / "note-003.md").unlink()
    mill.sync()
    found = [first, *documents]
    assert {each.uri: [row["text"] for row in each.passages] for each in found} == before
    assert {each.version for each in found} == {1}
    after = Published(mill.home, Database(mill.home, "default"), exporting.FIELDS)
    assert {each.version for each in after.documents()} == {2}


def test_between_the_tags_of_two_tables_it_waits(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    mill.write_many(2)
    mill.sync()
    opened = Database(mill.home, "default")
    documents = opened.table(DOCUMENTS)
    torn = [documents.version - 1]
    table = opened.table

    def as_of(name: str) -> Any:
        found = table(name)
        if name == DOCUMENTS and torn:
            found.checkout(torn.pop())
        return found

    monkeypatch.setattr(opened, "table", as_of)
    exported = Published(mill.home, opened, exporting.FIELDS)
    assert len(list(exported.documents())) == 2 and not torn


def test_nothing_stored_is_nothing_exported(mill: Mill, tmp_path: Path) -> None:
    mill.write("a.md", "# A\n\nText.\n")
    mill.sync()
    (mill.folder / "a.md").unlink()
    mill.sync(allow_mass_delete=True)
    for name in ("o.json", "o.csv", "o.parquet", "o.lancedb"):
        assert export(mill, tmp_path / name).rows == 0
    assert read(tmp_path / "o.json", "json") == read(tmp_path / "o.lancedb", "lance") == []
