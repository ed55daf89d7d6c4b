"""``start --force`` and ``--no-cache``: what is done again, and what is not."""

from __future__ import annotations

import signal

import pytest

from conftest import Mill, wait_for
from docmill.domain.results import RunResult
from docmill.errors import UsageError
from docmill.service import batches, ingesting, running

DOCUMENTS = 6


@pytest.fixture
def done(traps: Mill) -> Mill:
    """A batch ``1`` whose documents are all up to date."""
    mill = traps
    mill.write_many(DOCUMENTS, "Walnut")
    batches.create_batch(mill.settings, name="done")
    ingesting.ingest(mill.settings, [str(mill.folder)], batch="1")
    start(mill)
    return mill


def start(mill: Mill, *, force: bool = False, no_cache: list[str] | None = None) -> RunResult:
    overrides = list(mill.overrides)
    return running.start(mill.settings, mill.reporter, "1", overrides=overrides, force=force, no_cache=no_cache)


def work(mill: Mill) -> tuple[int, int]:
    """Files parsed and texts embedded so far."""
    return len(mill.noted("parse")), len(mill.noted("embed"))


def test_without_force_there_is_nothing_to_do(done: Mill) -> None:
    assert start(done).run_group_id is None
    assert work(done) == (DOCUMENTS, DOCUMENTS)


def test_force_does_everything_again_and_changes_nothing(done: Mill) -> None:
    rows = done.rows()
    result = start(done, force=True)
    assert (result.status, result.documents.completed) == ("completed", DOCUMENTS)
    assert (result.chunks.embedded, result.chunks.reused) == (DOCUMENTS, 0)
    assert work(done) == (2 * DOCUMENTS, 2 * DOCUMENTS)
    unchanging = ("chunk_id", "text", "vector", "uri")
    assert [[row[name] for name in unchanging] for row in done.rows()] == [[row[n] for n in unchanging] for row in rows]
    assert start(done).run_group_id is None


def test_a_forced_document_alone(done: Mill) -> None:
    result = running.start(
        done.settings, done.reporter, "1", overrides=list(done.overrides), documents=["note-000.md"], force=True
    )
    assert result.documents.completed == 1
    assert work(done) == (DOCUMENTS + 1, DOCUMENTS + 1)


@pytest.mark.parametrize(
    ("named", "parsed", "embedded"),
    [(["parse"], 1, 0), (["chunk"], 0, 0), (["embed"], 0, 1), (["parse", "embed"], 1, 1)],
)
def test_what_each_step_type_computes_anew(done: Mill, named: list[str], parsed: int, embedded: int) -> None:
    """Another database needs no new computation; with --no-cache, that of the named steps."""
    done.overrides = (*done.overrides, "store.database=other")
    result = start(done, no_cache=named)
    assert result.documents.completed == DOCUMENTS
    assert work(done) == (DOCUMENTS * (1 + parsed), DOCUMENTS * (1 + embedded))
    reused = done.value("SELECT COUNT(*) FROM run_step WHERE type = 'chunk' AND reused = 1")
    assert reused == (0 if {"parse", "chunk"} & set(named) else DOCUMENTS)


def test_a_forced_start_that_was_killed_goes_on_with_what_it_had_done(
    done: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCMILL_TRAPS_EMBED_S", "30")
    done.flags = {"document_workers": 1}
    code = (
        "from docmill.service import running\n"
        "running.start(mill.settings, mill.reporter, '1', overrides=list(mill.overrides), force=True)"
    )
    process = done.process(code)
    wait_for(lambda: done.value("SELECT COUNT(*) FROM run_step WHERE run_group_id = 2 AND type = 'chunk'"
                                " AND status = 'completed'") == DOCUMENTS)  # fmt: skip
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    monkeypatch.setenv("DOCMILL_TRAPS_EMBED_S", "0")
    result = start(done)
    assert (result.status, result.documents.completed) == ("completed", DOCUMENTS)
    assert len(done.noted("parse")) == 2 * DOCUMENTS, "what the dead engine had parsed anew was parsed again"


def test_a_step_that_keeps_nothing_is_refused(done: Mill) -> None:
    with pytest.raises(UsageError, match="store"):
        start(done, no_cache=["store"])
