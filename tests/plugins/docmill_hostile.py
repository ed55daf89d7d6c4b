"""A parser that has been taken over: it reads files that end in ``.hostile`` and does what their first word says.

What a hostile file could make a library do, without having to break one. Published by an entry point, as third parties'
plug-ins are.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import socket
import stat
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from docmill.domain.assembly import DocumentBuilder
from docmill.domain.contracts import SourceFile
from docmill.domain.documents import Block, BlockKind, ParsedDocument
from docmill.domain.jobs import ArtifactRef, Failure, LegOutcome, StepOutcome
from docmill.domain.params import ParseParams
from docmill.engine import worker

MIB = 1024**2
FORGED = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c"  # pickle: os.system(


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even this")


class Endless(Exception):
    def __init__(self) -> None:
        super().__init__("x" * (64 * MIB))


def told(text: str) -> ParsedDocument:
    builder = DocumentBuilder("hostile", max_characters=100_000)
    for line in text.splitlines():
        builder.paragraph(line)
    return builder.build(title="Hostile")


def document(text: str, *blocks: Block, **fields: Any) -> ParsedDocument:
    return ParsedDocument("hostile", text, blocks or (Block(BlockKind.PARAGRAPH, 0, len(text)),), **fields)


def hang() -> None:
    time.sleep(3600)


def hang_deaf() -> None:
    """To what can be ignored."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGXCPU, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    time.sleep(3600)


def burn() -> None:
    while True:
        pass


def allocate() -> None:
    blocks = []
    while True:
        blocks.append(bytearray(8 * MIB))


def allocate_and_blame_the_file() -> None:
    try:
        allocate()
    except MemoryError:
        raise ValueError("unknown error, line 1, column 1") from None


def segfault() -> None:
    os.write(2, b"about to fail\nassertion failed: page != NULL\n")
    os.kill(os.getpid(), signal.SIGSEGV)


def abort_for_memory() -> None:
    """As Rust does."""
    os.write(2, b"memory allocation of 8589934592 bytes failed\n")
    os.abort()


def leave_at_once() -> None:
    os._exit(3)


def leave() -> None:
    raise SystemExit(3)


def interrupt() -> None:
    raise KeyboardInterrupt


def raise_unprintable() -> None:
    raise Unprintable


def raise_endless() -> None:
    raise Endless


def raise_group() -> None:
    raise ExceptionGroup("several", [ValueError("one"), OSError("two")])


def recurse() -> None:
    recurse()


def flood() -> ParsedDocument:
    block = b"flood " * 100_000 + b"\n"
    for number in range(3400):
        os.write(1 + number % 2, block)
    return told("Flooded with two gigabytes")


def return_ten_gigabytes() -> ParsedDocument:
    return document("x" * (10 * 1024 * MIB))


def return_too_much() -> ParsedDocument:
    return document("too much " * 10_000_000)


def return_none() -> None:
    return None


def return_nul() -> ParsedDocument:
    return document("a\0b")


def return_surrogates() -> ParsedDocument:
    return document("a\ud800b")


def return_blocks_outside() -> ParsedDocument:
    return document("text", Block(BlockKind.PARAGRAPH, 0, 1_000_000_000))


def return_many_blocks() -> ParsedDocument:
    return document("text", *[Block(BlockKind.PARAGRAPH, 0, 4)] * 10_000_000)


def return_odd_metadata() -> ParsedDocument:
    return document("text", metadata={"when": object()})


def return_infinite_metadata() -> ParsedDocument:
    found: dict[str, Any] = {}
    found["self"] = found
    return document("text", metadata=found)


def leave_a_child(pid_file: str) -> ParsedDocument:
    child = os.fork()
    if child == 0:
        time.sleep(3600)
        os._exit(0)
    Path(pid_file).write_text(str(child))
    return told("Left a child behind")


def leave_a_child_and_crash(pid_file: str) -> None:
    leave_a_child(pid_file)
    os.kill(os.getpid(), signal.SIGSEGV)


def call_home(port: str) -> ParsedDocument:
    said = []
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family) as client:
                client.connect((address, int(port)))
                said.append("connected")
        except OSError as error:
            said.append(f"refused {type(error).__name__}")
    return told("\n".join(["Called home", *said]))


