"""Many questions at once: one a line, answered one a line, in order, in bounded memory.

The database and the model are opened once. Queries are embedded by windows, while the questions of the window before
are being looked up. A line that cannot be answered costs no other.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import IO, TYPE_CHECKING, Any

from docmill.domain.questions import Question, question
from docmill.domain.results import AnsweredContext, AnsweredQuery, QueriesResult, UnansweredQuery
from docmill.domain.terminal import json_text
from docmill.errors import DocmillError, NotFoundError, StorageError, UsageError
from docmill.service import prompting, searching
from docmill.service.searching import Searcher
from docmill.settings import Settings, find_home
from docmill.stores import outputs
from docmill.stores.compression import Tally
from docmill.stores.faults import storage_error

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WINDOW = 64  # questions that are embedded together
BATCH = 16  # of them in one run of the model, of about the same length
MOST_BYTES = 1024**2  # of a line
_ANY = "-"  # stands for the query of the options, which no question keeps

Answer = AnsweredQuery | AnsweredContext | UnansweredQuery


@dataclass(frozen=True, slots=True)
class _Line:
    """A question, or what is wrong with its line."""

    number: int
    id: str | int | None = None
    question: Question | None = None
    error: DocmillError | None = None


def answer_all(
    settings: Settings,
    file: str,
    stdin: IO[bytes] | None,
    stdout: IO[bytes],
    *,
    output: str = "-",
    database: str = "default",
    as_context: bool = False,
    max_tokens: int | None = None,
    **asked: Any,
) -> QueriesResult:
    """Answer the questions of a file, or of stdin for ``-``; the answers go to ``output``, a path or ``-``.

    ``asked``: what holds for all questions that do not say otherwise. Raises as searching.opened, NotFoundError where
    there is no such file, StorageError; BrokenPipeError where whoever read stdout has had enough.
    """
    started = time.perf_counter()
    usual = question({**asked, "query": _ANY})
    with _opened(file, stdin) as stream:
        searcher = searching.opened(settings, database, usual)
        answers = _Answers(searcher, asked, as_context=as_context, max_tokens=max_tokens)
        path = outputs.place(output)
        if path is None:
            total, failed = _write_all(answers.of(stream), stdout, at_once=True)
        else:
            with outputs.stream(path, find_home(settings)) as written:
                total, failed = _write_all(answers.of(stream), written, at_once=False)
    return QueriesResult(
        database=database,
        path=None if path is None else str(path),
        queries=total,
        answered=total - failed,
        failed=failed,
        seconds=round(time.perf_counter() - started, 3),
        reason=f"{failed:,} of {total:,} questions could not be answered" if failed else None,
    )


class _Ahead:
    """Lines that a thread reads ahead, so that those that have come so far can be taken without waiting for more."""

    def __init__(self, lines: Iterator[_Line]) -> None:
        self._lines = lines
        self._read: Queue[_Line | BaseException | None] = Queue(2 * WINDOW)
        self._ended = False
        Thread(target=self._read_on, name="questions", daemon=True).start()

    @property
    def none_yet(self) -> bool:
        return self._read.empty()

    def take(self, most: int) -> list[_Line]:
        """Those that are there, at least one; none at the end. Raises what reading has raised."""
        taken: list[_Line] = []
        while not self._ended and len(taken) < most and not (taken and self._read.empty()):
            read = self._read.get()
            if isinstance(read, BaseException):
                raise read
            if read is None:
                self._ended = True
            else:
                taken.append(read)
        return taken

    def _read_on(self) -> None:
        try:
            for line in self._lines:
                self._read.put(line)
        except BaseException as error:  # noqa: BLE001 - it is raised where the lines are taken
            self._read.put(error)
        self._read.put(None)


class _Answers:
    def __init__(self, searcher: Searcher, asked: dict[str, Any], *, as_context: bool, max_tokens: int | None) -> None:
        self._searcher = searcher
        self._asked = asked
        self._as_context = as_context
        self._max_tokens = max_tokens

    def of(self, stream: IO[bytes]) -> Iterator[Answer]:
        """In the order of the lines. Raises what no other line would be spared: a model that cannot be reached."""
        lines = _Ahead(_lines(stream, self._asked))
        waiting: list[Future[Answer]] = []
        with ThreadPoolExecutor(os.cpu_count() or 1, "search") as threads:
            try:
                while True:
                    if lines.none_yet:  # nobody is to wait for an answer until there are more questions
                        yield from (each.result() for each in waiting)
                        waiting = []
                    window = lines.take(WINDOW)
                    vectors = self._vectors(window)
                    begun = [threads.submit(self._answer, line, vectors.get(line.number)) for line in window]
                    yield from (each.result() for each in waiting)
                    waiting = begun
                    if not window:
                        return
            finally:
                threads.shutdown(wait=False, cancel_futures=True)

    def _vectors(self, window: list[_Line]) -> dict[int, NDArray[np.float32]]:
        """By the number of the line. Those of about the same length go together: a batch costs its longest."""
        asked = [(line.number, line.question.query) for line in window if line.question and line.question.mode != "fts"]
        asked.sort(key=lambda each: len(each[1]))
        found: dict[int, NDArray[np.float32]] = {}
        for start in range(0, len(asked), BATCH):
            part = asked[start : start + BATCH]
            vectors = self._searcher.vectors([query for _number, query in part])
            found.update(zip([number for number, _query in part], vectors, strict=True))
        return found

    def _answer(self, line: _Line, vector: NDArray[np.float32] | None) -> Answer:
        if line.question is None:
            assert line.error is not None
            return _unanswered(line, line.error)
        started = time.perf_counter()
        try:
            if self._as_context:
                text = prompting.quoted(self._searcher, line.question, self._max_tokens, started, vector)
                return AnsweredContext(**dict(text), line=line.number, id=line.id)
            hits = searching.found(self._searcher, line.question, started, vector)
            return AnsweredQuery(**dict(hits), line=line.number, id=line.id)
        except DocmillError as error:
            return _unanswered(line, error)
        except (OSError, RuntimeError, ValueError) as error:  # what LanceDB raises
            known = storage_error(error) or StorageError(f"the database could not answer: {str(error)[:200]}")
            return _unanswered(line, known)


def _unanswered(line: _Line, error: DocmillError) -> UnansweredQuery:
    return UnansweredQuery(line=line.number, id=line.id, error=error.as_dict())


# ---- reading ---------------------------------------------------------------------------------------------------------


def _lines(stream: IO[bytes], asked: dict[str, Any]) -> Iterator[_Line]:
    """Empty lines are passed over, and counted."""
    number = 0
    while raw := stream.readline(MOST_BYTES + 1):
        number += 1
        if len(raw) > MOST_BYTES:
            while raw and not raw.endswith(b"\n"):
                raw = stream.readline(MOST_BYTES + 1)
            yield _Line(number, error=UsageError(f"the line has more than {MOST_BYTES:,} bytes"))
        elif raw.strip():
            yield _line(number, raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw, asked)


def _line(number: int, raw: bytes, asked: dict[str, Any]) -> _Line:
    """A JSON object with a ``query``, an ``id`` and what differs from the options; or the query as it stands."""
    id_: str | int | None = None
    try:
        text = raw.decode("utf-8").strip()
        own: dict[str, Any] = {"query": text}
        if text.startswith("{"):
            own = json.loads(text)
            if type(own.get("id")) in (str, int):
                id_ = own["id"]
            elif own.get("id") is not None:
                raise UsageError("id: must be text or a whole number")
            own.pop("id", None)
        return _Line(number, id_, question({**asked, **own}))
    except UnicodeDecodeError:
        return _Line(number, error=UsageError("the line is not UTF-8"))
    except (ValueError, RecursionError) as error:
        hint = 'a line that begins with { is an object, such as {"id": 1, "query": "oak"}'
        return _Line(number, error=UsageError(f"the line is not JSON: {str(error)[:100]}", hint=hint))
    except UsageError as error:
        return _Line(number, id_, error=error)


@contextmanager
def _opened(file: str, stdin: IO[bytes] | None) -> Iterator[IO[bytes]]:
    if file == "-":
        if stdin is None:
            raise UsageError("`--queries -` reads them from stdin, and there is none")
        yield _unshared(stdin)
        return
    path = Path(file).expanduser()
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {path}", hint="--queries FILE, or - for stdin") from None
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}") from error
    with stream:
        yield stream


def _unshared(stdin: IO[bytes]) -> IO[bytes]:
    """A stream of its own, never closed: a thread may still wait in it when the interpreter closes those it knows."""
    try:
        return os.fdopen(os.dup(stdin.fileno()), "rb", closefd=False)
    except (OSError, ValueError):  # it is no file
        return stdin


# ---- writing ---------------------------------------------------------------------------------------------------------


def _write_all(answers: Iterable[Answer], stream: IO[bytes] | Tally, *, at_once: bool) -> tuple[int, int]:
    """How many there were, and how many of them are no answers. ``at_once``: somebody may wait for each."""
    total = failed = 0
    for answer in answers:
        said = {"line": answer.line, "id": answer.id, **answer.model_dump(mode="json")}
        stream.write(json_text(said).encode() + b"\n")
        if at_once:
            stream.flush()
        total += 1
        failed += isinstance(answer, UnansweredQuery)
    return total, failed
