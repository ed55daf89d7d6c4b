"""The engine takes from a worker what it knows, and nothing that would run."""

from __future__ import annotations

import pickle
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from docmill.domain.documents import Block, BlockKind, Chunk, ChunkedDocument, Member, Warning  # noqa: A004 - field's
from docmill.domain.jobs import ArtifactRef, Failure, LegOutcome, StepOutcome
from docmill.engine import answers
from docmill.errors import EncryptedFile, StorageError


@dataclass
class Foreign:
    value: int


class Calls:
    """What pickle would call as it makes this again."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> Any:
        return self.function, self.arguments


def test_an_outcome_comes_through_as_it_was() -> None:
    chunk = Chunk("text", 0, 4, 1, headings=("One",), page_start=1, page_end=2)
    content = ChunkedDocument(
        "pdf", "Title", {"pages": [1, None]}, (Warning("CODE", "words"),), (chunk,), (4,), (Member("a", "h", ".a", 1),)
    )
    steps = (StepOutcome("parse", "t", "t", 0.5, ref=ArtifactRef("key", "digest", 3), meta={"warnings": ["a"]}),)
    outcome = LegOutcome("worker-1", steps, content, Failure.of("parse", EncryptedFile("locked")), "t")
    assert answers.read(answers.of_value(outcome)) == (True, outcome)
    plain = [1, 2.5, b"x", None, True, {"a": (1,)}, {1}, frozenset({2}), Block(BlockKind.TABLE, 0, 1)]
    assert answers.read(answers.of_value(plain)) == (True, plain)


def test_errors_come_through_as_what_they_are() -> None:
    good, error = answers.read(answers.of_error(StorageError("full", hint="make room", folder="/home")))
    assert not good
    assert (type(error), error.message, error.hint, error.context) == (
        StorageError,
        "full",
        "make room",
        {"folder": "/home"},
    )
    assert isinstance(answers.read(answers.of_error(ZeroDivisionError("by nought")))[1], ZeroDivisionError)


@pytest.mark.parametrize("error", [KeyboardInterrupt("now"), subprocess.CalledProcessError(3, "cat"), SystemExit(3)])
def test_errors_that_the_engine_does_not_know_keep_their_words(error: BaseException) -> None:
    _good, told = answers.read(answers.of_error(error))
    assert type(told) is RuntimeError
    assert type(error).__name__ in str(told)
    assert str(error) in str(told)


@pytest.mark.parametrize(
    "answer",
    [
        pickle.dumps((True, Calls(Path.touch, Path("made")))),
        pickle.dumps((True, Calls(eval, "open('made', 'w')"))),
        pickle.dumps((True, Calls(subprocess.run, ["touch", "made"]))),
        pickle.dumps((True, Foreign(1))),
        b"cdocmill.domain.deadline\nsignal.raise_signal\n(I9\ntR.",  # through a module that it has imported
        b"\x80\x04\x8c\x17docmill.domain.deadline\x8c\x13signal.raise_signal\x93K\x09\x85R.",
        b"cdocmill.domain.identity\nhashlib\n.",
        b"cdocmill.domain.documents\nfield\n(tR.",
        b"cdocmill.domain.params\nParseParams\n(tR.",  # runs validators
        b"cbuiltins\ngetattr\n.",
        b"cbuiltins\nbytearray\n(I99999999999\ntR.",
        b"cbuiltins\nSystemExit\n(tR.",
        b"cos\nsystem\n(S'touch made'\ntR.",
    ],
)
def test_nothing_is_run(answer: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(pickle.UnpicklingError, match="an answer may not hold"):
        answers.read(answer)
    assert not (tmp_path / "made").exists()
