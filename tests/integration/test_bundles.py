"""Small documents that a worker is given several of at once: what becomes of one is never the others' fault."""

from __future__ import annotations

from typing import Any

import pytest

from conftest import Mill
from docmill.engine import legs
from docmill.engine.legs import BUNDLED, BUNDLING_FROM, SMALL_BYTES, LegStage

MANY = BUNDLING_FROM + 3 * BUNDLED


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The URIs of each bundle that a worker was given."""
    found: list[list[str]] = []
    submit = LegStage._submit

    def noted(self: LegStage, taken: list[Any], executor: Any) -> None:
        found.append([work.uri for work, _refs in taken])
        submit(self, taken, executor)

    monkeypatch.setattr(LegStage, "_submit", noted)
    return found


def test_where_many_wait_small_ones_go_together(mill: Mill, handed: list[list[str]]) -> None:
    mill.write_many(MANY)
    mill.write("large.md", "# Large\n\n" + "Many words. " * (SMALL_BYTES // 8))
    assert mill.sync().documents.completed == MANY + 1
    assert max(map(len, handed)) == BUNDLED
    assert ["large.md"] in handed
    assert len(handed[-1]) == 1, "at the end none waits for another"
    assert sorted(uri for uris in handed for uri in uris) == sorted([*mill.texts()])


def test_few_go_alone(mill: Mill, handed: list[list[str]]) -> None:
    mill.write_many(BUNDLING_FROM // 2)
    mill.sync()
    assert {len(uris) for uris in handed} == {1}


def test_neighbours_of_one_that_takes_workers_down_are_done_again(traps: Mill, handed: list[list[str]]) -> None:
    traps.write_many(MANY)
    traps.write("note-004a.md", "# Bad\n\nKILL THE WORKER at once.\n")
    result = traps.sync()
    assert any("note-004a.md" in uris and len(uris) > 1 for uris in handed)
    assert result.documents.completed == MANY
    assert [(error.uri, error.error_code) for error in result.errors] == [("note-004a.md", "WORKER_CRASHED")]
    assert len(traps.texts()) == MANY
    assert traps.state(
        "SELECT d.uri, r.crashes FROM run r JOIN document d ON d.id = r.document_id WHERE r.crashes"
    ) == [("note-004a.md", 3)]


def test_neighbours_of_one_that_hangs_are_done_again(
    traps: Mill, handed: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(legs, "BUNDLE_SECONDS", 3.0)
    traps.flags = {"worker_cpu_s": 1}
    traps.write_many(MANY)
    traps.write("note-004a.md", "# Bad\n\nBURN for good.\n")
    result = traps.sync()
    assert any("note-004a.md" in uris and len(uris) > 1 for uris in handed)
    assert result.documents.completed == MANY
    assert [(error.uri, error.error_code) for error in result.errors] == [("note-004a.md", "TIMEOUT")]


def test_one_that_fails_fails_alone(traps: Mill, handed: list[list[str]]) -> None:
    traps.write_many(MANY)
    traps.write("note-004a.md", "")
    result = traps.sync()
    assert any("note-004a.md" in uris and len(uris) > 1 for uris in handed)
    assert result.documents.completed == MANY
    assert [error.error_code for error in result.errors] == ["EMPTY_DOCUMENT"]
    assert len(traps.noted("parse")) == len(set(traps.noted("parse"))) == MANY, "none was read twice"
