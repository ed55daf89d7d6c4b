"""The soft clock: it stops what would not come back, and leaves no alarm behind."""

from __future__ import annotations

import signal
import time

import pytest

from docmill.domain.deadline import Deadline, OutOfTime


def alarm() -> tuple[object, tuple[float, float]]:
    return signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)


def test_never_passes_without_seconds() -> None:
    assert not Deadline().passed
    with Deadline().interrupting():
        assert alarm() == (signal.SIG_DFL, (0.0, 0.0))


def test_what_does_not_come_back_is_interrupted() -> None:
    with pytest.raises(OutOfTime), Deadline(0.05).interrupting():
        while True:
            time.sleep(0.01)
    assert alarm() == (signal.SIG_DFL, (0.0, 0.0))


def test_what_swallows_it_is_told_again() -> None:
    swallowed = 0
    with pytest.raises(OutOfTime), Deadline(0.05).interrupting():
        while True:
            try:
                while True:
                    time.sleep(0.01)
            except BaseException:
                swallowed += 1
                if swallowed > 1:
                    raise
    assert swallowed == 2


def test_nothing_begins_when_the_time_is_up() -> None:
    with pytest.raises(OutOfTime), Deadline(0).interrupting():
        pytest.fail("it began")
    assert alarm() == (signal.SIG_DFL, (0.0, 0.0))


def test_no_alarm_is_left_behind_wherever_it_goes_off() -> None:
    for step in range(2000):
        try:
            with Deadline(1e-5 + step * 1e-8).interrupting():
                pass
        except OutOfTime:
            pass
        assert alarm() == (signal.SIG_DFL, (0.0, 0.0)), step
