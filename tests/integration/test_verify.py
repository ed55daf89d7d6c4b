"""What ``verify`` sees, what it leaves alone, and how little its repair does. tests/repair damages by chance."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from conftest import QUICK, Mill
from docmill.cli.app import run
from docmill.domain.results import VerifyResult
from docmill.engine.lock import EngineLock
from docmill.errors import EngineBusy, StorageError
from docmill.service import home
from docmill.service.removing import open_store
from docmill.service.verify import command
from docmill.service.verify.command import verify
from docmill.service.verify.diagnosis import FAULTS
from docmill.stores import checksums
from docmill.stores.artifacts import ArtifactStore
from docmill.stores.reading import Database
from docmill.stores.state import State

OVERRIDES = (*QUICK, "chunk.size=60")


@pytest.fixture(scope="module")
def first_home(tmp_path_factory: pytest.TempPathFactory) -> Mill:
    """To be copied, not worked on."""
    mill = Mill(tmp_path_factory.mktemp("verified"), OVERRIDES)
    mill.folder.mkdir()
    home.init(mill.settings)
    mill.write_many(6)
    mill.write("long.md", "# Long\n\n" + "\n\n".join(f"Part {n} tells of walnut {n}." for n in range(60)))
    mill.sync()
    return mill


@pytest.fixture
def used(first_home: Mill, tmp_path: Path) -> Mill:
    """A copy of it, with a folder of its own that has been synced."""
    mill = Mill(tmp_path / "copy", OVERRIDES)
    shutil.copytree(first_home.root, mill.root)
    write(mill, "UPDATE source SET folder = ?", str(mill.folder))
    mill.sync()  # the files' inodes are others
    return mill


def write(mill: Mill, sql: str, *values: object) -> None:
    state = State(mill.home)
    with state.transaction() as tx:
        tx.run(sql, values)
    state.close()


def look(mill: Mill, **options: bool) -> VerifyResult:
    return verify(mill.settings, mill.reporter, **options)


def codes(result: VerifyResult) -> list[str]:
    return [each.code for each in result.findings]


def repaired(mill: Mill) -> VerifyResult:
    """Repairs, and holds that nothing is left, for whoever asks again."""
    result = look(mill, repair=True)
    assert result.clean, result.remaining
    assert all(each.repaired for each in result.findings)
    assert look(mill).clean
    return result


def files(mill: Mill) -> dict[Path, tuple[int, int]]:
    """All of the home but locks, and SQLite's own means of reading beside a writer."""
    found = (
        path for path in mill.home.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm", ".lock"))
    )
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in found}


def test_what_is_well_is_left_alone(used: Mill) -> None:
    before = files(used)
    with EngineLock(used.home) as lock:
        assert lock.acquire()  # and it waits for nobody
        result = look(used)
    assert result.in_use
    result = look(used)
    assert (result.clean, result.in_use, codes(result), result.reason) == (True, False, [], None)
    checked = result.checked
    assert (checked.documents, checked.artifacts, checked.folder_files) == (7, 14, 7)
    assert checked.rows == checked.rows_compared == checked.cached_vectors == len(used.rows())
    assert files(used) == before
    assert look(used, repair=True).repaired is False  # there is nothing to repair
    assert files(used) == before


def test_a_database_that_is_gone_costs_no_parsing_and_no_embedding(used: Mill) -> None:
    wanted = used.texts()
    shutil.rmtree(used.home / "lancedb")
    assert codes(look(used)) == ["DATABASE_LOST"]
    result = repaired(used)
    assert (result.documents_stored, result.chunks_embedded) == (7, 0)
    assert used.value("SELECT COUNT(*) FROM run_step WHERE type = 'parse' AND NOT reused") == 7  # of the first sync
    assert used.texts() == wanted
    again = used.sync()
    assert (again.run_group_id, again.chunks.embedded) == (None, 0)


