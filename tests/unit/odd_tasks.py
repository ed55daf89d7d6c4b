"""What a worker may be given to do; it is imported there by this module's name."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
from typing import Any


class Awkward(Exception):
    def __init__(self, text: str, *, care: bool) -> None:
        super().__init__(text)


class Trap:
    def __reduce__(self) -> Any:
        return spring, ()


def spring() -> None:
    raise ValueError("sprung")


def give_a_trap() -> Trap:
    return Trap()


def raise_what_cannot_be_sent() -> None:
    raise Awkward("with care", care=True)


def say_half_an_answer() -> None:
    """Write the length of an answer and a part of it into our pipe, then die."""
    for descriptor in range(3, 64):
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                os.write(descriptor, b"\0\0\xff\xff" + b"x" * 1000)
    os.kill(os.getpid(), signal.SIGKILL)
