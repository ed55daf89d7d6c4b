"""Where LanceDB is imported for docmill's own databases, which are opened here, and told to be sparing with memory."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import sys
from collections.abc import Iterator
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
# Of glibc's malloc.h. What is large goes back to the system as soon as it is free, and does not lie in pieces between
# what is not: at the peak of indexing 200,000 passages that is a tenth less, and after it a third.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_MALLOC = ((_M_ARENA_MAX, 2), (_M_MMAP_THRESHOLD, 256 * 1024), (_M_TRIM_THRESHOLD, 1024**2))


def import_lancedb() -> Any:
    """The module, without what only remote catalogues need."""
    _put_off(_REMOTE_CLIENT)
    _set_up_malloc()
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
    """Have the system take back what is free: after an index was built, that is most of what this process has; after
    each window 8 MB of 250. It takes some milliseconds.
    """
    with contextlib.suppress(OSError, AttributeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)


def _set_up_malloc() -> None:
    """LanceDB's threads each have a heap of their own else, and all keep what was the most that they ever needed."""
    with contextlib.suppress(OSError, AttributeError):  # not glibc
        for parameter, value in _MALLOC:
            ctypes.CDLL(None).mallopt(parameter, value)


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """LanceDB's own threads tell of damage on stderr, past Python, and whoever reads to find it says so better."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


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
