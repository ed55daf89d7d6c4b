"""Signals and the time limit, on the real command line: the first stops in good order, the second at once."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import termios
from typing import Any

import pytest

from conftest import Mill, Working, children_of, is_alive, wait_for
from docmill.errors import TimeLimit
from docmill.service import resuming
from docmill.service.signals import stop_on_signals

DOCUMENTS = 20


@pytest.fixture
def slow(traps: Mill, monkeypatch: pytest.MonkeyPatch) -> Mill:
    monkeypatch.setenv("DOCMILL_TRAPS_EMBED_S", "0.1")
    monkeypatch.setenv("DOCMILL_DOCUMENT_WORKERS", "1")
    monkeypatch.setenv("DOCMILL_EMBED_WORKERS", "1")
    traps.overrides = (*traps.overrides, "store.window_documents=4", "embed.batch_tokens=64")
    traps.write_many(DOCUMENTS, "Walnut")
    return traps


def sync(mill: Mill, *options: str, **more: Any) -> subprocess.Popen[str]:
    sets = [word for each in mill.overrides for word in ("--set", each)]
    command = [sys.executable, "-m", "docmill", "--home", str(mill.home), "sync", str(mill.folder), *sets, *options]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, start_new_session=True, **{**streams, **more})


def begun(mill: Mill) -> None:
    wait_for(lambda: len(mill.noted("embed")) >= 3)


def check_drained(mill: Mill, family: list[int]) -> None:
    """Nothing is running, no process is left, and the rest is done without doing anything twice."""
    wait_for(lambda: not any(map(is_alive, family)), seconds=10)
    assert mill.value("SELECT COUNT(*) FROM run_step WHERE status = 'running'") == 0
    assert 0 < len(mill.noted("embed")) < DOCUMENTS
    check_the_rest(mill)
    assert sorted(mill.noted("embed")) == sorted(set(mill.noted("embed"))), "a text was embedded twice"


def check_the_rest(mill: Mill) -> None:
    os.environ.pop("DOCMILL_TRAPS_EMBED_S", None)  # the fixture's monkeypatch puts it back
    result = resuming.resume(mill.settings, mill.reporter, "1")
    assert (result.status, result.errors) == ("completed", [])
    assert len(mill.texts()) == len(list(mill.folder.iterdir()))


def test_the_first_drains_and_says_how_to_go_on(slow: Mill) -> None:
    process = sync(slow, "--json")
    begun(slow)
    family = children_of(process.pid)
    assert family
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    told = json.loads(out)["error"]
    assert (told["code"], told["hint"]) == ("INTERRUPTED", "run the same command again to go on")
    assert told["left"] == slow.value("SELECT COUNT(*) FROM run WHERE status IN ('pending', 'running')")
    assert "stopping: " in err and "press Ctrl-C again to end at once" in err
    assert "Traceback" not in err
    check_drained(slow, family)


def test_a_drain_waits_for_what_is_in_flight_and_names_it_and_the_second_ends_at_once(slow: Mill) -> None:
    slow.write("aaa-stuck.md", "# Stuck\n\nHANG here for good.\n")
    process = sync(slow)
    wait_for(lambda: "aaa-stuck.md" in slow.noted("parse"))
    family = children_of(process.pid)
    process.send_signal(signal.SIGTERM)
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line.startswith("stopping: ") and "in flight (aaa-stuck.md" in line
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "ended at once" in err and "Traceback" not in err
    wait_for(lambda: not any(map(is_alive, family)), seconds=10)
    slow.write("aaa-stuck.md", "# Free\n\nNothing is in the way any more.\n")
    os.environ.pop("DOCMILL_TRAPS_EMBED_S", None)  # the fixture's monkeypatch puts it back
    assert slow.sync().errors == []
    assert len(slow.texts()) == DOCUMENTS + 1


def test_a_main_thread_in_a_long_call_is_ended_too(mill: Mill) -> None:
    """No handler of Python's runs while a library's call holds the main thread."""
    code = """
import ctypes, threading, time
from docmill.service.signals import stop_on_signals
def tell():
    while not stop.reason:
        time.sleep(0.01)
    print("told", flush=True)
with stop_on_signals() as stop:
    threading.Thread(target=tell, daemon=True).start()
    mutex, lock = ctypes.create_string_buffer(64), ctypes.CDLL(None).pthread_mutex_lock
    lock(mutex)
    threading.Timer(0.1, print, ["held"], {"flush": True}).start()
    lock(mutex)
""".strip()
    process = mill.process(code)
    assert process.stdout is not None
    for said in ("held\n", "told\n"):
        assert process.stdout.readline() == said
        process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)
    assert process.returncode == 8


def test_nohup_stays_nohup_and_who_follows_is_held_to_its_time_limit(slow: Mill) -> None:
    process = sync(slow, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    begun(slow)
    process.send_signal(signal.SIGHUP)
    slow.flags = {"max_minutes": 0.002}
    with pytest.raises(TimeLimit, match="the engine that is at work here goes on"):
        slow.sync()
    _out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "stopping" not in err
    assert len(slow.texts()) == DOCUMENTS


@pytest.mark.skipif(sys.platform != "linux", reason="the terminal is made as Linux makes it")
def test_a_terminal_that_goes_away_is_a_drain(slow: Mill) -> None:
    """The kernel says SIGHUP, and whatever is written to that terminal from then on is an error."""
    ours, its = pty.openpty()

    def become_its_terminal() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = sync(slow, stdin=its, stdout=its, stderr=its, preexec_fn=become_its_terminal)
    os.close(its)
    begun(slow)
    family = children_of(process.pid)
    os.close(ours)
    assert process.wait(30) == 8
    check_drained(slow, family)


def test_handlers_are_put_back(mill: Mill) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    with stop_on_signals(mill.reporter) as outer:
        with stop_on_signals(mill.reporter) as inner:
            os.kill(os.getpid(), signal.SIGTERM)
            wait_for(lambda: inner.reason == "SIGTERM")
        assert outer.reason is None
        os.kill(os.getpid(), signal.SIGHUP)
        wait_for(lambda: outer.reason == "SIGHUP")
        os.kill(os.getpid(), signal.SIGHUP)  # the shell says it once more, just after the kernel
    assert {number: signal.getsignal(number) for number in before} == before
    assert signal.set_wakeup_fd(-1) == -1


# ---- the time limit --------------------------------------------------------------------------------------------------


def test_the_time_limit_stops_cleanly_and_the_next_call_goes_on(slow: Mill) -> None:
    process = sync(slow, "--max-minutes", "0.05", "--json", env={**os.environ, "DOCMILL_TRAPS_PARSE_S": "0.3"})
    out, err = process.communicate(timeout=30)
    assert process.returncode == 8, err
    error = json.loads(out)["error"]
    assert error["code"] == "TIME_LIMIT"
    assert "TIME_LIMIT" in error["message"]
    assert "the time limit is reached, stopping: " in err
    assert 0 < error["left"] <= DOCUMENTS
    check_the_rest(slow)
    assert sorted(slow.noted("parse")) == sorted(set(slow.noted("parse"))), "a file was parsed twice"


def test_the_clock_counts_from_the_call_and_what_was_found_is_kept(slow: Mill) -> None:
    slow.flags = {"max_minutes": 0}
    with pytest.raises(TimeLimit) as stopped:
        Working(slow.sync).result()  # a thread, which hears no signals, is held to it as well
    assert stopped.value.context["left"] == DOCUMENTS
    assert (stopped.value.exit_code, slow.noted("parse")) == (8, [])
    slow.flags = {"max_minutes": 10}
    check_the_rest(slow)