def test_a_state_that_is_gone_is_made_of_what_is_there(used: Mill) -> None:
    wanted = used.rows()
    write(used, """UPDATE source SET rules = '[{"glob": "note-*", "set": [], "meta": {"kind": "note"}}]'""")
    used.write("late.md", "# Late\n\nThis came with rules.\n")
    used.sync()
    for path in used.home.glob("state.db*"):
        path.unlink()
    (used.home / "cache.db").unlink()  # its vectors are in the rows
    assert codes(look(used)) == ["STATE_LOST"]
    result = repaired(used)
    assert (result.documents_stored, result.chunks_embedded) == (8, 0)
    assert result.set_aside == ["lancedb.old-1"]
    assert [each["text"] for each in used.rows()][: len(wanted) - 1]
    assert {row["chunk_id"] for row in wanted} <= {row["chunk_id"] for row in used.rows()}
    assert used.value("SELECT rules FROM source") != "[]"
    # Metadata that rules give is part of what chunks are made of, so those are cut again; nothing is parsed again.
    assert used.value("SELECT COUNT(*) FROM run_step WHERE type = 'parse' AND NOT reused") == 0


def test_a_state_that_is_gone_without_its_sources(used: Mill) -> None:
    for path in (*used.home.glob("state.db*"), used.home / "sources.json"):
        path.unlink()
    repaired(used)
    assert any("no folder is known" in getattr(event, "message", "") for event in used.reporter.events)
    result = used.sync()
    assert (result.documents.completed, result.chunks.embedded) == (7, 0)


