"""What a worker may be given to do; it is imported there by this module's name."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
import socket
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from docmill.errors import DocumentError


class Awkward(Exception):
    def __init__(self, text: str, *, care: bool) -> None:
        super().__init__(text)


class Busy(DocumentError):
    code = "BUSY"
    permanent = False
    retried = True


def raise_own_kind() -> None:
    raise Busy("later")


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
    say_half_an_answer_and(lambda: os.kill(os.getpid(), signal.SIGKILL))


def say_half_an_answer_and_hang() -> None:
    say_half_an_answer_and(lambda: time.sleep(600))


def announce_too_much() -> None:
    write_into_pipe((1 << 40).to_bytes(8, "big"))
    time.sleep(600)


def say_half_an_answer_and(then: Callable[[], None]) -> None:
    write_into_pipe((1000).to_bytes(8, "big") + b"x" * 500)
    then()


def write_into_pipe(data: bytes) -> None:
    for descriptor in range(3, 64):
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                os.write(descriptor, data)


# ---- what a document worker may not do -------------------------------------------------------------------------------


def open_socket(family: int) -> None:
    socket.socket(family).close()


def connect(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


def talk_to_oneself() -> bytes:
    one, other = socket.socketpair()
    with one, other:
        one.sendall(b"hello")
        return other.recv(5)


def trace(pid: int) -> str:
    """The error of PTRACE_ATTACH's gentler sibling, PTRACE_SEIZE."""
    libc = ctypes.CDLL(None, use_errno=True)
    return "done" if libc.ptrace(0x4206, pid, 0, 0) == 0 else errno.errorcode[ctypes.get_errno()]


def has_landlock(version: int) -> bool:
    return ctypes.CDLL(None).syscall(444, None, 0, 1) >= version


def read(path: str) -> bytes:
    return Path(path).read_bytes()


def write(path: str, size: int) -> None:
    with Path(path).open("wb", buffering=0) as stream:
        while size > 0:
            size -= stream.write(bytes(size))


def fill_memory(size: int) -> None:
    bytearray(size)


def descriptors() -> list[str]:
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(str(entry.readlink()))
    return found


def leave_a_child() -> int:
    """One that holds all our descriptors open, as a library's helper would."""
    child = os.fork()
    if child == 0:
        time.sleep(600)
        os._exit(0)
    return child


# ---- what a worker prints --------------------------------------------------------------------------------------------


def print_words(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def print_much(size: int) -> None:
    """Past Python, as a C library does."""
    os.write(2, b"the first words\n")
    block = b"x" * 1024**2
    for _ in range(size // len(block)):
        os.write(2, block)
    os.write(2, b"\nthe last words\n")


def print_and_die(text: str) -> None:
    os.write(2, text.encode())
    os.abort()