def read_secrets() -> ParsedDocument:
    """Own environment, the system's view of it, and the engine's."""
    found = [repr(dict(os.environ))]
    for pid in ("self", str(os.getppid())):
        try:
            found.append(repr(Path(f"/proc/{pid}/environ").read_bytes()))
        except OSError as error:
            found.append(f"closed {type(error).__name__}")
    return told("\n".join(["Secrets", *found]))


def end_the_engine() -> ParsedDocument:
    with contextlib.suppress(OSError):
        os.kill(os.getppid(), signal.SIGTERM)
    return told("Tried to end the engine")


def list_descriptors() -> ParsedDocument:
    links = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            links.append(str(entry.readlink()))
    return told("\n".join(["Descriptors", *links]))


def write_much(path: str) -> ParsedDocument:
    with Path(path).open("wb", buffering=0) as stream:
        for _ in range(1000):
            stream.write(bytes(MIB))
    return told("Wrote a gigabyte")


def forge_an_answer(path: str) -> None:
    """Say something else than the engine's own code would have said."""
    command = f"touch {path}".encode()
    _say(FORGED + bytes([len(command)]) + command + b"\x85R.")


def forge_an_outcome() -> None:
    _say(pickle.dumps((True, {"chunks": "all mine"})))


def lie_about_steps() -> ParsedDocument:
    return lie(lambda outcome: replace(outcome, steps=()))


def lie_about_the_failure() -> ParsedDocument:
    failure = Failure("store", "CORRUPTED_FILE", "a step of the engine's own", None, permanent=True)
    return lie(lambda outcome: replace(outcome, steps=(), content=None, failure=failure))


def lie_about_artifacts() -> ParsedDocument:
    def of_another(outcome: LegOutcome) -> LegOutcome:
        return replace(outcome, steps=tuple(replace(step, ref=ref_of_another(step)) for step in outcome.steps))

    def ref_of_another(step: StepOutcome) -> ArtifactRef | None:
        return step.ref and replace(step.ref, step_key="0" * 64)

    return lie(of_another)


def lie_with_half_characters() -> ParsedDocument:
    return lie(lambda outcome: with_chunks(outcome, text="half of one: \ud83d"))


def lie_with_large_numbers() -> ParsedDocument:
    return lie(lambda outcome: with_chunks(outcome, tokens=1 << 70))


def lie_with_odd_types() -> ParsedDocument:
    return lie(lambda outcome: with_chunks(outcome, headings=7))


def lie_with_deep_metadata() -> ParsedDocument:
    deep: list[Any] = []
    for _ in range(200_000):
        deep = [deep]
    return lie(lambda outcome: replace(outcome, content=replace(outcome.content, metadata={"deep": deep})))


def with_chunks(outcome: LegOutcome, **fields: Any) -> LegOutcome:
    assert outcome.content is not None
    chunks = tuple(replace(chunk, **fields) for chunk in outcome.content.chunks)
    return replace(outcome, content=replace(outcome.content, chunks=chunks))


def lie(change: Callable[[Any], LegOutcome]) -> ParsedDocument:
    """Read well, and have this worker say something else of it, this once."""

    def say(*args: Any, **kwargs: Any) -> LegOutcome:
        worker.LegOutcome = LegOutcome  # type: ignore[misc]
        return change(LegOutcome(*args, **kwargs))

    worker.LegOutcome = say  # type: ignore[assignment, misc]
    return told("What this says is not what is told of it.")


def announce_a_terabyte() -> None:
    _write((1 << 40).to_bytes(8, "big"))
    hang()


def stop_halfway() -> None:
    _write((1000).to_bytes(8, "big") + bytes(500))
    hang()


def _say(message: bytes) -> None:
    _write(len(message).to_bytes(8, "big") + message)
    hang()


def _write(data: bytes) -> None:
    for descriptor in range(3, 64):
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                os.write(descriptor, data)


class HostileParser:
    version = "1"
    types = frozenset({"hostile"})

    def parse(self, file: SourceFile, params: ParseParams) -> ParsedDocument:
        name, *arguments = file.path.read_text("utf-8").split()
        action: Callable[..., Any] = globals()[name]
        returned: ParsedDocument = action(*arguments)
        return returned


PARSER = HostileParser()
