"""Artifacts and cached embeddings: what comes back, and what damage does."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from docmill.domain.documents import Block, BlockKind, Chunk, ChunkedDocument, ParsedDocument
from docmill.domain.documents import Warning as DocumentWarning
from docmill.errors import DamagedArtifact, StorageError
from docmill.stores.artifacts import ArtifactStore
from docmill.stores.embedding_cache import EmbeddingCache

KEY, OTHER = "ab" + "0" * 62, "ab" + "1" * 62


def test_what_is_written_is_read(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    ref = store.write(KEY, {"text": "Grüße 😀", "n": [1, None]})
    assert store.read(ref) == {"text": "Grüße 😀", "n": [1, None]}
    assert ref.size_bytes == store.path(KEY).stat().st_size
    assert [path.name for path in store.path(KEY).parent.iterdir()] == [KEY]


def test_damage_is_noticed(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    ref = store.write(KEY, {"text": "x" * 100})
    data = store.path(KEY).read_bytes()
    for damaged in (data[:-1], data[:5] + b"?" + data[6:], b""):
        store.path(KEY).write_bytes(damaged)
        with pytest.raises(DamagedArtifact):
            store.read(ref)
    store.path(KEY).unlink()
    with pytest.raises(DamagedArtifact):
        store.read(ref)


def test_what_is_there_is_replaced_whole(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    store.path(KEY).parent.mkdir(parents=True)
    store.path(KEY).write_bytes(b"the first half of what a worker")
    with store.path(KEY).open("rb") as reader:  # who has it open keeps what was there
        ref = store.write(KEY, {"text": "whole"})
        assert reader.read() == b"the first half of what a worker"
    assert store.read(ref) == {"text": "whole"}
    assert store.unfinished() == []


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int, _data: memoryview) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    store = ArtifactStore(tmp_path)
    kept = store.write(OTHER, {"text": "kept"})
    monkeypatch.setattr("docmill.stores.artifacts.os.write", full)
    for key in (KEY, OTHER):
        with pytest.raises(StorageError, match="disk is full"):
            store.write(key, {"text": "new"})
    assert [path.name for path in store.files()] == [OTHER]
    assert store.unfinished() == []
    assert store.read(kept) == {"text": "kept"}


def test_a_disk_that_refuses_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "artifacts").write_text("a file where the folder should be")
    with pytest.raises(StorageError):
        ArtifactStore(tmp_path).write(KEY, {})


def test_documents_survive_their_json() -> None:
    warning = DocumentWarning("PAGES_SKIPPED", "two pages", page=3, degrades=True)
    parsed = ParsedDocument(
        "pdf", "A title\n\nText.", (Block(BlockKind.HEADING, 0, 7, 1, 1), Block(BlockKind.PARAGRAPH, 9, 14, page=2)),
        "A title", {"page_count": 2}, (warning,),
    )  # fmt: skip
    assert ParsedDocument.from_json(parsed.to_json()) == parsed
    assert parsed.degraded
    chunk = Chunk("Text.", 9, 14, 2, 0, "A title", ("A title",), 2, 2)
    chunked = ChunkedDocument("pdf", None, {}, (warning,), (chunk,))
    assert ChunkedDocument.from_json(chunked.to_json()) == chunked


def test_the_cache_gives_back_vectors_those_that_came_last(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path)
    keys = [bytes([n]) * 32 for n in range(3)]
    cache.add([(keys[0], b"first"), (keys[1], b"second")])
    cache.add([(keys[0], b"other")])
    cache.close()
    assert EmbeddingCache(tmp_path).find(keys * 400) == {keys[0]: b"other", keys[1]: b"second"}


def test_a_damaged_cache_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "cache.db").write_bytes(b"this is no database, but long enough to look at" * 100)
    cache = EmbeddingCache(tmp_path)
    cache.add([(b"k" * 32, b"v")])
    assert cache.find([b"k" * 32]) == {b"k" * 32: b"v"}
    assert (tmp_path / "cache.damaged").exists()
