"""What is due in a large database is done beside the engine, in a process that ends with it."""

from __future__ import annotations

import pytest

from conftest import Mill
from docmill.domain.events import MessageEvent
from docmill.engine import aside
from docmill.stores import indexing
from docmill.stores.reading import CHUNKS, Database
from docmill.stores.vectors import VectorStore


@pytest.fixture
def large(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> Mill:
    """Every database counts as large, and none is indexed in this process."""

    def here(_self: VectorStore, *, vector_rows: int | None) -> None:
        raise AssertionError("indexed by the engine itself")

    monkeypatch.setattr(aside, "LARGE_ROWS", 0)
    monkeypatch.setattr(VectorStore, "finish", here)
    return mill


def indexes(mill: Mill) -> list[str]:
    table = Database(mill.home, "default").table(CHUNKS)
    return sorted("text" if indexing.is_text(index) else "vector" for index in table.list_indices())


def test_indexes_are_made_and_what_comes_later_is_stored(large: Mill) -> None:
    large.write_many(3)
    large.flags = {"vector_index_rows": 4}
    assert large.sync().documents.completed == 3
    assert indexes(large) == ["text"]
    large.write("more.md", "# More\n\nOf walnuts.\n")
    assert large.sync().documents.completed == 1
    assert indexes(large) == ["text", "vector"]
    assert large.found("walnuts") == ["more.md"]
    assert len(large.texts()) == 4


def test_nothing_is_started_where_nothing_is_due(large: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    large.write_many(3)
    large.sync()
    monkeypatch.setattr(aside, "finish", None)
    large.write("more.md", "# More\n\nOf walnuts.\n")
    assert large.sync().documents.completed == 1


def test_one_that_dies_is_warned_of_and_costs_no_document(large: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    large.write_many(3)
    with monkeypatch.context() as armed:
        armed.setenv("DOCMILL_FAILPOINTS", "index.build.before=kill")
        result = large.sync()
    assert (result.documents.completed, result.status) == (3, "completed")
    warnings = [str(event.message) for event in large.reporter.events if isinstance(event, MessageEvent)]
    assert any("could not be indexed (SIGKILL)" in each for each in warnings), warnings
    assert indexes(large) == []
    assert len(large.search("notes", mode="vector").hits) == 3
    large.write("more.md", "# More\n\nOf walnuts.\n")
    large.sync()
    assert indexes(large) == ["text"], "the next run makes up for it"
