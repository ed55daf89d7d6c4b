"""What is said of a document whose workers died, and of the two clocks that may end one."""

from __future__ import annotations

import itertools
import os
import signal

import pytest

from conftest import Mill
from docmill import settings
from docmill.engine import verdicts, worker_process
from docmill.engine.worker_process import WorkerDied, ending
from docmill.engine.workers import Workers
from docmill.errors import SettingsError
from docmill.service.pipelines import prepare


@pytest.mark.parametrize(
    ("died", "code", "said"),
    [
        (WorkerDied(-signal.SIGSEGV), "WORKER_CRASHED", "it took 3 workers down (SIGSEGV)"),
        (WorkerDied(5, "assertion failed"), "WORKER_CRASHED", "(exit code 5): assertion failed"),
        (WorkerDied(-signal.SIGABRT, "memory allocation of 9 bytes failed"), "OUT_OF_MEMORY", "memory allocation of 9"),
        (WorkerDied(-signal.SIGABRT, "terminate called: std::bad_alloc"), "OUT_OF_MEMORY", "std::bad_alloc"),
        (WorkerDied(-signal.SIGKILL), "WORKER_CRASHED", "(SIGKILL)"),
        (WorkerDied(-signal.SIGKILL, starved=True), "OUT_OF_MEMORY", "the machine ran out of memory"),
    ],
)
def test_a_document_that_takes_workers_down_is_told_why(died: WorkerDied, code: str, said: str) -> None:
    error = verdicts._of_deaths(died, 3)
    assert error.code == code
    assert said in error.message


def test_a_signal_without_a_name() -> None:
    assert ending(-35) == "signal 35"


@pytest.mark.parametrize("starved", [True, False])
def test_a_worker_that_the_kernel_ended_for_memory_is_told_apart(
    monkeypatch: pytest.MonkeyPatch, starved: bool
) -> None:
    counts = itertools.count() if starved else itertools.repeat(7)
    monkeypatch.setattr(worker_process, "killings_for_memory", lambda: next(counts))
    pool = Workers(1, os.getpid, (), done=lambda _tag, _future: None)
    with pytest.raises(WorkerDied) as caught:
        pool.submit(1, signal.raise_signal, signal.SIGKILL).result(60)
    assert caught.value.starved is starved
    pool.stop()


def test_processor_time_that_is_used_up_is_a_timeout(traps: Mill) -> None:
    mill = traps
    mill.write("burns.md", "# Burns\n\nBURN for good.\n")
    mill.flags = {"worker_cpu_s": 1}
    errors = mill.sync().errors
    assert [(each.uri, each.error_code) for each in errors] == [("burns.md", "TIMEOUT")]
    assert "processor time" in errors[0].error_message


@pytest.mark.parametrize(("seconds", "warned"), [("90", False), ("1000", True)])
def test_a_soft_clock_that_comes_to_nothing_is_warned_of(mill: Mill, seconds: str, warned: bool) -> None:
    for workflow in ("batch", "interactive"):
        mill.reporter.events.clear()
        prepare(mill.home, mill.reporter, workflow, "default", [*mill.overrides, f"parse.max_seconds={seconds}"])
        assert any("comes to nothing" in str(event) for event in mill.reporter.events) is warned, workflow


def test_variables_that_workers_keep_are_named_by_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCMILL_WORKER_ENV", "API_KEY, TESSDATA_*")
    assert settings.build().worker_env == ("API_KEY", "TESSDATA_*")
    monkeypatch.setenv("DOCMILL_WORKER_ENV", '["API_KEY"]')
    assert settings.build().worker_env == ("API_KEY",)
    for wrong in ("*", "A=B", "[]x"):
        monkeypatch.setenv("DOCMILL_WORKER_ENV", wrong)
        with pytest.raises(SettingsError, match="worker_env"):
            settings.build()
