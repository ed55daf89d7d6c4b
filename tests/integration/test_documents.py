"""Documents looked up: lists, one of them, its history."""

from __future__ import annotations

import pytest

from conftest import Mill
from docmill.errors import DocumentNotFound, UsageError
from docmill.service import documents, forgetting, ingesting


@pytest.fixture
def library(mill: Mill) -> Mill:
    """Three documents, of which one has failed, one has changed and been renamed, and one was deleted."""
    mill.write("a.md", "# A\n\nThe first words.\n")
    mill.write("empty.txt", "")
    mill.write("sub/gone.md", "# Gone\n\nThese words will go.\n")
    mill.sync()
    mill.write("a.md", "# A\n\nOther words.\n")
    (mill.folder / "sub" / "gone.md").unlink()
    mill.sync()
    (mill.folder / "a.md").rename(mill.folder / "b.md")
    mill.sync()
    return mill


def uris(mill: Mill, **options: object) -> list[str]:
    listed = documents.list_documents(mill.settings, limit=50, offset=0, **options)  # type: ignore[arg-type] # shorthand
    assert listed.total == len(listed.documents)
    return [each.uri for each in listed.documents]


def test_lists_and_their_filters(library: Mill) -> None:
    mill = library
    assert uris(mill) == ["b.md", "empty.txt"]
    assert uris(mill, status="failed") == ["empty.txt"]
    assert uris(mill, status="completed") == ["b.md"]
    assert uris(mill, state="deleted") == ["sub/gone.md"]
    assert uris(mill, state=None) == ["b.md", "empty.txt", "sub/gone.md"]
    assert uris(mill, state=None, prefix="sub/") == ["sub/gone.md"]
    assert uris(mill, source="docs") == uris(mill, batch="docs") == ["b.md", "empty.txt"]
    assert uris(mill, source="other") == []
    page = documents.list_documents(mill.settings, limit=1, offset=1)
    assert ([each.uri for each in page.documents], page.total) == (["empty.txt"], 2)


def test_one_document(library: Mill) -> None:
    mill = library
    shown = documents.show_document(mill.settings, "b.md")
    assert (shown.document.status, shown.document.version, shown.document.chunk_count) == ("completed", 2, 1)
    assert shown.path == str(mill.folder / "b.md")
    assert [(place.database, place.current, place.chunk_count) for place in shown.databases] == [("default", True, 1)]
    assert shown.error is None
    assert documents.show_document(mill.settings, shown.document.document_id) == shown
    failed = documents.show_document(mill.settings, "empty.txt")
    assert failed.error is not None
    assert (failed.document.status, failed.error.error_code, failed.databases) == ("failed", "EMPTY_DOCUMENT", [])
    gone = documents.show_document(mill.settings, "sub/gone.md")
    assert (gone.document.state, gone.databases) == ("deleted", [])
    with pytest.raises(DocumentNotFound):
        documents.show_document(mill.settings, "a.md")


def test_history_follows_a_document_through_its_names(library: Mill) -> None:
    mill = library
    told = documents.history(mill.settings, "b.md")
    assert [(each.event, each.version, each.uri) for each in told.events] == [
        ("new", 1, "a.md"),
        ("changed", 2, "a.md"),
        ("renamed", 2, "b.md"),
    ]
    gone = documents.history(mill.settings, "sub/gone.md")
    assert [each.event for each in gone.events] == ["new", "deleted"]
    assert len({each.content_hash for each in told.events}) == 2


def test_a_uri_of_two_sources_must_say_which(library: Mill) -> None:
    mill = library
    ingesting.ingest(mill.settings, [str(mill.folder)], source="second")
    with pytest.raises(UsageError, match="docs, second"):
        documents.show_document(mill.settings, "b.md")
    assert documents.show_document(mill.settings, "b.md", source="second").document.status == "pending"


def test_a_deleted_document_stays_out_until_it_is_restored(library: Mill) -> None:
    mill = library
    mill.write("keep.md", "# Keep\n\nThese words stay.\n")
    mill.sync()
    would = forgetting.delete_document(mill.settings, "b.md", dry_run=True)
    assert (would.dry_run, would.statistics.deleted_document_versions) == (True, 3)
    assert mill.found("Other words") == ["b.md"]
    before = len(list(mill.home.glob("artifacts/*/*")))
    deleted = forgetting.delete_document(mill.settings, "b.md")
    assert deleted.statistics == would.statistics
    assert (deleted.artifacts_deleted, deleted.leaving) == (would.artifacts_deleted, [])
    assert deleted.bytes_freed > 0
    assert len(list(mill.home.glob("artifacts/*/*"))) == before - deleted.artifacts_deleted
    assert sorted(mill.texts()) == ["keep.md"]
    assert mill.value("SELECT COUNT(*) FROM run WHERE document_id = ?", deleted.document_id) == 0
    assert mill.value("SELECT COUNT(*) FROM placement WHERE document_id = ?", deleted.document_id) == 0
    again = mill.sync()
    assert (again.run_group_id, sorted(mill.texts())) == (None, ["keep.md"])
    assert {each.rule: each.count for each in again.ignored} == {"deleted by `documents delete`": 1}
    assert uris(mill, state="removed") == ["b.md"]
    with pytest.raises(DocumentNotFound):
        forgetting.delete_document(mill.settings, "b.md")
    forgetting.restore_document(mill.settings, "b.md")
    assert mill.sync().documents.completed == 1
    assert documents.show_document(mill.settings, "b.md").document.document_id == deleted.document_id
    assert sorted(mill.texts()) == ["b.md", "keep.md"]


def test_what_is_ingested_by_name_comes_back_too(library: Mill) -> None:
    mill = library
    forgetting.delete_document(mill.settings, "b.md")
    ingesting.ingest(mill.settings, [str(mill.folder / "b.md")], source="docs")
    assert uris(mill, status="pending") == ["b.md"]
    assert uris(mill, state="removed") == []


def test_an_artifact_that_another_document_leads_to_stays(mill: Mill) -> None:
    for name in ("one.md", "two.md"):
        mill.write(name, "# Same\n\nThe very same words.\n")
    mill.sync()
    assert forgetting.delete_document(mill.settings, "one.md").artifacts_deleted == 0
    assert forgetting.delete_document(mill.settings, "two.md").artifacts_deleted == 2
    assert mill.texts() == {}
