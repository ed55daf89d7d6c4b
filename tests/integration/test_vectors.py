"""A real LanceDB database: windows, what readers see meanwhile, recovery from a first commit cut short, vacuum."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from docmill.domain import identity
from docmill.domain.contracts import ModelInfo
from docmill.domain.documents import Chunk
from docmill.errors import DatabaseNotFound, ModelMismatch
from docmill.stores import reading
from docmill.stores.reading import CHUNKS, DOCUMENTS, Database, Scope
from docmill.stores.schemas import StoredDocument
from docmill.stores.vectors import VectorStore

MODEL = ModelInfo("test", "test", "fingerprint", 8, 256)


def document(uri: str, *texts: str, version: int = 1) -> StoredDocument:
    document_id = identity.document_id("s", uri)
    chunks = [Chunk(text, 0, len(text), len(text.split())) for text in texts]
    rng = np.random.default_rng(abs(hash(texts)) % 2**32)
    vectors = rng.normal(size=(len(texts), 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return StoredDocument(
        document_id, uri, "s", uri.upper(), "text", version, "sha256-0", {"n": 1}, "then", "now",
        identity.chunk_ids(document_id, texts), chunks, vectors,
    )  # fmt: skip


def texts(home: Path) -> dict[str, list[str]]:
    table = Database(home, "default").table(CHUNKS)
    rows = table.to_arrow().to_pylist() if table is not None else []
    return {
        uri: sorted(row["text"] for row in rows if row["uri"] == uri) for uri in sorted({row["uri"] for row in rows})
    }


@pytest.fixture
def store(tmp_path: Path) -> VectorStore:
    return VectorStore(tmp_path / "lancedb" / "default", MODEL, "hashing")


def test_a_window_replaces_and_removes_at_once(tmp_path: Path, store: VectorStore) -> None:
    store.replace([document("a", "one", "two"), document("b", "three")], [])
    assert texts(tmp_path) == {"a": ["one", "two"], "b": ["three"]}
    store.replace([document("a", "four")], [identity.document_id("s", "a"), identity.document_id("s", "b")])
    assert texts(tmp_path) == {"a": ["four"]}
    assert Database(tmp_path, "default").table(DOCUMENTS).count_rows() == 1


def test_the_same_window_twice_leaves_no_duplicate(tmp_path: Path, store: VectorStore) -> None:
    window = [document("a", "one", "two")]
    store.replace(window, [])
    store.replace(window, [identity.document_id("s", "a")])
    assert texts(tmp_path) == {"a": ["one", "two"]}


def test_readers_see_nothing_that_is_not_published(
    tmp_path: Path, store: VectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.replace([document("a", "old")], [])
    monkeypatch.setattr(VectorStore, "publish", lambda self: None)
    store.replace([document("a", "new")], [identity.document_id("s", "a")])
    assert texts(tmp_path) == {"a": ["old"]}
    monkeypatch.undo()
    store.publish()
    assert texts(tmp_path) == {"a": ["new"]}


@pytest.mark.parametrize("torn", ["_versions", "everything"])
def test_a_table_killed_in_its_first_commit_is_made_anew(tmp_path: Path, torn: str) -> None:
    folder = tmp_path / "lancedb" / "default"
    VectorStore(folder, MODEL, "hashing")
    shutil.rmtree(folder / "chunks.lance" / "_versions")
    if torn == "everything":
        shutil.rmtree(folder / "chunks.lance")
        (folder / "chunks.lance" / "data").mkdir(parents=True)
    store = VectorStore(folder, MODEL, "hashing")
    store.replace([document("a", "one")], [])
    assert texts(tmp_path) == {"a": ["one"]}


def test_another_model_is_refused(tmp_path: Path, store: VectorStore) -> None:
    other = ModelInfo("test", "test", "another fingerprint", 8, 256)
    with pytest.raises(ModelMismatch):
        VectorStore(tmp_path / "lancedb" / "default", other, "hashing")


def test_search_by_vector_by_text_and_within_a_scope(tmp_path: Path, store: VectorStore) -> None:
    wanted = document("fruit's/a", "apples and pears")
    store.replace([wanted, document("tools/b", "hammers and nails"), document("tools/c", "saws, nails and glue")], [])
    store.finish(vector_rows=1_000)
    table = Database(tmp_path, "default").table(CHUNKS)
    [nearest] = reading.vector_hits(table, wanted.vectors[0], 1, Scope())
    assert nearest["uri"] == "fruit's/a"
    assert nearest["score"] == pytest.approx(1.0, abs=1e-5)
    assert {hit["uri"] for hit in reading.text_hits(table, "nails", 5, Scope())} == {"tools/b", "tools/c"}
    assert [hit["uri"] for hit in reading.text_hits(table, "nails apples", 5, Scope(uri_prefix="fruit's/"))] == [
        "fruit's/a"
    ]
    assert reading.vector_hits(table, wanted.vectors[0], 5, Scope(sources=("x' OR true --",))) == []


def test_text_that_came_after_the_index_is_found(tmp_path: Path, store: VectorStore) -> None:
    store.replace([document("a", "first words")], [])
    store.finish(vector_rows=1_000)
    store.replace([document("b", "later words")], [])
    table = Database(tmp_path, "default").table(CHUNKS)
    assert {hit["uri"] for hit in reading.text_hits(table, "words", 5, Scope())} == {"a", "b"}


def test_vacuum_keeps_what_is_published(tmp_path: Path, store: VectorStore) -> None:
    for number in range(8):
        store.replace([document("a", f"version {number}")], [identity.document_id("s", "a")] if number else [])
    store.vacuum(vector_rows=1_000)
    assert texts(tmp_path) == {"a": ["version 7"]}


def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    for name in ("none", "../x", ".hidden"):
        with pytest.raises(DatabaseNotFound):
            Database(tmp_path, name)


def test_fusion_is_reciprocal_rank() -> None:
    first = [{"chunk_id": "a"}, {"chunk_id": "b"}]
    second = [{"chunk_id": "b"}, {"chunk_id": "c"}]
    fused = reading.fuse([first, second], k=60)
    assert [row["chunk_id"] for row in fused] == ["b", "a", "c"]
    assert fused[0]["score"] == pytest.approx(1 / 62 + 1 / 61)


def test_a_reader_of_a_first_window_that_is_on_its_way_finds_nothing_yet(tmp_path: Path, store: VectorStore) -> None:
    for table in (CHUNKS, DOCUMENTS):
        shutil.rmtree(store.folder / f"{table}.lance" / "_refs", ignore_errors=True)
    shutil.rmtree(store.folder / f"{CHUNKS}.lance")
    database = Database(store.folder.parents[1], store.folder.name)
    assert database.table(CHUNKS) is None
    assert database.table(DOCUMENTS) is None
