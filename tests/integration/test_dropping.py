"""A database that is dropped, killed over it or not, is made anew without embedding; vacuum harms nobody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from conftest import Mill
from docmill.engine.lock import EngineLock
from docmill.errors import DatabaseNotFound, EngineBusy, UsageError
from docmill.service import batches, databases, dropping
from docmill.service.collecting import gc
from docmill.stores.reading import CHUNKS, Database


def command(mill: Mill, *arguments: str, failpoint: str = "") -> int:
    environment = {**os.environ, "DOCMILL_FAILPOINTS": failpoint}
    words = [sys.executable, "-m", "docmill", "--home", str(mill.home), *arguments, "-q", "--json"]
    return subprocess.run(words, env=environment, capture_output=True, check=False).returncode


@pytest.fixture
def filled(mill: Mill) -> Mill:
    mill.write_many(5)
    mill.sync()
    return mill


def test_a_dropped_database_is_filled_again_without_embedding(filled: Mill) -> None:
    before, size = filled.texts(), databases.list_databases(filled.settings, limit=1, offset=0).databases[0].size_bytes
    would = dropping.drop(filled.settings, "default", dry_run=True)
    assert (would.documents, would.chunks, would.space_freed_bytes) == (5, 5, size)
    assert would.sources == ["docs"] and would.batches == []
    assert filled.texts() == before, "a dry run drops nothing"
    done = dropping.drop(filled.settings, "default")
    assert (done.documents, done.space_freed_bytes) == (5, size)
    assert databases.list_databases(filled.settings, limit=9, offset=0).total == 0
    assert batches.home_status(filled.settings).chunks == 0
    assert filled.state("SELECT * FROM placement") == filled.state("SELECT * FROM database") == []
    with pytest.raises(DatabaseNotFound):
        dropping.drop(filled.settings, "default")
    again = filled.sync()
    assert (again.documents.completed, again.chunks.embedded) == (5, 0)
    assert filled.texts() == before


@pytest.mark.parametrize("point", ["drop.forget.after", "drop.remove.after"])
def test_a_killed_drop_leaves_a_home_that_the_next_sync_makes_whole(filled: Mill, point: str) -> None:
    before = filled.texts()
    assert command(filled, "lancedb", "drop", "default", failpoint=f"{point}=kill") == -signal.SIGKILL
    (filled.home / "dropped-0123456789ab").mkdir()  # as where it is killed while files are removed
    again = filled.sync()
    assert (again.documents.completed, again.chunks.embedded) == (5, 0)
    assert filled.texts() == before
    gc(filled.settings)
    assert not list(filled.home.glob("dropped-*"))


def test_another_model_may_fill_it_and_nobody_drops_below_an_engine(filled: Mill) -> None:
    filled.flags["lock_timeout"] = 0
    with EngineLock(filled.home) as lock:
        assert lock.acquire()
        with pytest.raises(EngineBusy):
            dropping.drop(filled.settings, "default")
    dropping.drop(filled.settings, "default")
    filled.overrides = ("embed.method=hashing", "embed.model=hashing-128")
    assert filled.sync().chunks.embedded == 5
    assert databases.info(filled.settings, "default").embeddings.vector_dim == 128


def test_only_databases_are_dropped(filled: Mill) -> None:
    (filled.home / "lancedb" / "mine").mkdir()
    for name in ("", ".", "..", "../home", "../../docs", "default/chunks.lance", "mine"):
        with pytest.raises(DatabaseNotFound):
            dropping.drop(filled.settings, name)
    assert filled.folder.is_dir() and (filled.home / "lancedb" / "mine").is_dir() and len(filled.rows()) == 5


def test_one_whose_folder_is_gone_is_forgotten(filled: Mill) -> None:
    (filled.home / "lancedb").rename(filled.root / "away")
    (filled.home / "lancedb").mkdir()
    assert dropping.drop(filled.settings, "default").space_freed_bytes == 0
    assert filled.sync().chunks.embedded == 0


def test_documents_by_a_filter(filled: Mill) -> None:
    filled.write("long.txt", "\n\n".join(f"Paragraph {n} of a long text, as long as it takes." * 9 for n in range(30)))
    filled.sync()

    def found(filter: str, **page: int) -> tuple[list[str], int]:  # noqa: A002 - the option's name
        listed = databases.documents(filled.settings, "default", filter=filter, **{"limit": 50, "offset": 0, **page})
        assert listed.document_count == 6
        return [each.uri for each in listed.documents], listed.total

    assert found("chunk_count > 1") == (["long.txt"], 1)
    assert found("uri like 'note-00%' and version = 1", limit=2, offset=1) == (["note-001.md", "note-002.md"], 5)
    assert found("type = 'markdown' and not uri in ('note-001.md', 'note-004.md')")[1] == 3
    assert found("title is null or content_hash = 'x' or meta.author = 'Ada'")[0] == ["long.txt"]
    assert found("updated_at < '2020' and source = 'docs'") == ([], 0)
    for wrong in ("text = 'x'", "page = 3", "heading = 'x'", "chunk_count like '3%'", "document_id = 'x' or true"):
        with pytest.raises(UsageError, match="--filter"):
            found(wrong)


def test_a_reader_held_open_and_a_kill_do_not_mind_a_vacuum(filled: Mill) -> None:
    table = Database(filled.home, "default").table(CHUNKS)
    held = sorted(table.to_arrow().column("text").to_pylist())
    filled.write_many(5, words="Walnuts")
    filled.sync()
    before = filled.texts()
    assert command(filled, "lancedb", "vacuum", failpoint="vacuum.merge.after=kill") == -signal.SIGKILL
    assert filled.texts() == before
    result = databases.vacuum(filled.settings, "default")
    assert result.space_freed_bytes == max(result.size_before_bytes - result.size_after_bytes, 0)
    assert filled.texts() == before
    assert sorted(table.search().limit(100).to_arrow().column("text").to_pylist()) == held, "it reads on as it was"
