"""What is due in a large database after a run, in a process of its own.

To index or to merge half a million passages takes several hundred megabytes, and the process that does it keeps many of
them. So the engine, which goes on for hours or days, has it done beside it, and waits: there is one writer at a time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from docmill.domain.contracts import ModelInfo
from docmill.engine import sandbox
from docmill.engine.worker_process import WorkerDied, ending
from docmill.engine.workers import Workers
from docmill.stores.vectors import VectorStore

LARGE_ROWS = 20_000  # to start the process takes as long as to index fewer


def finish(
    folder: Path, model: ModelInfo, embedder: str, vector_rows: int, *, printed: Callable[[Any, str], None]
) -> str | None:
    """As VectorStore.finish does, and raising what that does. What is wrong, where the process did not end well."""
    process = Workers(1, sandbox.become_worker, (os.getpid(),), done=lambda _tag, _future: None, printed=printed)
    try:
        process.submit(folder.name, _finish, folder, model, embedder, vector_rows).result()
    except WorkerDied as died:
        words = f": {died.words}" if died.words else ""
        return (
            f"database {folder.name} could not be indexed ({ending(died.exitcode)}{words}); it is searched all the same"
        )
    finally:
        process.stop()
    return None


def _finish(folder: Path, model: ModelInfo, embedder: str, vector_rows: int) -> None:
    VectorStore(folder, model, embedder).finish(vector_rows=vector_rows)
