"""Sources: what they remember, where they lie, and a sync of all of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conftest import QUICK, Mill
from docmill.cli.output import exit_code
from docmill.domain.results import SyncResult
from docmill.domain.sources import Wishes
from docmill.errors import (
    AlreadyExists,
    DefinitionError,
    InvalidState,
    NotAllowedError,
    NotFoundError,
    UsageError,
)
from docmill.service import batches, registering, running, stopping, syncing
from docmill.stores.queries import reading
from docmill.stores.reading import DOCUMENTS, Database


def add(mill: Mill, name: str, folder: Path, **wishes: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    registering.add(mill.settings, name, folder, Wishes(**{"overrides": QUICK, **wishes}))


def sync_all(mill: Mill, **options: Any) -> SyncResult:
    return syncing.sync(mill.settings, mill.reporter, [], **options)


def texts(mill: Mill) -> set[tuple[str, str]]:
    return {(row["source"], row["uri"]) for row in mill.rows()}


def test_all_sources_are_synced_each_by_what_it_was_told(mill: Mill) -> None:
    add(mill, "papers", mill.root / "a", exclude=["draft*"])
    add(mill, "notes", mill.root / "b", include=["*.txt"])
    for folder in "ab":
        for name in ("draft-1.md", "plan.md", "list.txt"):
            (mill.root / folder / name).write_text(f"The words of {folder} {name}.\n")
    result = sync_all(mill)
    assert [(each.source, each.status) for each in result.sources] == [("notes", "completed"), ("papers", "completed")]
    assert texts(mill) == {("papers", "plan.md"), ("papers", "list.txt"), ("notes", "list.txt")}
    assert [each.run_group_id for each in sync_all(mill).sources] == [None, None]


def test_what_a_sync_was_told_holds_until_it_is_told_otherwise(mill: Mill) -> None:
    mill.write_many(2)
    mill.write("list.txt", "Words of a list.\n")
    assert mill.sync(include=["*.md"]).documents.completed == 2
    again = sync_all(mill)
    assert (again.run_group_id, again.scan.files) == (None, 2)
    assert mill.sync(include=["*"]).documents.completed == 1
    assert sync_all(mill).scan.files == 3
    told = registering.show(mill.settings, "docs")
    assert (told.include, told.set, told.documents) == (["*"], list(QUICK), 3)


def test_other_definitions_do_not_keep_what_was_set_over_the_old(mill: Mill) -> None:
    mill.write_many(1)
    mill.sync(overrides=["chunk.size=60"])
    assert registering.show(mill.settings, "docs").set == [*QUICK, "chunk.size=60"]
    add(mill, "docs", mill.folder, params="default")
    assert registering.show(mill.settings, "docs").set == list(QUICK)
    assert sync_all(mill).documents.completed == 1


def test_one_source_that_cannot_be_synced_does_not_hold_up_the_others(mill: Mill) -> None:
    add(mill, "here", mill.root / "a")
    add(mill, "gone", mill.root / "b")
    (mill.root / "a" / "note.md").write_text("Words.\n")
    (mill.root / "b").rmdir()
    result = sync_all(mill)
    assert [each.source for each in result.sources] == ["here"]
    assert [(each.source, each.error_code) for each in result.skipped] == [("gone", "NOT_FOUND")]
    assert exit_code(result) == 3
    assert texts(mill) == {("here", "note.md")}
    (mill.root / "a" / "note.md").unlink()
    with pytest.raises(NotAllowedError, match="none of the 2 sources") as refused:
        sync_all(mill)
    assert {each["source"] for each in refused.value.context["skipped"]} == {"here", "gone"}


def test_a_source_whose_definitions_broke_does_not_hold_up_the_others(mill: Mill) -> None:
    (path := mill.home / "param-sets" / "own.yaml").parent.mkdir(exist_ok=True)
    path.write_text("id: own\nname: Own\nconfig:\n  chunk:\n    size: 60\n")
    add(mill, "good", mill.root / "a")
    add(mill, "bad", mill.root / "b", params="own")
    for name in ("a", "b"):
        (mill.root / name / "note.md").write_text("Words.\n")
    path.write_text("chunk: [\n")
    result = sync_all(mill)
    assert [(each.source, each.error_code) for each in result.skipped] == [("bad", DefinitionError.code)]
    assert (exit_code(result), texts(mill)) == (3, {("good", "note.md")})


def test_without_a_source_there_is_nothing_to_sync(mill: Mill) -> None:
    with pytest.raises(UsageError, match="no source yet"):
        sync_all(mill)
    with pytest.raises(NotFoundError, match="no source 'papers'"):
        sync_all(mill, source="papers")


def test_one_source_by_its_name(mill: Mill) -> None:
    for name in ("one", "two"):
        add(mill, name, mill.root / name)
        (mill.root / name / "note.md").write_text(f"Words of {name}.\n")
    assert sync_all(mill, source="two").source == "two"
    assert texts(mill) == {("two", "note.md")}


def test_a_source_that_has_moved_is_not_read_anew(mill: Mill) -> None:
    mill.write_many(3)
    mill.sync()
    ids = {row["chunk_id"] for row in mill.rows()}
    moved = mill.root / "elsewhere"
    mill.folder.rename(moved)
    with pytest.raises(NotAllowedError, match="none of the 3 documents"):
        registering.relocate(mill.settings, "docs", mill.home)
    changed = registering.relocate(mill.settings, "docs", moved)
    assert "3 of 3" in changed.message
    result = sync_all(mill)
    assert (result.scan.unchanged, result.documents.completed, result.scan.new) == (3, 0, 0)
    assert {row["chunk_id"] for row in mill.rows()} == ids
    (moved / "note-001.md").write_text("# Elm\n\nNew words.\n")
    assert sync_all(mill).documents.completed == 1


def test_a_source_that_is_removed_leaves_the_index_and_may_come_back(mill: Mill) -> None:
    mill.write_many(3)
    mill.sync()
    ids = {row["chunk_id"] for row in mill.rows()}
    assert registering.remove(mill.settings, "docs", dry_run=True).deleted_documents == 3
    assert len(mill.rows()) == 3
    removed = registering.remove(mill.settings, "docs")
    assert (removed.deleted_documents, removed.leaving) == (3, [])
    assert mill.rows() == []
    assert mill.folder.is_dir()
    with pytest.raises(NotFoundError):
        registering.show(mill.settings, "docs")
    assert batches.status(mill.settings, "1").status == "completed"
    again = mill.sync(source="docs")
    assert (again.documents.completed, again.chunks.embedded) == (3, 0)
    assert {row["chunk_id"] for row in mill.rows()} == ids


def test_a_source_at_work_is_not_removed(mill: Mill) -> None:
    mill.write_many(1)
    mill.sync()
    batches.create_batch(mill.settings, name="nightly", source="docs", type="scheduled", cron="0 3 * * *")
    with pytest.raises(InvalidState) as refused:
        registering.remove(mill.settings, "docs")
    assert refused.value.context["current_status"] == "scheduled"
    stopping.cancel(mill.settings, "nightly")
    registering.remove(mill.settings, "docs")


def test_names_and_folders_are_one_sources_own(mill: Mill) -> None:
    add(mill, "one", mill.root / "one")
    (mill.root / "two").mkdir()
    with pytest.raises(AlreadyExists, match="source 'one' is "):
        registering.add(mill.settings, "one", mill.root / "two", Wishes())
    with pytest.raises(AlreadyExists, match="followed as source 'one'"):
        registering.add(mill.settings, "other", mill.root / "one", Wishes())
    with pytest.raises(NotFoundError):
        registering.add(mill.settings, "three", mill.root / "three", Wishes())
    with pytest.raises(DefinitionError):
        registering.add(mill.settings, "four", mill.root / "two", Wishes(overrides=["chunk.sise=3"]))
    with pytest.raises(UsageError, match="name"):
        registering.add(mill.settings, "a/b", mill.root / "two", Wishes())
    listed = registering.list_sources(mill.settings, limit=10, offset=0)
    assert [(each.name, each.there) for each in listed.sources] == [("one", True)]


def test_how_a_source_stands_against_its_folder(mill: Mill) -> None:
    mill.write_many(5)
    mill.sync()
    mill.write("note-000.md", "changed\n")
    (mill.folder / "note-001.md").unlink()
    (mill.folder / "note-002.md").rename(mill.folder / "renamed.md")
    mill.write("fresh.md", "new words\n")
    before = (mill.home / "state.db").stat().st_mtime_ns
    found = registering.status(mill.settings, "docs")
    assert (found.new, found.changed, found.deleted) == (["fresh.md"], ["note-000.md"], ["note-001.md"])
    assert (found.renamed, found.matched) == (["renamed.md"], ["note-003.md", "note-004.md"])
    assert (mill.home / "state.db").stat().st_mtime_ns == before


def test_how_a_source_stands_against_hashes(mill: Mill) -> None:
    mill.write_many(3)
    mill.sync()
    known = dict(mill.state("SELECT uri, content_hash FROM document"))
    given = {
        "note-000.md": known["note-000.md"],
        "note-001.md": known["note-001.md"].removeprefix("sha256-").upper(),
        "new.md": "sha256:" + "0" * 64,
    }
    found = registering.status(mill.settings, "docs", json.dumps(given))
    assert (found.new, found.changed, found.deleted) == (["new.md"], [], ["note-002.md"])
    assert found.matched == ["note-000.md", "note-001.md"]
    given["note-000.md"] = "0" * 64
    assert registering.status(mill.settings, "docs", json.dumps(given)).changed == ["note-000.md"]


@pytest.mark.parametrize("text", ["nonsense", "[]", '{"a": 3}', '{"a": "md5:12"}'])
def test_hashes_that_are_none(mill: Mill, text: str) -> None:
    mill.write_many(1)
    mill.sync()
    with pytest.raises(UsageError):
        registering.status(mill.settings, "docs", text)


# ---- rules for some of the files -------------------------------------------------------------------------------------

LONG = "\n\n".join(
    f"Sentence {number} of a long text tells of walnut {number} and of little else." for number in range(40)
)


def told(mill: Mill, *, overrides: list[str] | None = None, metadata: list[str] | None = None) -> None:
    add(mill, "docs", mill.folder, rules=registering.rules(overrides or [], metadata or []))


def chunk_counts(mill: Mill) -> dict[str, int]:
    return dict(mill.state("SELECT uri, chunk_count FROM document ORDER BY uri"))


def test_some_files_have_values_of_their_own(mill: Mill) -> None:
    for uri in ("a.md", "b.md", "legal/c.md"):
        mill.write(uri, f"# {uri}\n\n{LONG}\n")
    told(mill)
    sync_all(mill)
    before = chunk_counts(mill)
    told(mill, overrides=["legal/*:chunk.size=60"])
    result = sync_all(mill)
    assert (result.documents.completed, result.scan.changed) == (1, 0)
    after = chunk_counts(mill)
    assert after.pop("legal/c.md") > before.pop("legal/c.md")
    assert after == before
    assert mill.value("SELECT COUNT(*) FROM run_step WHERE type = 'parse' AND reused = 0") == 3
    assert sync_all(mill).run_group_id is None
    mill.write("legal/d.md", f"# d\n\n{LONG}\n")
    assert sync_all(mill).documents.completed == 1
    assert chunk_counts(mill)["legal/d.md"] == chunk_counts(mill)["legal/c.md"]
    (mill.folder / "legal" / "d.md").rename(mill.folder / "d.md")
    moved = sync_all(mill)
    assert (moved.scan.renamed, moved.documents.completed) == (1, 1)
    assert chunk_counts(mill)["d.md"] == before["a.md"]


def test_a_start_keeps_to_what_its_source_was_told(mill: Mill) -> None:
    mill.write("a.md", f"# a\n\n{LONG}\n")
    mill.write("b.txt", LONG)
    add(
        mill,
        "docs",
        mill.folder,
        overrides=[*QUICK, "chunk.size=100"],
        rules=registering.rules(["*.md:chunk.size=60"], []),
    )
    sync_all(mill)
    before = chunk_counts(mill)
    assert running.start(mill.settings, mill.reporter, "docs").run_group_id is None  # type: ignore[union-attr] # it waits
    running.start(mill.settings, mill.reporter, "docs", force=True)
    assert chunk_counts(mill) == before
    assert sync_all(mill).run_group_id is None
    made = batches.create_batch(mill.settings, name="nightly", source="docs", type="scheduled", cron="0 3 * * *")
    mill.write("c.md", f"# c\n\n{LONG}\n")
    running.start(mill.settings, mill.reporter, str(made.batch_id), override_schedule=True)
    assert chunk_counts(mill)["c.md"] == before["a.md"]
    assert sync_all(mill).run_group_id is None


def test_some_files_have_metadata_of_their_own(mill: Mill) -> None:
    mill.write("legal/a.md", "# A\n\nWalnut.\n")
    mill.write("b.md", "# B\n\nWalnut.\n")
    told(mill, metadata=["legal/*:team=legal", "*.md:kind=note"])
    sync_all(mill)
    assert _metadata(mill) == {"legal/a.md": {"team": "legal", "kind": "note"}, "b.md": {"kind": "note"}}
    with reading(mill.home) as queries:
        assert {each["version"] for each in queries.rows("SELECT version FROM document")} == {1}
    told(mill, metadata=["legal/*:team=courts"])
    result = sync_all(mill)
    assert (result.documents.completed, result.chunks.embedded) == (2, 0)
    assert _metadata(mill) == {"legal/a.md": {"team": "courts"}, "b.md": {}}
    assert sync_all(mill).run_group_id is None


def _metadata(mill: Mill) -> dict[str, Any]:
    table = Database(mill.home, "default").table(DOCUMENTS)
    assert table is not None
    kept = ("team", "kind")
    return {
        row["uri"]: {key: value for key, value in json.loads(row["metadata"]).items() if key in kept}
        for row in table.to_arrow().to_pylist()
    }


def test_the_model_and_the_database_are_the_same_for_all_files(mill: Mill) -> None:
    with pytest.raises(DefinitionError, match=r"cannot set embed\.model"):
        told(mill, overrides=["*.md:embed.model=hashing-128"])
    with pytest.raises(DefinitionError):
        told(mill, overrides=["*.md:chunk.sise=60"])
    for bad in ("chunk.size=60", "*.md", ":chunk.size=60"):
        with pytest.raises(UsageError, match="--set-for takes"):
            told(mill, overrides=[bad])
