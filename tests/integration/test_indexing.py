"""Indexes and upkeep of a real LanceDB database: what is found with them, what stays for readers, what goes."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from conftest import Mill
from docmill.domain import identity
from docmill.domain.contracts import ModelInfo
from docmill.domain.documents import Chunk
from docmill.service import databases
from docmill.stores import compacting, database_folders, indexing, reading
from docmill.stores.reading import CHUNKS, DOCUMENTS, Database, Scope
from docmill.stores.schemas import StoredDocument
from docmill.stores.vectors import VectorStore

DIMENSION = 32
MODEL = ModelInfo("test", "test", "fingerprint", DIMENSION, 256)
ROWS_EACH = 20
LEAST_RECALL = 0.95


def clustered(count: int, seed: int) -> NDArray[np.float32]:
    """``(count, DIMENSION)`` of length 1, around forty centres, as passages are around their subjects."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(40, DIMENSION))
    rows = centres[rng.integers(40, size=count)] + 0.6 * rng.normal(size=(count, DIMENSION))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def document(uri: str, vectors: NDArray[np.float32], source: str = "s") -> StoredDocument:
    document_id = identity.document_id(source, uri)
    texts = [f"words of {uri}, passage {number}" for number in range(len(vectors))]
    return StoredDocument(
        document_id, uri, source, None, "text", 1, "sha256-0", {}, "then", "now",
        identity.chunk_ids(document_id, texts), [Chunk(text, 0, len(text), 4) for text in texts], vectors,
    )  # fmt: skip


def documents(count: int, seed: int) -> list[StoredDocument]:
    rows = clustered(count * ROWS_EACH, seed).reshape(count, ROWS_EACH, DIMENSION)
    return [document(f"{seed}/{number}", each, f"source-{number % 10}") for number, each in enumerate(rows)]


def open_store(home: Path) -> VectorStore:
    return VectorStore(home / "lancedb" / "default", MODEL, "hashing")


def chunks(home: Path) -> Any:
    return Database(home, "default").table(CHUNKS)


def recall(table: Any, scope: Scope) -> float:
    """Of the ten nearest, averaged over questions, against the search that compares every vector."""
    shares = []
    for question in clustered(30, seed=99):
        nearest = {row["chunk_id"] for row in reading.vector_hits(table, question, 10, scope, exact=True)}
        found = {row["chunk_id"] for row in reading.vector_hits(table, question, 60, scope)[:10]}
        assert len(nearest) == 10
        shares.append(len(found & nearest) / len(nearest))
    return float(np.mean(shares))


# ---- indexes ---------------------------------------------------------------------------------------------------------


def test_few_passages_are_searched_without_an_index(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.replace(documents(5, seed=1), [])
    store.finish(vector_rows=5 * ROWS_EACH + 1)
    assert not indexing.has_vector_index(chunks(tmp_path))
    store.finish(vector_rows=5 * ROWS_EACH)
    assert indexing.has_vector_index(chunks(tmp_path))


def test_an_index_finds_what_an_exact_search_does(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.replace(documents(300, seed=1), [])
    store.finish(vector_rows=1_000)
    late = documents(40, seed=2)
    store.replace(late, [])  # outside of the index
    table = chunks(tmp_path)
    stats = table.index_stats("vector_idx")
    assert (stats.num_indexed_rows, stats.num_unindexed_rows) == (300 * ROWS_EACH, 40 * ROWS_EACH)
    for scope in (Scope(), Scope(sources=("source-3",)), Scope(uri_prefix="2/")):
        assert recall(table, scope) >= LEAST_RECALL
    [hit] = reading.vector_hits(table, late[0].vectors[3], 1, Scope())
    assert hit["chunk_id"] == late[0].chunk_ids[3]
    assert hit["score"] == pytest.approx(1.0, abs=1e-5)  # the cosine of the vectors themselves, not of their bytes


def test_what_comes_later_is_taken_into_the_indexes_once_it_is_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "VECTORS_OUTSIDE", 100)
    monkeypatch.setattr(indexing, "TEXT_OUTSIDE", 100)
    store = open_store(tmp_path)
    store.replace(documents(50, seed=1), [])
    store.finish(vector_rows=1_000)
    for seed, outside in ((2, 100), (3, 0)):  # a tenth is not much, more than that is
        store.replace(documents(5, seed), [])
        store.finish(vector_rows=1_000)
        table = chunks(tmp_path)
        for index in table.list_indices():
            assert table.index_stats(index.name).num_unindexed_rows == outside


def test_of_many_passages_less_than_a_tenth_may_lie_outside_of_the_text_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "TEXT_OUTSIDE", 10)
    monkeypatch.setattr(indexing, "TEXT_MOST_OUTSIDE", 2 * ROWS_EACH)
    store = open_store(tmp_path)
    store.replace(documents(50, seed=1), [])
    store.finish(vector_rows=1_000_000)
    for seed, count, outside in ((2, 2, 2 * ROWS_EACH), (3, 1, 0)):
        store.replace(documents(count, seed), [])
        store.finish(vector_rows=1_000_000)
        [index] = chunks(tmp_path).list_indices()
        assert chunks(tmp_path).index_stats(index.name).num_unindexed_rows == outside


