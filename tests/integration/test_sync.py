"""``sync`` from end to end: real files, real worker processes, real SQLite and LanceDB."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path

import pytest

from conftest import Mill
from docmill.domain.identity import document_id
from docmill.errors import InvalidState, NotAllowedError, NotFoundError
from docmill.sources import folder as folders
from docmill.stores.state import State

SECTIONS = "\n\n".join(f"## Part {n}\n\n" + f"Sentence about subject {n}, said at length. " * 20 for n in range(8))


def settle() -> None:
    """Let the clock of file times move on, so that what was written is not hashed anew for being too fresh."""
    time.sleep(0.03)


def test_the_index_follows_the_folder(traps: Mill) -> None:
    mill = traps
    mill.write("guide.md", f"# Guide\n\n{SECTIONS}\n")
    mill.write("stays.txt", "This stays as it is.\n")
    mill.write("moves.txt", "This text will move house.\n")
    mill.write("goes.txt", "This text will go away.\n")
    mill.write(".hidden", "never seen")
    settle()
    first = mill.sync()
    assert (first.status, first.reason, first.errors) == ("completed", None, [])
    assert first.scan.model_dump() == {
        "files": 4, "new": 4, "changed": 0, "renamed": 0, "deleted": 0, "unchanged": 0, "ignored": 1,
    }  # fmt: skip
    assert first.documents.completed == 4
    assert first.chunks.total == first.chunks.embedded == len(mill.rows()) == len(mill.noted("embed"))
    before = {row["uri"]: row for row in mill.rows()}
    guide = [row["text"] for row in mill.rows() if row["uri"] == "guide.md"]

    mill.write("guide.md", f"# Guide\n\n{SECTIONS}\n".replace("subject 3, said", "walnut 3, told", 1))
    (mill.folder / "moves.txt").rename(mill.folder / "moved.txt")
    (mill.folder / "goes.txt").unlink()
    os.utime(mill.folder / "stays.txt", (1, 1))
    embedded = len(mill.noted("embed"))
    parsed = len(mill.noted("parse"))
    second = mill.sync()
    assert second.scan.model_dump() == {
        "files": 3, "new": 0, "changed": 1, "renamed": 1, "deleted": 1, "unchanged": 1, "ignored": 1,
    }  # fmt: skip
    assert second.documents.completed == 2
    texts = mill.texts()
    assert set(texts) == {"guide.md", "stays.txt", "moved.txt"}
    fresh = [text for text in texts["guide.md"] if text not in guide]
    assert fresh and len(fresh) < len(guide) / 2
    assert len(mill.noted("embed")) - embedded == len(fresh) == second.chunks.embedded
    assert second.chunks.total == second.chunks.embedded + second.chunks.reused
    assert len(mill.noted("parse")) - parsed == 1, "a renamed file was parsed again"
    [moved] = [row for row in mill.rows() if row["uri"] == "moved.txt"]
    assert moved["chunk_id"] == before["moves.txt"]["chunk_id"]
    assert moved["document_id"] == before["moves.txt"]["document_id"] == document_id("docs", "moves.txt")
    assert mill.found("go away") == []
    events = mill.state("SELECT uri, event, version FROM document_version ORDER BY id")
    assert events[-3:] == [("goes.txt", "deleted", 1), ("moved.txt", "renamed", 1), ("guide.md", "changed", 2)]


def test_a_sync_of_nothing_writes_nothing_and_loads_nothing(mill: Mill) -> None:
    mill.write_many(3)
    settle()
    mill.sync()
    files = [path for path in mill.home.rglob("*") if path.is_file() and not path.name.endswith(("-shm", "-wal"))]
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}
    second = mill.sync()
    assert second.run_group_id is None
    assert second.scan.unchanged == 3
    assert second.documents.completed == second.chunks.total == 0
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files} == before
    code = """
        result = mill.sync()
        assert result.run_group_id is None
        heavy = {"sqlmodel", "sqlalchemy", "lancedb", "pyarrow", "fastembed", "onnxruntime", "numpy"}
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
        assert mill.search("notes", mode="hybrid").hits
        assert not {"sqlmodel", "sqlalchemy"} & set(sys.modules)
    """
    process = mill.process("\n".join(line[8:] for line in code.splitlines()))
    _out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err


def test_the_result_is_what_the_contract_names(mill: Mill) -> None:
    mill.write("a.txt", "One passage.\n")
    mill.write("b.bin", "\0\1\2")
    result = json.loads(mill.sync().model_dump_json())
    one = {
        "batch_id", "run_group_id", "source", "folder", "database", "status", "scan", "ignored", "documents", "chunks",
        "seconds", "errors", "degraded", "outcomes", "reason",
    }  # fmt: skip
    assert set(result) == one | {"sources", "skipped"}
    assert set(result["sources"][0]) == one
    assert result["source"] == "docs"
    assert result["folder"] == str(mill.folder)
    assert result["database"] == "default"
    assert set(result["documents"]) == {"completed", "failed", "degraded"}
    assert set(result["chunks"]) == {"total", "embedded", "reused"}
    assert sum(rule["count"] for rule in result["ignored"]) == result["scan"]["ignored"] == 1


def test_the_same_bytes_twice_are_parsed_and_embedded_once(traps: Mill) -> None:
    mill = traps
    mill.write("one.txt", "Twins share every computation.\n")
    mill.write("sub/two.txt", "Twins share every computation.\n")
    result = mill.sync()
    assert result.documents.completed == 2
    assert (result.chunks.total, result.chunks.embedded, result.chunks.reused) == (2, 1, 1)
    assert len(mill.noted("parse")) == 1
    assert mill.found("twins") == ["one.txt", "sub/two.txt"]


def test_what_fails_for_good_is_reported_until_it_is_mended(traps: Mill) -> None:
    mill = traps
    mill.write_many(2)
    mill.write("empty.txt", "")
    mill.write("broken.pdf", "%PDF-1.7 and nothing that follows from it\n")
    mill.write("liar.docx", "this is no Word document\n")
    mill.overrides = tuple(each for each in mill.overrides if not each.startswith("parse"))
    settle()
    first = mill.sync()
    assert first.status == "completed"
    assert (first.documents.completed, first.documents.failed) == (2, 3)
    codes = {error.uri: error.error_code for error in first.errors}
    assert set(codes) == {"empty.txt", "broken.pdf", "liar.docx"}
    assert codes["empty.txt"] == "EMPTY_DOCUMENT"
    assert first.reason == "3 documents failed"
    second = mill.sync()
    assert second.run_group_id is None, "what had failed for good was tried again"
    assert {error.uri: error.error_code for error in second.errors} == codes
    assert second.reason == "3 documents failed"
    mill.write("empty.txt", "Now there is something in it.\n")
    (mill.folder / "liar.docx").unlink()
    third = mill.sync()
    assert [error.uri for error in third.errors] == ["broken.pdf"]
    assert third.documents.model_dump() == {"completed": 1, "failed": 0, "degraded": 0}
    assert mill.found("something") == ["empty.txt"]


def test_a_new_version_that_is_broken_takes_the_old_one_out_of_the_index(mill: Mill) -> None:
    mill.write("a.txt", "A good old version.\n")
    mill.write("b.txt", "Another document.\n")
    mill.sync()
    mill.write("a.txt", "")
    result = mill.sync()
    assert [error.error_code for error in result.errors] == ["EMPTY_DOCUMENT"]
    assert set(mill.texts()) == {"b.txt"}
    mill.write("a.txt", "A good old version.\n")
    assert mill.sync().reason is None
    assert set(mill.texts()) == {"a.txt", "b.txt"}


def test_other_chunk_params_reuse_what_was_parsed(traps: Mill) -> None:
    mill = traps
    mill.write("guide.md", f"# Guide\n\n{SECTIONS}\n")
    mill.sync()
    parsed, rows = len(mill.noted("parse")), len(mill.rows())
    result = mill.sync(overrides=["chunk.size=60"])
    assert len(mill.noted("parse")) == parsed
    assert len(mill.rows()) > rows
    steps = mill.state(
        "SELECT name, status, reused FROM run_step WHERE run_group_id = ? ORDER BY number", result.run_group_id
    )
    assert ("parse", "completed", 1) in steps and ("chunk", "completed", 0) in steps
    mill.texts()


def test_another_database_embeds_nothing(traps: Mill) -> None:
    mill = traps
    mill.write_many(3)
    mill.sync()
    parsed, embedded = mill.noted("parse"), mill.noted("embed")
    result = mill.sync(overrides=["store.database=second"])
    assert (result.documents.completed, result.chunks.embedded) == (3, 0)
    assert (mill.noted("parse"), mill.noted("embed")) == (parsed, embedded)
    assert mill.texts("second") == mill.texts("default")


def test_a_file_that_fails_in_one_pipeline_stays_where_another_has_stored_it(mill: Mill) -> None:
    mill.write("a.txt", "A document that is larger than ten bytes.\n")
    settle()
    mill.sync()
    result = mill.sync(overrides=["store.database=small", "validate.max_file_bytes=10"])
    assert [error.error_code for error in result.errors] == ["FILE_TOO_LARGE"]
    assert mill.sync().run_group_id is None
    assert set(mill.texts("default")) == {"a.txt"}


def test_the_same_bytes_in_a_second_folder_cost_nothing_and_both_are_found(traps: Mill) -> None:
    traps.write_many(3)
    traps.sync()
    parsed, embedded = len(traps.noted("parse")), len(traps.noted("embed"))
    other = traps.root / "copies"
    shutil.copytree(traps.folder, other)
    result = traps.sync(other)
    assert (result.documents.completed, result.chunks.embedded) == (3, 0)
    assert (len(traps.noted("parse")), len(traps.noted("embed"))) == (parsed, embedded)
    hits = traps.search("Notes 1", mode="fts", limit=100, collapse=False).hits
    assert {(hit.source, hit.uri) for hit in hits} >= {("docs", "note-001.md"), ("copies", "note-001.md")}


def test_a_missing_folder(mill: Mill) -> None:
    with pytest.raises(NotFoundError):
        mill.sync(mill.root / "nowhere")


def test_a_missing_folder_beside_others_begins_nothing(mill: Mill) -> None:
    mill.write_many(1)
    with pytest.raises(NotFoundError):
        mill.sync(mill.folder, mill.root / "nowhere")
    assert mill.value("SELECT COUNT(*) FROM run_group") == 0


def test_an_emptied_folder_is_refused(mill: Mill) -> None:
    mill.write_many(3)
    mill.sync()
    shutil.rmtree(mill.folder)
    mill.folder.mkdir()
    with pytest.raises(NotAllowedError) as refused:
        mill.sync()
    assert len(refused.value.context["would_delete"]) == 3
    assert "--allow-mass-delete" in (refused.value.hint or "")
    assert len(mill.texts()) == 3
    assert mill.sync(allow_mass_delete=True).scan.deleted == 3
    assert mill.texts() == {}


def test_a_folder_that_cannot_be_read_is_no_deletion(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    mill.write("open/a.txt", "In the open.\n")
    mill.write("locked/b.txt", "Behind a door.\n")
    mill.sync()
    entries = folders._entries

    def refusing(path: str, prefix: str, result: folders.Scan) -> object:  # root, who runs tests, may read everything
        if path.endswith("locked"):
            result.unreadable[prefix] = "Permission denied"
            return iter(())
        return entries(path, prefix, result)

    monkeypatch.setattr(folders, "_entries", refusing)
    result = mill.sync()
    assert result.scan.deleted == 0
    [error] = result.errors
    assert (error.uri, error.error_code, error.permanent) == ("locked/", "PERMISSION_DENIED", False)
    assert result.reason is not None
    assert set(mill.texts()) == {"open/a.txt", "locked/b.txt"}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse names that are not UTF-8")
def test_without_pruning_nothing_is_deleted_and_a_move_is_still_a_move(mill: Mill) -> None:
    mill.write_many(3)
    mill.sync()
    [moved_id] = [row["document_id"] for row in mill.rows() if row["uri"] == "note-002.md"]
    (mill.folder / "note-000.md").unlink()
    (mill.folder / "note-002.md").rename(mill.folder / "moved.md")
    kept = mill.sync(prune=False)
    assert (kept.scan.deleted, kept.scan.renamed, kept.scan.unchanged) == (0, 1, 2)
    assert sorted(mill.texts()) == ["moved.md", "note-000.md", "note-001.md"]
    assert [row["document_id"] for row in mill.rows() if row["uri"] == "moved.md"] == [moved_id]
    for path in list(mill.folder.iterdir()):
        path.unlink()
    assert mill.sync(prune=False).scan.deleted == 0, "an empty folder is no danger where nothing is deleted"
    assert mill.sync(allow_mass_delete=True).scan.deleted == 3


def test_a_checksum_finds_what_the_times_hide(mill: Mill) -> None:
    path = mill.write("quiet.md", "The old words are here.\n")
    mill.sync()
    state = State(mill.home)
    path.write_text("The new words are here.\n")
    stat = path.stat()
    with state.transaction() as tx:  # as if a disk that lies about times had been told that it was hashed after this
        tx.run(
            "UPDATE document SET mtime_ns = ?, ctime_ns = ?, hashed_at_ns = ?",
            [stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ctime_ns + 10**9],
        )
    state.close()
    assert mill.sync().scan.changed == 0
    assert mill.sync(checksum=True).scan.changed == 1
    assert mill.found("new words") == ["quiet.md"]


def test_names_of_every_kind(mill: Mill) -> None:
    names = [b"caf\xe9.txt", b"line\nbreak.txt", "🦊 fox.txt".encode(), b"100%41.txt", b'quote\'s "x".txt']
    for number, name in enumerate(names):
        Path(os.fsdecode(os.fsencode(mill.folder) + b"/" + name)).write_text(f"Document number {number}.\n")
    result = mill.sync()
    assert (result.documents.completed, result.errors) == (5, [])
    uris = {"caf%E9.txt", "line\nbreak.txt", "🦊 fox.txt", "100%2541.txt", 'quote\'s "x".txt'}
    assert set(mill.texts()) == uris
    assert json.loads(result.model_dump_json())["scan"]["files"] == 5
    Path(os.fsdecode(os.fsencode(mill.folder) + b"/" + names[0])).unlink()
    mill.sync()
    assert set(mill.texts()) == uris - {"caf%E9.txt"}


def test_a_name_of_other_case_is_a_rename(traps: Mill) -> None:
    traps.write("Notes.md", "# Notes\n\nWalnut.\n")
    traps.sync()
    ids = {row["chunk_id"] for row in traps.rows()}
    (traps.folder / "Notes.md").rename(traps.folder / "notes.md")
    result = traps.sync()
    assert (result.scan.renamed, result.scan.new, result.scan.deleted) == (1, 0, 0)
    assert list(traps.texts()) == ["notes.md"]
    assert {row["chunk_id"] for row in traps.rows()} == ids
    assert len(traps.noted("parse")) == len(traps.noted("embed")) == 1


def test_long_paths_are_read_and_those_that_are_too_long_are_told(mill: Mill) -> None:
    here = Path.cwd()
    try:
        os.chdir(mill.folder)
        for number in range(30):  # 30 times 200 characters: more than a path may have
            if number == 15:
                Path("long.txt").write_text("A long way down.\n")
            Path("d" * 200).mkdir()
            os.chdir("d" * 200)
        Path("longer.txt").write_text("Too far down.\n")
    finally:
        os.chdir(here)
    result = mill.sync()
    assert [len(uri) > 3000 for uri in mill.texts()] == [True]
    assert result.scan.files == 1
    assert ["long" in error.error_message.lower() for error in result.errors] == [True]


def test_links_in_circles_end(mill: Mill) -> None:
    mill.write("sub/a.txt", "Once only.\n")
    (mill.folder / "sub" / "up").symlink_to(mill.folder)
    (mill.folder / "dangling.txt").symlink_to(mill.folder / "nothing")
    result = mill.sync()
    assert set(mill.texts()) == {"sub/a.txt"}
    assert result.scan.files == 1


def test_two_folders_are_two_sources(mill: Mill) -> None:
    mill.write_many(2)
    other = mill.root / "elsewhere" / "docs"
    other.mkdir(parents=True)
    (other / "note-000.md").write_text("# Other\n\nThe same URI in another source.\n")
    result = mill.sync(mill.folder, other)
    assert [each.source for each in result.sources] == ["docs", "docs-2"]
    assert [each.documents.completed for each in result.sources] == [2, 1]
    assert result.source == "docs"
    assert len({row["document_id"] for row in mill.rows() if row["uri"] == "note-000.md"}) == 2
    assert {hit.source for hit in mill.search("source notes", mode="fts", source=["docs-2"]).hits} == {"docs-2"}
    named = mill.sync(other)
    assert (named.source, named.run_group_id) == ("docs-2", None)


def test_a_source_has_the_name_it_is_given(mill: Mill) -> None:
    mill.write_many(1)
    assert mill.sync(source="papers").source == "papers"
    assert mill.sync().source == "papers"
    moved = mill.folder.rename(mill.root / "moved")
    result = mill.sync(moved, source="papers")
    assert (result.scan.unchanged, result.scan.new, result.scan.deleted) == (1, 0, 0)
    (mill.root / "third").mkdir()
    with pytest.raises(NotAllowedError):
        mill.sync(mill.root / "third", source="papers")


def test_a_file_that_changes_or_goes_while_it_waits(traps: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    mill = traps
    mill.write_many(3)
    real = folders.hash_file

    def then(file: object) -> object:
        hashed = real(file)  # type: ignore[arg-type] # passed on
        if hashed.file.uri == "note-000.md":
            mill.write("note-000.md", "# New\n\nWords that came after the hash.\n")
        if hashed.file.uri == "note-001.md":
            (mill.folder / "note-001.md").unlink()
        return hashed

    with monkeypatch.context() as changing:
        changing.setattr(folders, "hash_file", then)
        result = mill.sync()
    assert {error.uri: error.error_code for error in result.errors} == {"note-001.md": "FILE_NOT_FOUND"}
    after = mill.sync()
    assert (after.scan.changed, after.scan.deleted, after.documents.completed, after.errors) == (0, 1, 0, [])
    assert set(mill.texts()) == {"note-000.md", "note-002.md"}
    assert mill.found("after the hash") == ["note-000.md"]


def test_the_real_model_finds_what_is_meant(mill: Mill) -> None:
    mill.overrides = ()
    mill.write("cats.md", "# Pets\n\nOur kitten sleeps all day and purrs.\n")
    mill.write("cars.md", "# Garage\n\nThe engine needs a new gearbox and fresh oil.\n")
    result = mill.sync()
    assert result.documents.completed == 2
    assert mill.search("a young feline", mode="vector").hits[0].uri == "cats.md"
    assert mill.search("repair of a vehicle").hits[0].uri == "cars.md"


def test_a_paused_source_is_not_synced(mill: Mill) -> None:
    mill.write_many(2)
    result = mill.sync()
    from docmill.stores.state import State

    state = State(mill.home)
    with state.transaction() as tx:
        tx.run("UPDATE run_group SET status = 'paused'")
        tx.run("UPDATE batch SET status = 'paused'")
    state.close()
    with pytest.raises(InvalidState) as refused:
        mill.sync()
    assert refused.value.context["current_status"] == "paused"
    assert f"resume {result.batch_id}" in (refused.value.hint or "")
