"""Lines of the log: what stderr is told of work, by libraries and by errors, in the one form that was asked for.

Text for people, or one JSON object a line: ``time``, ``level``, ``message``, and what else is known. Whatever it is,
secrets are taken out of it here. Bars on a terminal are no log, and come only where text was asked for.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from enum import StrEnum
from itertools import pairwise
from typing import Any, TextIO

from docmill.domain.events import now
from docmill.domain.redaction import redacted, redacted_values
from docmill.domain.terminal import json_text, safe

VARIABLE = "DOCMILL_LOG_FORMAT"


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


def asked_for(options: Sequence[str]) -> LogFormat:
    """By the command line, else by the environment, before either was checked: what is unknown counts as text."""
    given = os.environ.get(VARIABLE, "")
    for option, value in pairwise([*options, ""]):
        name, equals, attached = option.partition("=")
        if name == "--log-format":
            given = attached if equals else value
    return LogFormat.JSON if given == LogFormat.JSON else LogFormat.TEXT


def line(form: LogFormat, level: str, message: str, *, time: str | None = None, **fields: Any) -> str:
    """One line, without its end. ``fields`` are for JSON; those that are None go."""
    if form is LogFormat.TEXT:
        return safe(redacted(message if level == "info" else f"{level}: {message}"))
    known = {name: value for name, value in fields.items() if value is not None}
    record = {"time": time or now(), "level": level, "message": redacted(message), **redacted_values(known)}
    return json_text(record)


def write(form: LogFormat, level: str, message: str, *, stream: TextIO | None = None, **fields: Any) -> None:
    """Where nobody reads it any more, nothing is lost that work needs."""
    stream = stream or sys.stderr
    with suppress(BrokenPipeError):
        stream.write(f"{line(form, level, message, **fields)}\n")
        stream.flush()


@contextmanager
def of_libraries(form: LogFormat, *, verbose: bool, records: bool) -> Iterator[None]:
    """Take in what libraries of this process warn of; with ``records``, what they log too: from warnings on, with
    ``verbose`` from what informs on. Logging is imported for that alone, which is felt by what only reads.
    """
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.showwarning = _warner(form, verbose=verbose)
        if records:
            stack.callback(_listen(form, verbose=verbose))
        yield


def _warner(form: LogFormat, *, verbose: bool) -> Callable[..., None]:
    def warn(message: Any, category: type[Warning], filename: str, lineno: int, *_more: Any) -> None:
        where = f"{filename}:{lineno}"
        text = f"{message} ({where})" if verbose and form is LogFormat.TEXT else str(message)
        write(form, "warning", text, logger="py.warnings", category=category.__name__, where=where)

    return warn


def _listen(form: LogFormat, *, verbose: bool) -> Callable[[], None]:
    """Hear the records of all loggers. Returns what ends it."""
    import logging
    import traceback

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            level = "error" if record.levelno >= logging.ERROR else record.levelname.lower()
            trace = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else None
            text = record.getMessage() if form is LogFormat.JSON else f"{record.name}: {record.getMessage()}"
            with suppress(OSError, ValueError):  # a stream that was closed
                write(form, level, text, logger=record.name, traceback=trace)

    root, handler = logging.getLogger(), Handler()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO if verbose else logging.WARNING)

    def end() -> None:
        root.removeHandler(handler)
        root.setLevel(before)

    return end
