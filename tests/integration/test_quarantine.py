"""What takes workers down is set aside, can be looked at, and is tried again once it is released."""

from __future__ import annotations

import pytest

from conftest import Mill
from docmill.domain.results import QuarantineList
from docmill.errors import DocumentNotFound, InvalidState, UsageError
from docmill.service import quarantine, running

DEADLY = "# Bad\n\nKILL THE WORKER at once.\n"


def held(mill: Mill) -> QuarantineList:
    return quarantine.list_quarantine(mill.settings, limit=50, offset=0)


@pytest.fixture
def struck(traps: Mill) -> Mill:
    """One document is in quarantine; one is fine; one has failed in an ordinary way."""
    traps.write("bad.md", DEADLY)
    traps.write("good.md", "# Good\n\nNothing happens here.\n")
    traps.write("empty.txt", "")
    traps.sync()
    return traps


def test_it_says_how_often_and_how_workers_died(struck: Mill) -> None:
    listed = held(struck)
    [one] = listed.documents
    assert (listed.total, listed.held) == (1, 1)
    assert (one.uri, one.filename, one.source, one.type) == ("bad.md", "bad.md", "docs", "markdown")
    assert (one.error_code, one.held, one.permanent) == ("WORKER_CRASHED", True, True)
    assert (one.worker_deaths, one.exit_code, one.signal) == (3, -9, "SIGKILL")
    assert "quarantine" in (one.hint or "")


def test_one_is_shown_with_its_deaths_and_its_log(struck: Mill) -> None:
    shown = quarantine.show(struck.settings, "bad.md")
    assert shown.document == held(struck).documents[0]
    assert [death.signal for death in shown.deaths] == ["SIGKILL"] * 3
    assert shown.deaths == sorted(shown.deaths, key=lambda death: death.at)
    assert [entry.level for entry in shown.logs] == ["warning"] * 3 + ["error"]
    assert all("bad.md" in entry.message for entry in shown.logs)
    assert quarantine.show(struck.settings, shown.document.document_id or "") == shown


def test_what_is_not_in_it_is_neither_shown_nor_released(struck: Mill) -> None:
    for uri, said in (("good.md", "it is completed"), ("empty.txt", "it is failed with EMPTY_DOCUMENT")):
        with pytest.raises(InvalidState, match=said):
            quarantine.show(struck.settings, uri)
    with pytest.raises(InvalidState):
        quarantine.release(struck.settings, ["bad.md", "good.md"])
    assert held(struck).held == 1, "nothing is released where one of them cannot be"
    with pytest.raises(DocumentNotFound):
        quarantine.release(struck.settings, ["other.md"])
    with pytest.raises(UsageError):
        quarantine.release(struck.settings, [])
    with pytest.raises(UsageError):
        quarantine.release(struck.settings, ["bad.md"], every=True)
    with pytest.raises(UsageError):
        quarantine.release(struck.settings, ["bad.md"], batch="docs")


def test_what_is_released_is_tried_again_and_only_then(struck: Mill) -> None:
    assert struck.sync().run_group_id is None
    dry = quarantine.release(struck.settings, ["bad.md"], dry_run=True)
    assert (dry.dry_run, dry.total, [each.uri for each in dry.documents]) == (True, 1, ["bad.md"])
    assert struck.sync().run_group_id is None
    assert quarantine.release(struck.settings, ["bad.md"]).total == 1
    [due] = held(struck).documents
    assert (due.held, due.permanent, held(struck).held) == (False, False, 0)
    assert quarantine.release(struck.settings, ["bad.md"]).total == 0, "it is due as it is"
    result = struck.sync()
    assert (result.documents.completed, result.documents.failed) == (0, 1)
    assert struck.noted("parse").count("bad.md") == 6, "three times before, and three times again"
    [again] = held(struck).documents
    assert (again.held, again.worker_deaths) == (True, 3)
    shown = quarantine.show(struck.settings, "bad.md")
    assert len(shown.deaths) == 6
    assert [entry.message for entry in shown.logs].count("bad.md: released from quarantine") == 1


def test_all_of_a_batch_are_released_and_a_start_tries_them(struck: Mill) -> None:
    other = struck.root / "other"
    other.mkdir()
    (other / "worse.md").write_text(DEADLY.replace("Bad", "Worse"))
    struck.sync(other)
    assert [each.uri for each in held(struck).documents] == ["bad.md", "worse.md"]
    assert [each.uri for each in quarantine.list_quarantine(struck.settings, limit=1, offset=1).documents] == [
        "worse.md"
    ]
    released = quarantine.release(struck.settings, [], every=True, batch="other")
    assert [each.uri for each in released.documents] == ["worse.md"]
    assert quarantine.list_quarantine(struck.settings, limit=9, offset=0, batch="docs").held == 1
    (other / "worse.md").write_text("# Worse\n\nMended meanwhile.\n")
    assert struck.sync(other).documents.completed == 1
    assert [each.uri for each in held(struck).documents] == ["bad.md"]
    quarantine.release(struck.settings, [], every=True)
    started = running.start(struck.settings, struck.reporter, "docs", overrides=list(struck.overrides))
    assert started.documents.failed == 1
    assert struck.noted("parse").count("bad.md") == 6


def test_what_had_to_be_ended_is_in_it_too(traps: Mill) -> None:
    traps.write("stuck.md", "# Stuck\n\nHANG here for good.\n")
    (traps.home / "workflows" / "hasty.yaml").write_text(
        "id: hasty\nname: Hasty\nsteps:\n"
        "  - {name: parse, type: parse, timeout_s: 1}\n  - {name: chunk, type: chunk, timeout_s: 1}\n"
        "  - {name: embed, type: embed}\n  - {name: store, type: store}\n"
    )
    traps.sync(workflow="hasty")
    [one] = held(traps).documents
    assert (one.error_code, one.held, one.worker_deaths, one.signal) == ("TIMEOUT", True, 0, None)


def test_an_empty_quarantine(mill: Mill) -> None:
    assert held(mill).documents == []
    nothing = quarantine.release(mill.settings, [], every=True)
    assert (nothing.total, nothing.message) == (0, "nothing is in quarantine")