def test_work_that_was_cut_short_is_gone_on_with(used: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_BEGINS_S", 0.1)
    used.write("late.md", "# Late\n\nThis was not stored yet.\n")
    with used.process(
        "from docmill.engine.runner import Runner\nRunner.run = lambda self: exit(0)\nmill.sync()"
    ) as ran:
        ran.communicate(timeout=60)
    result = look(used)
    assert codes(result) == ["WORK_UNFINISHED"]
    assert result.checked.documents_due == 1
    repaired(used)
    assert used.found("stored yet") == ["late.md"]


def test_a_folder_that_has_changed_is_synced(used: Mill) -> None:
    used.write("new.md", "# New\n\nNobody has synced this.\n")
    (used.folder / "note-000.md").unlink()
    (found,) = look(used).findings
    assert (found.code, found.count, found.where) == ("FOLDER_CHANGED", 2, "docs")
    assert sorted(found.examples) == ["gone: note-000.md", "new: new.md"]
    repaired(used)
    assert used.found("Nobody has synced") == ["new.md"]


def test_bytes_that_changed_behind_their_times_are_seen_by_checksum(used: Mill) -> None:
    path = used.folder / "note-001.md"
    times = path.stat()
    path.write_bytes(path.read_bytes().replace(b"Notes 1", b"Nutes 1"))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    now = path.stat().st_ctime_ns  # kernels keep this one; others may not
    write(used, "UPDATE document SET ctime_ns = ?, hashed_at_ns = ? WHERE uri = 'note-001.md'", now, now + 10**9)
    assert look(used).clean
    assert codes(look(used, checksum=True)) == ["FOLDER_CHANGED"]


def test_a_folder_that_is_not_there_is_told_of_and_nothing_goes(used: Mill) -> None:
    used.folder.rename(used.root / "elsewhere")
    result = look(used, repair=True)
    assert [(each.code, each.repair, each.repaired) for each in result.findings] == [("FOLDER_MISSING", None, False)]
    assert result.reason == "1 kind of faults"
    assert len(used.texts()) == 7
    (used.folder).mkdir()
    assert codes(look(used, repair=True)) == ["FOLDER_EMPTIED"]
    assert len(used.texts()) == 7


def test_an_output_that_is_gone_is_computed_again_where_its_file_is_there(used: Mill) -> None:
    wanted = used.texts()
    store = ArtifactStore(used.home)
    before = {path.name: path.read_bytes() for path in store.files()}
    for path in store.files():
        path.unlink()
    used.folder.rename(used.root / "elsewhere")
    result = look(used, repair=True)  # nothing to compute them from: they are forgotten, and the rows are kept
    assert {each.code: each.repaired for each in result.findings} == {
        "ARTIFACT_MISSING": True,
        "FOLDER_MISSING": False,
    }
    assert used.texts() == wanted
    (used.root / "elsewhere").rename(used.folder)
    assert look(used).clean
    for name, data in before.items():
        store.path(name).write_bytes(data)
    assert codes(look(used)) == ["ARTIFACT_ORPHANED"]
    repaired(used)


@pytest.mark.parametrize("kind", ["parse", "chunk"])
def test_a_damaged_output_is_computed_again(used: Mill, kind: str) -> None:
    key = used.value("SELECT MIN(step_key) FROM artifact WHERE kind = ?", kind)
    path = ArtifactStore(used.home).path(key)
    good = path.read_bytes()
    path.write_bytes(good[:-3] + b"bad")
    assert codes(look(used)) == ["ARTIFACT_DAMAGED"]
    assert look(used, quick=True).clean  # its size is as it was
    result = repaired(used)
    assert (path.read_bytes(), result.documents_stored, result.chunks_embedded) == (good, 1, 0)


def test_vectors_that_the_cache_has_lost_come_from_the_rows(used: Mill) -> None:
    with closing(sqlite3.connect(used.home / "cache.db")) as cache, cache:
        wanted = dict(cache.execute("SELECT text_key, vector FROM embedding"))
        first, second, third = sorted(wanted)[:3]
        cache.execute("DELETE FROM embedding WHERE text_key = ?", [first])
        cache.execute("UPDATE embedding SET vector = ? WHERE text_key = ?", [wanted[second][:-4], second])
        cache.execute("UPDATE embedding SET vector = zeroblob(?) WHERE text_key = ?", [len(wanted[third]), third])
    found = {each.code: each.count for each in look(used).findings}
    assert found == {"CACHED_VECTOR_DAMAGED": 2, "VECTOR_NOT_CACHED": 1}
    assert repaired(used).chunks_embedded == 0
    with closing(sqlite3.connect(used.home / "cache.db")) as cache:
        assert dict(cache.execute("SELECT text_key, vector FROM embedding")) == wanted


def test_where_row_and_cache_disagree_the_text_is_embedded_again(used: Mill) -> None:
    wanted = used.rows()
    with closing(sqlite3.connect(used.home / "cache.db")) as cache, cache:
        (one, other), *_ = cache.execute("SELECT text_key, vector FROM embedding ORDER BY 1")
        turned = bytearray(other)
        turned[3::4] = bytes(byte ^ 0x80 for byte in turned[3::4])
        cache.execute("UPDATE embedding SET vector = ? WHERE text_key = ?", [bytes(turned), one])
    assert codes(look(used)) == ["VECTOR_DIFFERS"]
    assert look(used, quick=True).clean
    result = repaired(used)
    assert (result.documents_stored, result.chunks_embedded) == (1, 1)
    assert [row["vector"] for row in used.rows()] == [row["vector"] for row in wanted]


def test_what_lies_in_an_archive_is_unpacked_again(used: Mill) -> None:
    with zipfile.ZipFile(used.folder / "packed.zip", "w") as packed:
        packed.writestr("inside.md", "# Inside\n\nThis lies in an archive.\n")
        packed.writestr("other.md", "# Other\n\nThis lies beside it.\n")
    used.sync()
    copies = [path for path in (used.home / "downloads").rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in copies}
    copies[0].unlink()
    copies[1].write_bytes(b"# Another\n")
    assert codes(look(used)) == ["MEMBER_MISSING", "MEMBER_DAMAGED"]
    assert repaired(used).chunks_embedded == 0
    assert {path: path.read_bytes() for path in copies} == before
    assert used.found("lies in an archive") == ["packed.zip!/inside.md"]


def test_what_was_fetched_can_only_be_fetched_again(used: Mill) -> None:
    write(used, "UPDATE document SET uri = 'https://example.org/a' WHERE uri = 'note-001.md'")
    (used.folder / "note-001.md").unlink()
    found = {each.code: each for each in look(used).findings}
    assert found["FETCHED_MISSING"].hint == "docmill ingest https://example.org/a"
    assert found["FETCHED_MISSING"].repair is None


def test_an_index_that_is_missing_is_made(used: Mill) -> None:
    used.flags["vector_index_rows"] = 10
    assert codes(look(used)) == ["INDEX_STALE"]
    repaired(used)


def test_records_that_lead_nowhere(used: Mill) -> None:
    with closing(sqlite3.connect(used.home / "state.db")) as state, state:
        state.execute("DELETE FROM run WHERE id = 1")
        state.execute("DELETE FROM batch")
    assert codes(look(used)) == ["REFERENCE_BROKEN"]
    repaired(used)
    used.write("new.md", "# New\n\nThe source can be used.\n")
    assert used.sync().documents.completed == 1


def test_a_database_that_nothing_knows_is_moved_away(used: Mill) -> None:
    shutil.copytree(used.home / "lancedb" / "default", used.home / "lancedb" / "restored")
    assert codes(look(used)) == ["DATABASE_ORPHANED"]
    assert repaired(used).set_aside == ["lancedb.old-1/restored"]


def test_an_engine_at_work_makes_no_findings(mill: Mill) -> None:
    mill.flags["document_workers"] = 2
    mill.write_many(80)
    looks = 0
    with mill.process("mill.sync(overrides=['store.window_documents=4', 'chunk.size=40'])") as working:
        while working.poll() is None:
            result = look(mill)
            assert codes(result) == [], result.findings
            looks += result.in_use
        assert working.returncode == 0, working.communicate()
    assert looks > 1
    for number in range(0, 80, 2):
        (mill.folder / f"note-{number:03d}.md").write_text(f"# Other\n\nParagraph {number} tells of other things.\n")
    with mill.process("mill.sync(overrides=['store.window_documents=4', 'chunk.size=40'])") as working:
        while working.poll() is None:
            found = [code for code in codes(look(mill)) if code not in ("FOLDER_CHANGED", "WORK_UNFINISHED")]
            assert found == []  # before and after it nobody is at work, and the folder is ahead
        assert working.returncode == 0, working.communicate()
    assert look(mill).clean


def test_repair_waits_for_the_engine(used: Mill) -> None:
    shutil.rmtree(used.home / "lancedb")
    used.flags["lock_timeout"] = 0
    with EngineLock(used.home) as lock:
        assert lock.acquire()
        with pytest.raises(EngineBusy):
            look(used, repair=True)
    assert codes(look(used)) == ["DATABASE_LOST"]


def test_checksums_follow_what_is_merged_and_cleaned(used: Mill) -> None:
    folder = used.home / "lancedb" / "default"
    open_store(used.home, "default").vacuum(vector_rows=10)
    noted = checksums.read(folder)
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {path for path in there if checksums.is_noted(f"/{path}")} <= noted.keys()
    assert not any(changed for _path, changed in checksums.compare(folder))
    with (folder / checksums.NAME).open("ab") as file:
        file.write(b"00000000 1 torn")  # by a kill, and what is noted after it is read all the same
    checksums.note(folder, [(str(folder / "new.lance"), 7, 3)])
    assert checksums.read(folder)["new.lance"] == (7, 3)


def test_the_command(used: Mill, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--home", str(used.home), "verify"]
    assert run(arguments) == 0
    assert "all agrees" in capsys.readouterr().out
    shutil.rmtree(used.home / "lancedb")
    assert run([*arguments, "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert (told["clean"], told["reason"], told["findings"][0]["repair"]) == (
        False,
        "1 kind of faults",
        "fills a new one",
    )
    assert run([*arguments, "--repair", "--quiet"]) == 0
    assert "repaired: all agrees now" in capsys.readouterr().out
    assert run([*arguments, "--no-such-option"]) == 2


def test_every_finding_is_in_the_docs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "verify.md").read_text("utf-8")
    assert re.findall(r"^\| `([A-Z_]+)` ", page, re.MULTILINE) == list(FAULTS)


def test_what_may_only_not_be_read_is_not_taken_for_damaged(used: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> None:
        raise RuntimeError("lance error: LanceError(IO): Permission denied (os error 13)")

    monkeypatch.setattr(Database, "settings", refuse)
    for repair in (False, True):
        with pytest.raises(StorageError, match="permission denied"):
            look(used, repair=repair)
    assert (used.home / "lancedb" / "default" / "chunks.lance").is_dir()
