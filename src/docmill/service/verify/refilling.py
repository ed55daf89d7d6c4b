"""Puts vectors into the cache from the rows of a database: what was embedded once is not embedded again."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np

from docmill.domain import identity
from docmill.errors import StorageError
from docmill.service.verify import vectors
from docmill.stores import lance
from docmill.stores.embedding_cache import EmbeddingCache
from docmill.stores.faults import require_machine
from docmill.stores.reading import CHUNKS, Database

_BATCH = 2048


def refill(home: Path, cache: EmbeddingCache, database: str, *, leave_out: Collection[str] = ()) -> int:
    """Add what the cache lacks, from documents that are not left out. Returns how many vectors came.

    Raises StorageError where the database cannot be read to its end; what was read until then is kept.
    """
    added = 0
    with lance.hushed(), lance_faults(database):
        opened = Database(home, database)
        fingerprint, chunks = opened.settings()["fingerprint"], opened.table(CHUNKS)
        if chunks is None:
            return 0
        columns = ["document_id", "search_text", "vector"]
        for batch in chunks.search().select(columns).to_batches(batch_size=_BATCH):
            flat = np.ascontiguousarray(batch.column("vector").flatten().to_numpy(zero_copy_only=False), np.float32)
            found = flat.reshape(batch.num_rows, -1)
            rows = zip(
                batch.column("document_id").to_pylist(),
                batch.column("search_text").to_pylist(),
                vectors.sound(found),
                strict=True,
            )
            fresh = {
                identity.text_key(fingerprint, text): found[number].tobytes()
                for number, (document_id, text, good) in enumerate(rows)
                if good and document_id not in leave_out
            }
            there = cache.find(list(fresh))
            cache.add([(key, vector) for key, vector in fresh.items() if key not in there])
            added += len(fresh) - len(there)
    return added


@contextlib.contextmanager
def lance_faults(database: str) -> Iterator[None]:
    """LanceDB panics over some damage, past Exception."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        require_machine(error, f"database {database} cannot be read")
        raise StorageError(f"database {database} cannot be read: {' '.join(str(error).split())[:200]}") from error
