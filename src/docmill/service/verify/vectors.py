"""Checks vectors: those in the cache, and each row's against the cached one of its text.

All our embedders give vectors of length 1, so one that is damaged shows by its length most of the time. Where a row and
the cache say different things and both look sound, nobody knows which is right: the text is embedded again.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from docmill.service.verify.diagnosis import Diagnosis
from docmill.stores.cached_vectors import CachedVectors
from docmill.stores.faults import require_machine

if TYPE_CHECKING:
    from numpy.typing import NDArray

CACHE = "cache.db"
_OFF_LENGTH = 1e-3  # what rounding to float32 makes of a length is a thousand times less
_ROUNDING = 1e-3  # a model's answers differ by less, from batch to batch


def sound(vectors: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which rows are finite and of length 1. ``vectors`` is ``(n, dimension)``."""
    with np.errstate(all="ignore"):
        squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    good: NDArray[np.bool_] = np.isfinite(squares) & (np.abs(squares - 1.0) <= _OFF_LENGTH)
    return good


def is_sound(vector: bytes, dimension: int) -> bool:
    return len(vector) == dimension * 4 and bool(sound(np.frombuffer(vector, np.float32).reshape(1, -1))[0])


def is_close(one: bytes, other: bytes) -> bool:
    """The same but for what rounding does."""
    difference = np.frombuffer(one, np.float32) - np.frombuffer(other, np.float32)
    return bool(np.abs(difference).max(initial=0.0) <= _ROUNDING)


def check_cache(home: Path, found: Diagnosis, *, quick: bool) -> bool:
    """Whether it can be used."""
    cache = CachedVectors(home)
    try:
        faults = cache.faults(quick=quick)
        if not faults and not quick:
            _check_entries(cache, found)
    except sqlite3.DatabaseError as error:
        require_machine(error, f"{home / CACHE} cannot be read")
        faults = [str(error)]
    finally:
        cache.close()
    for each in faults:
        found.add("CACHE_DAMAGED", CACHE, each[:200])
    return not faults


def _check_entries(cache: CachedVectors, found: Diagnosis) -> None:
    for rows in cache.all():
        found.counts["cached_vectors"] += len(rows)
        by_size: dict[int, list[tuple[bytes, bytes]]] = {}
        for key, vector in rows:
            by_size.setdefault(len(vector) if isinstance(vector, bytes) else 0, []).append((key, vector))
        for size, same in by_size.items():
            if size % 4 or not size:
                bad = [key for key, _vector in same]
            else:
                good = sound(
                    np.frombuffer(b"".join(vector for _key, vector in same), np.float32).reshape(-1, size // 4)
                )
                bad = [same[number][0] for number in np.flatnonzero(~good)]
            for key in bad:
                found.add("CACHED_VECTOR_DAMAGED", CACHE, key.hex()[:12])
                found.vectors.add(key)