@pytest.mark.parametrize("many", [1, 1_000])
def test_merging_files_leaves_no_row_outside_of_the_indexes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    """Whether they are made anew, as of many files, or follow the rows to where those went."""
    monkeypatch.setattr(indexing, "MANY_FILES", many)
    store = open_store(tmp_path)
    first = documents(60, seed=1)
    for start in range(0, len(first), 10):
        store.replace(first[start : start + 10], [])
    store.finish(vector_rows=1_000)
    store.replace(documents(20, seed=2), [each.document_id for each in first[:20]])
    store.vacuum(vector_rows=1_000)
    table = chunks(tmp_path)
    assert table.stats()["fragment_stats"]["num_fragments"] <= 2
    for index in table.list_indices():
        stats = table.index_stats(index.name)
        assert (stats.num_indexed_rows, stats.num_unindexed_rows) == (60 * ROWS_EACH, 0)
    assert len(table.list_indices()) == 2
    assert recall(table, Scope()) >= LEAST_RECALL
    found = {row["uri"] for row in reading.text_hits(table, "passage", 10_000, Scope())}
    assert found == {*(f"1/{number}" for number in range(20, 60)), *(f"2/{number}" for number in range(20))}


@pytest.mark.parametrize("left", [0, 1])
def test_indexes_of_what_is_nearly_gone_are_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    monkeypatch.setattr(indexing, "MANY_FILES", 1)
    store = open_store(tmp_path)
    many = documents(60, seed=1)
    store.replace(many, [])
    store.finish(vector_rows=1_000)
    for number in range(3):
        store.replace([document(f"last/{number}", clustered(1, seed=0))], [])
    store.replace([], [each.document_id for each in many])
    store.replace([], [identity.document_id("s", f"last/{number}") for number in range(left, 3)])
    store.vacuum(vector_rows=1_000)
    table = chunks(tmp_path)
    assert [hit["uri"] for hit in reading.vector_hits(table, clustered(1, seed=0)[0], 5, Scope())] == ["last/0"] * left
    store.replace(many, [])
    store.finish(vector_rows=1_000)
    assert len(reading.text_hits(chunks(tmp_path), "passage", 10_000, Scope())) == 60 * ROWS_EACH + left


def test_an_index_that_was_not_published_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(tmp_path)
    store.replace(documents(60, seed=1), [])
    reader = chunks(tmp_path)
    monkeypatch.setattr(VectorStore, "publish", lambda self: None)
    store.finish(vector_rows=1_000)
    assert chunks(tmp_path).list_indices() == []
    monkeypatch.undo()
    open_store(tmp_path).finish(vector_rows=1_000)
    assert len(chunks(tmp_path).list_indices()) == 2
    assert reader.list_indices() == []
    assert reader.count_rows() == len(reader.to_arrow()) == 60 * ROWS_EACH


