"""Small documents that a worker is given several of at once: what becomes of one is never the others' fault."""

from __future__ import annotations

from typing import Any

import pytest

from conftest import Mill
from docmill.domain.results import SyncResult
from docmill.engine import legs
from docmill.engine.legs import BUNDLED, BUNDLES, BUNDLING_FROM, SMALL_BYTES, LegStage

ODD = "note-004a.md"
MANY = BUNDLED * (BUNDLES + 1)  # for one worker


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


def test_large_ones_are_handed_out_two_at_a_time(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    large: list[int] = []
    submit = LegStage._submit

    def counted(self: LegStage, taken: list[Any], executor: Any) -> None:
        submit(self, taken, executor)
        large.append(sum(work.size_bytes > SMALL_BYTES for work in self.running.values()))

    monkeypatch.setattr(LegStage, "_submit", counted)
    for number in range(6):
        mill.write(f"large-{number}.md", f"# Large {number}\n\n" + f"Many words {number}. " * (SMALL_BYTES // 12))
    assert mill.sync().documents.completed == 6
    assert max(large) == 2, "for the one worker"


def bundled_with(mill: Mill, handed: list[list[str]], text: str, **options: Any) -> SyncResult:
    """A sync of many notes, and of one more document that goes to a worker together with some of them."""
    mill.write_many(MANY)
    mill.write(ODD, text)
    result = mill.sync(**options)
    assert any(ODD in uris and len(uris) > 1 for uris in handed)
    assert result.documents.completed == MANY
    return result


def test_neighbours_of_one_that_takes_workers_down_are_done_again(traps: Mill, handed: list[list[str]]) -> None:
    result = bundled_with(traps, handed, "# Bad\n\nKILL THE WORKER at once.\n")
    assert [(error.uri, error.error_code) for error in result.errors] == [(ODD, "WORKER_CRASHED")]
    assert len(traps.texts()) == MANY
    assert traps.state(
        "SELECT d.uri, r.crashes FROM run r JOIN document d ON d.id = r.document_id WHERE r.crashes"
    ) == [(ODD, 3)]


def test_neighbours_of_one_that_burns_processor_time_are_done_again(traps: Mill, handed: list[list[str]]) -> None:
    traps.flags = {"worker_cpu_s": 1}
    result = bundled_with(traps, handed, "# Bad\n\nBURN for good.\n")
    assert [(error.uri, error.error_code) for error in result.errors] == [(ODD, "TIMEOUT")]


def test_neighbours_of_one_that_hangs_are_done_again(
    traps: Mill, handed: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(legs, "BUNDLE_SECONDS", 1.5)
    (traps.home / "workflows" / "hasty.yaml").write_text(
        "id: hasty\nname: Hasty\nsteps:\n"
        "  - {name: parse, type: parse, timeout_s: 1}\n  - {name: chunk, type: chunk, timeout_s: 1}\n"
        "  - {name: embed, type: embed}\n  - {name: store, type: store}\n"
    )
    result = bundled_with(traps, handed, "# Bad\n\nHANG here for good.\n", workflow="hasty")
    assert [(error.uri, error.error_code) for error in result.errors] == [(ODD, "TIMEOUT")]
    assert "longer than 2 s" in result.errors[0].error_message, "its own limit, not that of all together"


def test_one_that_fails_fails_alone(traps: Mill, handed: list[list[str]]) -> None:
    result = bundled_with(traps, handed, "")
    assert [error.error_code for error in result.errors] == ["EMPTY_DOCUMENT"]
    assert len(traps.noted("parse")) == len(set(traps.noted("parse"))) == MANY, "none was read twice"
