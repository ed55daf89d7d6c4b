"""What a worker answers, as bytes, and how the engine reads it without trusting whoever wrote it.

Pickle would run what it is told to. Here only plain containers, the dataclasses and enumerations of docmill.domain and
exceptions of docmill or Python are made again: a worker that a hostile file has taken over can lie, and no more.
"""

from __future__ import annotations

import builtins
import importlib
import io
import os
import pickle
import traceback
from dataclasses import is_dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

from docmill.domain.failures import words_of
from docmill.errors import DocmillError, DocumentError

MOST_BYTES = 256 * 1024**2  # a document of twenty million characters takes a tenth of that

_LONGEST_NOTE = 20_000


class AnswerTooLarge(Exception):
    """An answer that the engine does not take in."""

    def __init__(self) -> None:
        super().__init__(f"the answer is larger than {MOST_BYTES // 1024**2} MiB")


def of_value(value: Any) -> bytes:
    """What a task returned. Raises what pickle does for a value that cannot be sent, and AnswerTooLarge."""
    answer = pickle.dumps((True, value), protocol=pickle.HIGHEST_PROTOCOL)
    if len(answer) > MOST_BYTES:
        raise AnswerTooLarge
    return answer


def of_error(error: BaseException) -> bytes:
    """An exception with its traceback as a note, or what can be sent of it."""
    told = _sendable(error)
    where = "".join(traceback.format_exception(error))
    told.add_note(f"in worker {os.getpid()}:\n{where[-_LONGEST_NOTE:]}")
    try:
        answer = pickle.dumps((False, told))
        read(answer)  # some exceptions cannot be made again from their arguments
    except Exception:  # noqa: BLE001 - whatever a foreign class raises here
        return pickle.dumps((False, RuntimeError(words_of(error))))
    return answer if len(answer) <= MOST_BYTES else pickle.dumps((False, RuntimeError(words_of(error))))


def read(answer: bytes) -> tuple[bool, Any]:
    """Whether the task came to an end, and what it returned or raised. Raises whatever a bad answer leads to."""
    good, value = _Reader(io.BytesIO(answer)).load()
    return bool(good), value


def _sendable(error: BaseException) -> Exception:
    """``error`` itself, or one of a class that the engine takes, which says the same."""
    if not isinstance(error, Exception):
        return RuntimeError(f"it raised {words_of(error)}")
    if isinstance(error, DocumentError) and type(error).__module__ != DocumentError.__module__:
        plain = DocumentError(error.message, hint=error.hint)  # a plug-in's own kind
        vars(plain).update(code=error.code, permanent=error.permanent, retried=error.retried)
        return plain
    return error


_MODULES = (builtins.__name__, DocmillError.__module__, __name__)


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return _found(module, name)


@lru_cache(maxsize=256)
def _found(module: str, name: str) -> Any:
    """A class by its very name; a dotted one could lead anywhere."""
    found: Any = None
    if module in _MODULES or module.startswith("docmill.domain."):
        found = vars(importlib.import_module(module)).get(name)
    if isinstance(found, type) and found.__module__ == module and _harmless(found, module):
        return found
    raise pickle.UnpicklingError(f"an answer may not hold {module}.{name}"[:200])


def _harmless(found: type, module: str) -> bool:
    if issubclass(found, Exception):
        return True
    if module == builtins.__name__:
        return found in (set, frozenset)
    return is_dataclass(found) or issubclass(found, Enum)