def test_indexes_on_demand(mill: Mill) -> None:
    mill.write_many(30)
    mill.sync()
    before = mill.search("Notes 7", mode="vector").hits
    few = databases.index(mill.settings, "default")
    assert (few.vector_index.exists, few.full_text_index.unindexed_rows) == (False, 0)
    mill.flags["vector_index_rows"] = 10
    made = databases.index(mill.settings, "default")
    assert (made.vector_index.type, made.vector_index.indexed_rows, made.rows) == ("IVF_SQ", 30, 30)
    assert mill.search("Notes 7", mode="vector").hits == before
    mill.write("late.md", "# Late\n\nIt came last.\n")
    mill.sync()
    info = databases.info(mill.settings, "default")
    assert (info.vector_index.unindexed_rows, info.full_text_index.unindexed_rows) == (1, 1)
    rebuilt = databases.index(mill.settings, "default", rebuild=True)
    assert (rebuilt.vector_index.indexed_rows, rebuilt.full_text_index.indexed_rows) == (31, 31)
    assert rebuilt.vector_index.size_bytes > 0
    assert mill.found("came last") == ["late.md"]
    assert mill.search("It came last", mode="vector", exact=True).hits[0].uri == "late.md"


def test_a_run_makes_the_index_that_has_come_due(mill: Mill) -> None:
    mill.flags["vector_index_rows"] = 20
    mill.write_many(15)
    mill.sync()
    assert not databases.info(mill.settings, "default").vector_index.exists
    mill.write_many(25)
    mill.sync()
    assert databases.info(mill.settings, "default").vector_index.indexed_rows == 25
    assert len(mill.texts()) == 25


# ---- upkeep ----------------------------------------------------------------------------------------------------------


def window(store: VectorStore, edition: int) -> None:
    """What a small sync does: one document is new, and one is another."""
    one = document("a", clustered(2, seed=edition))
    store.replace([one, document(f"new/{edition}", clustered(1, seed=edition))], [one.document_id])


def test_small_windows_leave_few_files_and_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compacting, "KEEP_VERSIONS", timedelta(0))
    store = open_store(tmp_path)
    files = []
    for edition in range(300):
        window(store, edition)
        store.finish(vector_rows=1_000)
        files.append(database_folders.size_and_files(store.folder)[1])
    assert max(files) < 800
    assert max(files[200:]) <= max(files[:200]) + 50  # and they do not grow
    for name in (CHUNKS, DOCUMENTS):
        assert len(Database(tmp_path, "default").table(name).list_versions()) < 100
    assert chunks(tmp_path).count_rows() == 302
    assert len({row["uri"] for row in chunks(tmp_path).to_arrow().to_pylist()}) == 301


def test_whoever_holds_an_older_version_reads_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compacting, "_LEAST_LIMIT", 16)
    merged: list[Any] = []
    merge = compacting.merge
    monkeypatch.setattr(compacting, "merge", lambda table: merged.append(table) or merge(table))
    store = open_store(tmp_path)
    store.replace([document("a", clustered(2, seed=0)), *documents(3, seed=1)], [])
    store.finish(vector_rows=1_000)
    reader = chunks(tmp_path)
    words = reader.to_arrow().column("text").to_pylist()
    for edition in range(1, 40):
        window(store, edition)
        store.finish(vector_rows=1_000)
    assert len(merged) >= 2
    assert reader.to_arrow().column("text").to_pylist() == words
    assert len(reading.text_hits(reader, "words", 100, Scope())) == len(words)


def test_a_version_that_was_the_newest_within_the_hour_stays(tmp_path: Path) -> None:
    """It may be days old, and somebody may have opened it a moment before the next one came."""
    store = open_store(tmp_path)
    for edition in range(10):
        if edition == 5:
            early = chunks(tmp_path).version
            time.sleep(0.5)  # a clear step between what is to go and what is to stay
        window(store, edition)
    reader, then = chunks(tmp_path), datetime.now(UTC)
    for edition in range(10, 20):
        window(store, edition)
    store.finish(vector_rows=1_000)
    table = store._chunks
    compacting.merge(table)
    store.publish()
    held = reader.version
    assert compacting.clean(table, now=then + compacting.KEEP_VERSIONS) > 0
    left = [each["version"] for each in table.list_versions()]
    assert early < min(left) <= held
    assert reader.to_arrow().num_rows == 12


def test_old_versions_alone_make_upkeep_due(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    window(store, 0)
    folder = store.folder / f"{CHUNKS}.lance"
    table = chunks(tmp_path)
    for number in range(70):
        (folder / "_versions" / f"{number}.manifest").touch()
    assert not compacting.is_due(table, folder)
    for each in (folder / "_versions").iterdir():
        os.utime(each, (1, 1))
    assert compacting.is_due(table, folder)
