"""What lies in other documents: members of archives become documents, and come, change, move and go with them."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from conftest import QUICK, Mill
from docmill.cli.output import exit_code
from docmill.domain.sources import Rule, Wishes
from docmill.errors import NotAllowedError
from docmill.service import collecting, explaining, forgetting, planning, registering, running, syncing
from docmill.stores import downloads
from docmill.stores.downloads import DownloadStore
from docmill.stores.state import State

BOX = "box.zip"


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    with io.BytesIO() as stream:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as package:
            for name, content in files.items():
                package.writestr(name, content)
        return stream.getvalue()


def box(mill: Mill, files: Mapping[str, str | bytes], name: str = BOX) -> Path:
    path = mill.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(zipped(files))
    return path


@pytest.fixture
def filled(mill: Mill) -> Mill:
    """A folder with an archive of two documents, beside a file."""
    mill.write("beside.md", "# Beside\n\nOf hazel.\n")
    box(mill, {"oak.md": "# Oak\n\nOf oak.\n", "in/elm.txt": "Of elm.\n", "program.exe": b"MZ\0\0"})
    assert mill.sync().documents.completed == 4
    return mill


def uris(mill: Mill) -> list[str]:
    return [uri for (uri,) in mill.state("SELECT uri FROM document WHERE state = 'active' ORDER BY uri")]


def versions(mill: Mill) -> dict[str, int]:
    return dict(mill.state("SELECT uri, version FROM document WHERE state = 'active'"))


def copies(mill: Mill) -> int:
    return len(list(DownloadStore(mill.home).copies()))


def test_members_are_documents(filled: Mill) -> None:
    assert uris(filled) == ["beside.md", BOX, f"{BOX}!/in/elm.txt", f"{BOX}!/oak.md"]
    assert filled.found("elm") == [BOX, f"{BOX}!/in/elm.txt"]  # its contents are what the archive's own text is
    assert "Of oak." in "".join(filled.texts()[f"{BOX}!/oak.md"])
    assert copies(filled) == 2
    again = filled.sync()
    assert (again.run_group_id, again.scan.unchanged, exit_code(again)) == (None, 2, 0)


def test_a_changed_archive_changes_what_has_changed(filled: Mill) -> None:
    box(filled, {"oak.md": "# Oak\n\nOf oak.\n", "in/elm.txt": "Of elder.\n", "fir.md": "Of fir.\n"})
    result = filled.sync()
    assert result.documents.completed == 3  # the archive, elm and fir
    assert versions(filled) == {
        "beside.md": 1,
        BOX: 2,
        f"{BOX}!/oak.md": 1,
        f"{BOX}!/in/elm.txt": 2,
        f"{BOX}!/fir.md": 1,
    }
    assert filled.found("elder") == [f"{BOX}!/in/elm.txt"]
    box(filled, {"fir.md": "Of fir.\n"})
    filled.sync()
    assert sorted(filled.texts()) == ["beside.md", BOX, f"{BOX}!/fir.md"]
    assert copies(filled) == 1
    box(filled, {"fir.md": "Of fir.\n", "oak.md": "# Oak\n\nOf oak.\n"})
    filled.sync()
    assert versions(filled)[f"{BOX}!/oak.md"] == 1, "it came back as it was"


def test_members_move_with_their_archive(filled: Mill) -> None:
    (filled.folder / "new").mkdir()
    (filled.folder / BOX).rename(filled.folder / "new" / "chest.zip")
    ids = dict(filled.state("SELECT content_hash, id FROM document"))
    result = filled.sync()
    assert (result.scan.renamed, result.documents.completed, result.chunks.embedded) == (1, 3, 0)
    assert sorted(filled.texts()) == [
        "beside.md",
        "new/chest.zip",
        "new/chest.zip!/in/elm.txt",
        "new/chest.zip!/oak.md",
    ]
    assert dict(filled.state("SELECT content_hash, id FROM document")) == ids


def test_members_go_with_their_archive_and_come_back(filled: Mill) -> None:
    kept = (filled.folder / BOX).read_bytes()
    (filled.folder / BOX).unlink()
    filled.sync()
    assert (sorted(filled.texts()), copies(filled)) == (["beside.md"], 0)
    assert filled.sync().run_group_id is None
    (filled.folder / BOX).write_bytes(kept)
    result = filled.sync()
    assert (result.documents.completed, result.chunks.embedded) == (3, 0)
    assert len(filled.texts()) == 4
    assert set(versions(filled).values()) == {1}


def test_an_archive_that_breaks_takes_its_members_out(filled: Mill) -> None:
    (filled.folder / BOX).write_bytes(b"PK\x03\x04 and nothing that follows from it")
    result = filled.sync()
    assert [(each.uri, each.error_code) for each in result.errors] == [(BOX, "CORRUPTED_FILE")]
    assert sorted(filled.texts()) == ["beside.md"]


def test_archives_in_archives_have_an_end(mill: Mill) -> None:
    inner = zipped({"note.md": "Of oak.\n"})
    for _ in range(4):
        inner = zipped({"box.zip": inner, "note.md": "Of oak.\n"})
    (mill.folder / BOX).write_bytes(inner)
    result = mill.sync()
    deepest = "!/".join([BOX, "box.zip", "box.zip", "note.md"])
    assert deepest in mill.texts()
    assert max(uri.count("!/") for uri in mill.texts()) == 3
    assert result.documents.degraded == 1
    assert mill.state("SELECT reasons FROM document WHERE degraded = 1") == [('["MEMBERS_LEFT_OUT"]',)]


def test_an_archive_does_not_unpack_to_more_than_is_allowed_in_all(mill: Mill) -> None:
    large = {f"{n}.zip": zipped({"large.txt": f"A line of {n} words.\n" * 20_000}) for n in range(6)}
    box(mill, large | {"small.md": "Of oak.\n"})
    mill.sync(overrides=["parse.max_expanded_bytes=800000"])
    size = mill.value("SELECT SUM(size_bytes) FROM document WHERE parent_id IS NOT NULL AND state = 'active'")
    assert size <= 800_000 + 400_000  # two are begun at once
    assert mill.value("SELECT COUNT(*) FROM document WHERE reasons LIKE '%MEMBERS_LEFT_OUT%'") > 0


def test_archives_in_archives_are_not_documents_by_the_million(mill: Mill) -> None:
    same = zipped({f"{n}.md": "Of oak.\n" for n in range(20)})
    box(mill, {f"{n}.zip": same for n in range(15)})
    mill.sync(overrides=["parse.max_entries=40"])
    assert mill.value("SELECT COUNT(*) FROM document WHERE parent_id IS NOT NULL AND state = 'active'") == 40
    assert mill.value("SELECT COUNT(*) FROM document WHERE reasons = '[\"MEMBERS_LEFT_OUT\"]' AND degraded = 1") == 14
    assert mill.sync(overrides=["parse.max_entries=40"]).run_group_id is None


def test_a_member_that_fails_is_told_and_tried_again(mill: Mill) -> None:
    box(mill, {"good.md": "Of oak.\n", "bad.docx": b"no such document"})
    result = mill.sync()
    assert [(each.uri, each.error_code) for each in result.errors] == [(f"{BOX}!/bad.docx", "CORRUPTED_FILE")]
    again = mill.sync()
    assert (again.run_group_id, [each.uri for each in again.errors]) == (None, [f"{BOX}!/bad.docx"])


def test_other_definitions_hold_for_members_too(filled: Mill) -> None:
    result = filled.sync(overrides=["chunk.size=100"])
    assert (result.documents.completed, result.chunks.embedded) == (4, 0)
    assert filled.sync(overrides=["chunk.size=100"]).run_group_id is None


def test_rules_for_an_archive_hold_for_its_members(mill: Mill) -> None:
    box(mill, {"oak.md": "Of oak.\n"})
    rules = [Rule(BOX, ("chunk.size=100",), {"shelf": "nuts"})]
    registering.add(mill.settings, "docs", mill.folder, Wishes(overrides=QUICK, rules=rules))
    mill.sync(overrides=[])
    found = mill.state("SELECT profile, meta FROM document")
    assert found == [('["chunk.size=100"]', '{"shelf": "nuts"}')] * 2
    registering.add(mill.settings, "docs", mill.folder, Wishes(rules=[Rule(BOX, (), {"shelf": "trees"})]))
    mill.sync(overrides=[])
    assert set(mill.state("SELECT meta FROM document")) == {('{"shelf": "trees"}',)}
    assert mill.sync(overrides=[]).run_group_id is None


def test_a_member_that_a_person_took_out_stays_out(filled: Mill) -> None:
    forgetting.delete_document(filled.settings, f"{BOX}!/oak.md")
    box(filled, {"oak.md": "# Oak\n\nOf walnut.\n", "in/elm.txt": "Of elm.\n"})
    filled.sync()
    assert f"{BOX}!/oak.md" not in filled.texts()
    forgetting.restore_document(filled.settings, f"{BOX}!/oak.md")
    filled.sync()
    assert filled.found("walnut") == [f"{BOX}!/oak.md"]


def test_taking_an_archive_out_takes_its_members_out(filled: Mill) -> None:
    forgetting.delete_document(filled.settings, BOX)
    assert (sorted(filled.texts()), copies(filled)) == (["beside.md"], 0)
    assert filled.sync().run_group_id is None
    forgetting.restore_document(filled.settings, BOX)
    filled.sync()
    assert len(filled.texts()) == 4


def test_copies_that_are_in_use_are_not_collected(filled: Mill) -> None:
    with DownloadStore(filled.home).incoming() as stream:
        stream.write(b"left over")
        DownloadStore(filled.home).keep(stream, ("sha256-" + "0" * 64, ".md"))
    assert collecting.gc(filled.settings).downloads.count == 1
    assert copies(filled) == 2


def test_copies_that_are_lost_are_unpacked_again(filled: Mill) -> None:
    shutil.rmtree(filled.home / "downloads")
    filled.sync(overrides=["parse.max_rows=999"])
    result = filled.sync()
    assert (copies(filled), result.errors) == (2, [])
    assert len(filled.texts()) == 4


def test_a_plan_and_a_reason_can_be_had_for_members(filled: Mill) -> None:
    planned = planning.plan(
        filled.settings, filled.reporter, [filled.folder], wishes=Wishes(overrides=[*QUICK, "chunk.size=100"])
    )
    assert {item.uri for each in planned.sources for item in each.documents} == set(uris(filled))
    assert explaining.why(filled.settings, filled.reporter, f"{BOX}!/oak.md").would is False
    assert filled.sync().run_group_id is None


def test_a_plan_is_done_exactly_with_members_in_it(filled: Mill) -> None:
    manifest = filled.root / "docs.plan.json"
    other = Wishes(overrides=[*QUICK, "chunk.size=100"])
    planning.plan(filled.settings, filled.reporter, [filled.folder], wishes=other, manifest=manifest)
    result = syncing.sync(filled.settings, filled.reporter, [], manifest=manifest)
    assert (result.documents.completed, result.chunks.embedded) == (4, 0)
    planning.plan(filled.settings, filled.reporter, [filled.folder], wishes=Wishes(overrides=QUICK), manifest=manifest)
    box(filled, {"oak.md": "# Oak\n\nOf oak.\n"})
    with pytest.raises(NotAllowedError, match="not as it was planned"):
        syncing.sync(filled.settings, filled.reporter, [], manifest=manifest)


def test_a_plan_sees_which_rules_hold_for_members(mill: Mill) -> None:
    box(mill, {"oak.md": "Of oak.\n"})
    rules = [Rule(BOX, ("chunk.size=100",), {"shelf": "nuts", "title": "All trees"}), Rule("*.md", ("chunk.size=90",))]
    registering.add(mill.settings, "docs", mill.folder, Wishes(overrides=QUICK, rules=rules))
    mill.sync(overrides=[])
    assert planning.plan(mill.settings, mill.reporter, [mill.folder]).sources[0].documents == []
    found = dict(mill.state("SELECT uri, meta FROM document"))
    assert found == {BOX: '{"shelf": "nuts", "title": "All trees"}', f"{BOX}!/oak.md": '{"shelf": "nuts"}'}
    registering.add(mill.settings, "docs", mill.folder, Wishes(rules=[Rule(BOX, ("chunk.size=80",))]))
    assert set(mill.state("SELECT profile FROM document")) == {('["chunk.size=80"]',)}
    planned = planning.plan(mill.settings, mill.reporter, [mill.folder]).sources[0].documents
    assert {item.uri for item in planned} == {BOX, f"{BOX}!/oak.md"}


def test_a_batch_is_started_again_with_its_members(filled: Mill) -> None:
    result = running.start(filled.settings, filled.reporter, "docs", force=True, overrides=list(QUICK))
    assert (result.documents.completed, result.documents.failed) == (4, 0)


@pytest.mark.parametrize("point", ["store.settle.before", "store.settle.after", "group.finish.before"])
def test_killed_while_members_come_in_they_come_in_once(mill: Mill, point: str) -> None:
    box(mill, {f"{n}.md": f"Of oak {n}.\n" for n in range(5)} | {"more.zip": zipped({"a.md": "Of elm.\n"})})
    script = "import sys; sys.path[:0] = [sys.argv[1]]\nfrom conftest import Mill\nfrom pathlib import Path\n"
    script += "if __name__ == '__main__': Mill(Path(sys.argv[2])).sync()\n"
    (mill.root / "script.py").write_text(script)
    tests = str(Path(__file__).parents[1])
    command = [sys.executable, str(mill.root / "script.py"), tests, str(mill.root)]
    for _ in range(2):
        ended = subprocess.run(
            command,
            env={**os.environ, "DOCMILL_FAILPOINTS": f"{point}=kill"},
            capture_output=True,
            check=False,
        )
        assert ended.returncode == -signal.SIGKILL
    result = mill.sync()
    assert (result.status, result.errors) == ("completed", [])
    assert len(mill.texts()) == 8
    assert set(versions(mill).values()) == {1}
    assert mill.sync().run_group_id is None


def test_a_sweep_leaves_what_members_need(filled: Mill) -> None:
    state = State(filled.home)
    assert downloads.sweep(filled.home, state) == 0
    state.close()
    assert copies(filled) == 2
