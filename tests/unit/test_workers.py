"""Each test has real processes: what is shown here is what happens when they die."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from conftest import is_alive, wait_for
from docmill.engine import answers, printed, worker_process
from docmill.engine.answers import AnswerTooLarge
from docmill.engine.worker_process import WorkerDied
from docmill.engine.workers import Workers
from docmill.errors import DocumentError, StorageError
from unit import odd_tasks

Make = Callable[..., Workers]


@pytest.fixture
def ended() -> SimpleQueue[tuple[Any, Future[Any]]]:
    return SimpleQueue()


@pytest.fixture
def make(ended: SimpleQueue[tuple[Any, Future[Any]]]) -> Iterator[Make]:
    made: list[Workers] = []

    def make(
        most: int = 1, start: Callable[..., Any] = os.getpid, args: tuple[Any, ...] = (), **options: Any
    ) -> Workers:
        made.append(Workers(most, start, args, done=lambda tag, future: ended.put((tag, future)), **options))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def pids(pool: Workers) -> set[int]:
    return {worker.process.pid for worker in pool._workers}


def test_a_task_is_answered_and_its_tag_comes_back(make: Make, ended: SimpleQueue[tuple[Any, Future[Any]]]) -> None:
    future = make().submit("the sum", sum, [1, 2, 3])
    assert future.result(60) == 6
    assert ended.get(timeout=60) == ("the sum", future)


def test_processes_start_as_there_is_work_for_them(make: Make) -> None:
    pool = make(3)
    first = pool.submit(1, os.getpid).result(60)
    wait_for(lambda: pool.submit(2, os.getpid).result(60) == first)
    assert len(pids(pool)) == 1
    busy = [pool.submit(n, time.sleep, 60) for n in range(5)]
    wait_for(lambda: sum(future.running() for future in busy) == 3)
    assert len(pool._threads) == 3


def test_all_processes_can_be_started_before_there_is_work(make: Make) -> None:
    pool = make(2)
    pool.warm()
    wait_for(lambda: len(pids(pool)) == 2)


def test_one_that_is_only_starting_has_the_next_task(make: Make) -> None:
    pool = make(3)
    pool.warm(1)
    first = pool.submit(1, time.sleep, 60)
    assert len(pool._threads) == 1
    second = pool.submit(2, time.sleep, 60)
    assert len(pool._threads) == 2, "the first one is spoken for"
    wait_for(lambda: first.running() and second.running())


def test_after_many_tasks_all_processes_are_free(make: Make) -> None:
    pool = make(2)
    done = [pool.submit(number, os.getpid) for number in range(20)]
    assert {future.result(60) for future in done} <= pids(pool)
    wait_for(lambda: (pool._free, pool._behind) == (2, 0))


def test_what_a_task_raises_comes_back_with_where_it_did(make: Make) -> None:
    future = make().submit(1, int, "seven")
    with pytest.raises(ValueError, match="seven") as caught:
        future.result(60)
    assert "_run" in "".join(caught.value.__notes__)


def test_a_library_that_exits_has_not_answered(make: Make) -> None:
    pool = make()
    first = pool.submit(1, os.getpid).result(60)
    with pytest.raises(RuntimeError, match="it raised SystemExit: 3"):
        pool.submit(2, sys.exit, 3).result(60)
    assert pool.submit(3, os.getpid).result(60) == first


@pytest.mark.parametrize(
    ("function", "arguments", "said"),
    [
        (threading.Lock, (), "pickle"),
        (odd_tasks.raise_what_cannot_be_sent, (), "Awkward: with care"),
        (odd_tasks.give_a_trap, (), r"an answer may not hold .*odd_tasks\.spring"),
    ],
)
def test_what_cannot_be_sent_or_read_is_what_became_of_the_task(
    make: Make, function: Callable[..., Any], arguments: tuple[Any, ...], said: str
) -> None:
    pool = make()
    with pytest.raises(Exception, match=said):
        pool.submit(1, function, *arguments).result(60)
    assert pool.submit(2, abs, -1).result(60) == 1


def test_a_task_that_cannot_be_sent_fails_alone(make: Make) -> None:
    pool = make()
    with pytest.raises(TypeError, match="pickle"):
        pool.submit(1, abs, threading.Lock()).result(60)
    assert pool.submit(2, abs, -1).result(60) == 1


def test_a_death_costs_its_own_task_and_no_other(make: Make) -> None:
    pool = make(2)
    tasks = [pool.submit(n, *((os._exit, 5) if n % 3 == 1 else (abs, -n))) for n in range(30)]
    for n, task in enumerate(tasks):
        if n % 3 == 1:
            with pytest.raises(WorkerDied) as caught:
                task.result(60)
            assert caught.value.exitcode == 5
        else:
            assert task.result(60) == n


def test_a_signal_is_told_by_the_exit_code(make: Make) -> None:
    with pytest.raises(WorkerDied) as caught:
        make().submit(1, signal.raise_signal, signal.SIGKILL).result(60)
    assert caught.value.exitcode == -signal.SIGKILL


def test_killed_while_it_has_nothing_to_do_it_costs_nothing(make: Make) -> None:
    pool = make()
    for _ in range(3):
        os.kill(pid := pool.submit(1, os.getpid).result(60), signal.SIGKILL)
        assert pool.submit(2, os.getpid).result(60) != pid


def test_killed_while_it_starts_it_costs_nothing(make: Make) -> None:
    pool = make(start=time.sleep, args=(0.3,))
    future = pool.submit(1, abs, -1)
    os.kill(wait_for(lambda: pids(pool)).pop(), signal.SIGKILL)
    assert future.result(60) == 1


def test_killed_in_the_middle_of_an_answer_it_holds_nobody_up(make: Make) -> None:
    pool = make(2)
    good = pool.submit(1, time.sleep, 1)
    half = pool.submit(2, odd_tasks.say_half_an_answer)
    with pytest.raises(WorkerDied):
        half.result(60)
    assert good.result(60) is None
    assert pool.submit(3, abs, -1).result(60) == 1


def test_half_an_answer_does_not_stop_the_clock(make: Make) -> None:
    pool = make()
    with pytest.raises(TimeoutError):
        pool.submit(1, odd_tasks.say_half_an_answer_and_hang, timeout=0.5).result(60)
    assert pool.submit(2, abs, -1).result(60) == 1


def test_an_answer_that_is_too_much_is_not_taken_in(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = make()
    with pytest.raises(AnswerTooLarge):
        pool.submit(1, odd_tasks.announce_too_much).result(60)
    monkeypatch.setattr(answers, "MOST_BYTES", 1000)
    with pytest.raises(AnswerTooLarge):
        pool.submit(2, bytes, 2000).result(60)
    assert pool.submit(3, abs, -1).result(60) == 1


def test_the_kind_of_a_plug_ins_own_error_comes_through(make: Make) -> None:
    with pytest.raises(DocumentError, match="later") as caught:
        make().submit(1, odd_tasks.raise_own_kind).result(60)
    error = caught.value
    assert (type(error), error.code, error.permanent, error.retried) == (DocumentError, "BUSY", False, True)


# ---- what they print -------------------------------------------------------------------------------------------------


def test_what_is_printed_is_handed_on_with_what_it_was_printed_for(make: Make) -> None:
    told: SimpleQueue[tuple[Any, str]] = SimpleQueue()
    pool = make(start=print, args=("hello",), printed=lambda tag, text: told.put((tag, text)))
    for name in ("one", "two"):
        pool.submit(name, odd_tasks.print_words, f"of {name}").result(60)
    assert [told.get(timeout=10) for _ in range(3)] == [(None, "hello\n"), ("one", "of one\n"), ("two", "of two\n")]


def test_a_flood_is_drained_and_only_its_ends_are_kept(make: Make) -> None:
    told: SimpleQueue[tuple[Any, str]] = SimpleQueue()
    pool = make(printed=lambda tag, text: told.put((tag, text)))
    size = 200 * 1024**2
    pool.submit("flood", odd_tasks.print_much, size).result(60)
    _tag, text = told.get(timeout=10)
    assert text.startswith("the first words\n")
    assert text.endswith("\nthe last words\n")
    left_out = size + len("the first words\n\nthe last words\n") - 2 * printed.KEPT_BYTES
    assert f"{left_out:,} bytes left out" in text
    assert len(text) < 3 * printed.KEPT_BYTES


def test_the_last_words_of_a_worker_are_told(make: Make) -> None:
    with pytest.raises(WorkerDied) as caught:
        make().submit(1, odd_tasks.print_and_die, "starting\nassertion `x > 0'\tfailed \x1b[31m\n\n").result(60)
    assert (caught.value.exitcode, caught.value.words) == (-signal.SIGABRT, "assertion `x > 0' failed ?[31m")


def test_a_log_is_rotated_and_says_the_same_of_starts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printed, "LOG_BYTES", 3000)
    log = printed.WorkerLog(tmp_path / "logs" / "workers.log")
    for _ in range(2):
        log.add_once("a start", "no network filter")
    assert log._path.read_text().count("no network filter") == 1
    for number in range(100):
        log.add(f"file-{number}.pdf", "x" * 100)
    assert "file-99.pdf\nxxx" in log._path.read_text()
    assert sorted(path.name for path in log._path.parent.iterdir()) == ["workers.log", "workers.log.1"]
    assert all(path.stat().st_size <= 3000 for path in log._path.parent.iterdir())


def test_a_process_is_replaced_after_it_has_held_much_memory(make: Make) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux tells")
    pool = make(memory_bytes=1024**3)
    first = pool.submit(1, os.getpid).result(60)
    assert pool.submit(2, os.getpid).result(60) == first
    pool.submit(3, odd_tasks.fill_memory, 900 * 1024**2).result(60)
    assert pool.submit(4, os.getpid).result(60) != first


# ---- ends ------------------------------------------------------------------------------------------------------------


def test_a_task_that_takes_too_long_loses_its_process(make: Make) -> None:
    pool = make()
    pid = pool.submit(1, os.getpid).result(60)
    with pytest.raises(TimeoutError):
        pool.submit(2, time.sleep, 60, timeout=0.2).result(60)
    assert not is_alive(pid)
    assert pool.submit(3, abs, -1, timeout=60).result(60) == 1


def test_the_start_of_a_process_is_not_counted_as_its_task(make: Make) -> None:
    assert make(start=time.sleep, args=(0.5,)).submit(1, abs, -1, timeout=0.4).result(60) == 1


def test_cancelled_before_it_begins_no_process_sees_it(make: Make) -> None:
    pool = make()
    first = pool.submit(1, time.sleep, 0.3)
    wait_for(first.running)
    second = pool.submit(2, os._exit, 1)
    assert second.cancel()
    assert second.cancelled()
    assert first.result(60) is None
    assert pool.submit(3, abs, -1).result(60) == 1


def test_cancelled_while_it_runs_its_process_goes(make: Make) -> None:
    pool = make()
    pid = pool.submit(1, os.getpid).result(60)
    future = pool.submit(2, time.sleep, 60)
    wait_for(future.running)
    time.sleep(0.1)
    assert future.cancel()
    with pytest.raises((WorkerDied, CancelledError)):
        future.result(10)
    assert not is_alive(pid)
    assert pool.submit(3, abs, -1).result(60) == 1


def test_cancelled_while_its_process_starts_it_is_not_run(make: Make) -> None:
    pool = make(start=time.sleep, args=(0.5,))
    future = pool.submit(1, time.sleep, 60)
    wait_for(lambda: pids(pool))
    future.cancel()
    assert pool.submit(2, abs, -1).result(30) == 1


def test_cancelled_while_its_process_is_replaced_no_process_is_left_over(make: Make) -> None:
    pool = make(start=time.sleep, args=(0.5,))
    with pytest.raises(WorkerDied):
        pool.submit(1, os._exit, 1).result(60)
    future = pool.submit(2, time.sleep, 60)
    wait_for(lambda: pids(pool))
    assert future.cancel()
    assert pool.submit(3, abs, -1).result(30) == 1
    assert len(pids(pool)) == 1


def test_a_process_is_replaced_after_its_share_of_tasks(make: Make) -> None:
    pool = make(recycle=2)
    seen = [pool.submit(n, os.getpid).result(60) for n in range(6)]
    assert seen[0::2] == seen[1::2]
    assert len(set(seen)) == 3


def test_processes_that_do_not_start_are_nobodys_fault_but_the_machines(make: Make) -> None:
    pool = make(start=os._exit, args=(9,))
    with pytest.raises(StorageError, match=r"no worker process would start: exit code 9"):
        pool.submit(1, abs, -1).result(60)


def test_what_a_process_says_as_it_does_not_start_is_told(make: Make) -> None:
    pool = make(start=odd_tasks.print_and_die, args=("no such library",))
    with pytest.raises(StorageError, match=r"no worker process would start: SIGABRT: no such library"):
        pool.submit(1, abs, -1).result(60)


def test_a_machine_without_room_for_a_process_says_so(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(process: Any) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(worker_process.context.Process, "start", refuse)
    with pytest.raises(StorageError, match="Resource temporarily unavailable"):
        make().submit(1, abs, -1).result(60)


def test_a_process_that_never_gets_ready_is_given_up(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "START_SECONDS", 0.1)
    with pytest.raises(StorageError, match="no worker process would start"):
        make(start=time.sleep, args=(60,)).submit(1, abs, -1).result(60)


def test_stopping_ends_what_runs_starts_or_waits(make: Make) -> None:
    pool = make(2)
    tasks = [pool.submit(n, time.sleep, 60) for n in range(5)]
    wait_for(lambda: len(pids(pool)) == 2)
    processes = pids(pool)
    began = time.monotonic()
    pool.stop()
    assert time.monotonic() - began < 5
    assert not any(is_alive(pid) for pid in processes)
    assert all(task.done() for task in tasks)
    assert not any(thread.is_alive() for thread in pool._threads)
    pool.stop()
