"""The one place where LanceDB is imported and opened, and told to be sparing with memory."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

# A client for catalogues that other machines keep. LanceDB imports it, for the names of some of its models; importing
# the rest of it takes as long as all of LanceDB otherwise does.
_REMOTE_CLIENT = "lance_namespace_urllib3_client"

# What a writer keeps of a database in memory. Without a bound it keeps, of each version that it has made, which files
# that has: it grows with the square of the windows.
_WRITERS_CACHE_BYTES = 16 * 1024**2
# Rows of a vector index that are held while it is built go to disk in portions of this size; LanceDB's own are larger
# and make it neither faster nor better.
_SHUFFLE_BYTES = 8 * 1024**2
_M_ARENA_MAX, _ARENAS = -8, 2  # of glibc's malloc.h


def import_lancedb() -> Any:
    """The module, without what only remote catalogues need."""
    _put_off(_REMOTE_CLIENT)
    _share_arenas()
    os.environ.setdefault("LANCE_SHUFFLE_BATCH_BYTES", str(_SHUFFLE_BYTES))
    import lancedb

    return lancedb


def connect(folder: Path, *, to_write: bool = False) -> Any:
    """A connection to the database in a folder."""
    lancedb = import_lancedb()
    if not to_write:
        return lancedb.connect(folder)
    return lancedb.connect(folder, session=lancedb.Session(_WRITERS_CACHE_BYTES, _WRITERS_CACHE_BYTES))


def give_back_memory() -> None:
    """Have the system take back what is free: after an index was built, that is most of what this process has."""
    with contextlib.suppress(OSError, AttributeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)


def _share_arenas() -> None:
    """LanceDB's threads each have a heap of their own else, and all keep what was the most that they ever needed."""
    with contextlib.suppress(OSError, AttributeError):  # not glibc
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


class _PutOff(ModuleType):
    """A package whose modules can be imported, and whose own code runs when something of it is first asked for."""

    def __getattr__(self, name: str) -> Any:
        spec = self.__spec__
        if spec is None or spec.loader is None or name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        self.__class__ = ModuleType  # type: ignore[assignment] # from here on it is as if it had never been put off
        spec.loader.exec_module(self)
        return getattr(self, name)


def _put_off(name: str) -> None:
    """Nothing happens where it has been imported already, or is not there: then LanceDB does not need it either."""
    if name in sys.modules or (spec := importlib.util.find_spec(name)) is None:
        return
    package = importlib.util.module_from_spec(spec)
    package.__class__ = _PutOff
    sys.modules.setdefault(name, package)
