"""What comes out again: search in its modes and scopes, exports, databases, vacuum."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Mill
from docmill.errors import DatabaseNotFound, ModelMismatch, NotAllowedError, NotFoundError, UsageError
from docmill.service import databases, exporting, home, searching
from docmill.settings import build

BODY = "\n\n".join(
    f"## Part {n}\n\n" + f"Paragraph {n} speaks of {word}. " * 12
    for n, word in enumerate(["walnut", "linseed", "beeswax", "shellac", "varnish", "turpentine"])
)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mill]:
    """Three documents in a home that the tests of this module only read."""
    mill = Mill(tmp_path_factory.mktemp("filled"))
    mill.folder.mkdir()
    home.init(mill.settings)
    mill.write("care/guide.md", f"# Guide\n\n{BODY}\n")
    mill.write("care/oil's.md", "# Oils\n\nLinseed dries slowly, walnut slower.\n")
    mill.write("tools.md", "# Tools\n\nA plane, a chisel and a saw.\n")
    mill.sync(overrides=["chunk.size=60"])
    yield mill


@pytest.mark.parametrize("mode", ["hybrid", "vector", "fts"])
def test_each_mode_finds_the_passage(filled: Mill, mode: str) -> None:
    result = filled.search("chisel and saw", mode=mode)
    assert (result.mode, result.hits[0].uri, result.hits[0].rank) == (mode, "tools.md", 1)
    assert [hit.rank for hit in result.hits] == list(range(1, len(result.hits) + 1))
    scores = [hit.score for hit in result.hits]
    assert scores == sorted(scores, reverse=True)


def test_scopes_limits_and_thresholds(filled: Mill) -> None:
    assert {hit.uri for hit in filled.search("walnut", uri_prefix="care/oil's").hits} == {"care/oil's.md"}
    assert filled.search("walnut", source=["another"]).hits == []
    assert filled.search("walnut", source=["x' OR 'a' = 'a"]).hits == []
    assert len(filled.search("walnut", limit=2).hits) == 2
    once = filled.search("walnut linseed beeswax", per_document=True).hits
    assert len({hit.document_id for hit in once}) == len(once) == 3
    assert all(hit.score >= 0.2 for hit in filled.search("walnut", mode="vector", min_score=0.2).hits)
    assert filled.search("walnut", mode="vector", min_score=1.5).hits == []


def test_neighbours_come_in_order(filled: Mill) -> None:
    [hit] = filled.search("beeswax", mode="fts", limit=1, context=1).hits
    assert hit.before and hit.after
    assert hit.before[-1].char_end <= hit.char_start
    assert hit.char_end <= hit.after[0].char_start


def test_odd_questions(filled: Mill) -> None:
    for query in ('"walnut', "wal*nut AND (", "'; DROP TABLE chunks", "日本語", "a" * 5000):
        filled.search(query)
    for wrong in ({"query": "  "}, {"query": "x", "mode": "psychic"}):
        with pytest.raises(UsageError):
            searching.search(filled.settings, **wrong)  # type: ignore[arg-type] # that is the point
    with pytest.raises(DatabaseNotFound):
        filled.search("x", database="no-such")


def test_nothing_to_search(mill: Mill) -> None:
    with pytest.raises(NotFoundError):
        mill.search("anything")


def test_exports(filled: Mill, tmp_path: Path) -> None:
    rows = len(filled.rows())
    for format_ in ("jsonl", "json", "csv"):
        path = tmp_path / f"out.{format_}"
        result = exporting.export(filled.settings, batch="1", format=format_, output=str(path), include_metadata=True)
        assert (result.rows, result.path, result.size_bytes) == (rows, str(path), path.stat().st_size)
        assert result.fields[-1] == "metadata"
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert lines == json.loads((tmp_path / "out.json").read_text("utf-8"))
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as stream:
        assert sorted(row["text"] for row in csv.DictReader(stream)) == sorted(line["text"] for line in lines)
    vectors = tmp_path / "vectors.jsonl"
    exporting.export(filled.settings, database="default", output=str(vectors), include_embeddings=True)
    assert {len(json.loads(line)["embedding"]) for line in vectors.read_text().splitlines()} == {64}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "out.json", "out.jsonl", "vectors.jsonl"]


def test_exports_that_are_refused(filled: Mill, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        exporting.export(filled.settings, output=str(tmp_path / "x"))
    with pytest.raises(UsageError):
        exporting.export(filled.settings, batch="1", database="default", output=str(tmp_path / "x"))
    with pytest.raises(DatabaseNotFound):
        exporting.export(filled.settings, database="no-such", output=str(tmp_path / "x"))
    with pytest.raises(UsageError):
        exporting.export(filled.settings, batch="1", format="papyrus", output=str(tmp_path / "x"))
    assert list(tmp_path.iterdir()) == []


def test_databases(filled: Mill) -> None:
    listed = databases.list_databases(filled.settings, limit=10, offset=0)
    assert [each.name for each in listed.databases] == ["default"]
    info = databases.info(filled.settings, "default")
    assert (info.documents.count, info.chunks.count) == (3, len(filled.rows()))
    assert (info.embeddings.provider, info.embeddings.vector_dim) == ("hashing", 64)
    assert info.full_text_index.exists
    stored = databases.documents(filled.settings, "default", limit=2, offset=1)
    assert (stored.total, [each.uri for each in stored.documents]) == (3, ["care/oil's.md", "tools.md"])
    assert sum(each.chunk_count for each in databases.documents(filled.settings, "default", limit=9, offset=0).documents) == len(filled.rows())  # fmt: skip # noqa: E501 - one sum


def test_vacuum_changes_no_answer(mill: Mill) -> None:
    mill.write_many(3)
    mill.sync()
    for number in range(3):
        mill.write("note-000.md", f"# Again\n\nVersion {number} of this note.\n")
        mill.sync()
    texts = mill.texts()
    result = databases.vacuum(mill.settings, "default")
    assert result.space_freed_bytes == max(result.size_before_bytes - result.size_after_bytes, 0)
    assert mill.texts() == texts
    assert mill.found("version 2") == ["note-000.md"]
    mill.write("note-001.md", "# New\n\nIt came after the vacuum.\n")
    mill.sync()
    assert mill.found("after the vacuum") == ["note-001.md"]


def test_another_model_needs_another_database(mill: Mill) -> None:
    mill.write_many(2)
    mill.sync()
    with pytest.raises(ModelMismatch):
        mill.sync(overrides=["embed.model=hashing-32"])
    assert mill.sync().reason is None, "the refused sync has left something behind"
    mill.sync(overrides=["embed.model=hashing-32", "store.database=narrow"])
    assert mill.texts("narrow") == mill.texts()
    assert mill.search("note", database="narrow").hits


def test_a_query_by_another_state_of_the_model_is_refused(mill: Mill) -> None:
    mill.write_many(1)
    mill.sync()
    import lancedb

    table = lancedb.connect(mill.home / "lancedb" / "default").open_table("settings")
    table.update(where="key = 'fingerprint'", values={"value": "of other weights"})
    with pytest.raises(NotAllowedError):
        mill.search("note")
    assert mill.search("note", mode="fts").hits


def test_a_home_is_made_once(tmp_path: Path) -> None:
    settings = build(home=tmp_path / "h")
    assert home.init(settings).created
    assert not home.init(settings).created
