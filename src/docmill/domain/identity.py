"""How things are named by their content: documents, step keys, text keys, chunk ids. All functions are pure."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

CONTENT_PREFIX = "sha256-"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def document_id(source: str, uri: str, counter: int = 0) -> str:
    """32 hex digits. ``counter`` is raised when the id is taken by a document that was renamed away from this URI."""
    return _digest(source, uri, *([str(counter)] if counter else []))[:32]


def step_keys(
    step_type: str, plugin: str, version: str, params: dict[str, Any], model: str = ""
) -> Callable[[str], str]:
    """What a step's output follows from: the key of the step before it (the content hash, for the first) and itself.

    Gives the function from the one before to its own: what is its own is put into words once.
    """
    own = json.dumps([step_type, plugin, version, params, model], sort_keys=True, separators=(",", ":"))
    return lambda upstream: _digest(f"[{json.dumps(upstream)},{own[1:]}")


def text_key(fingerprint: str, text: str) -> bytes:
    """32 bytes naming the vector of ``text`` by the model ``fingerprint``."""
    return hashlib.sha256(f"{fingerprint}\0{text}".encode("utf-8", "surrogatepass")).digest()


def chunk_ids(document: str, texts: Iterable[str]) -> list[str]:
    """One id a chunk, from the document, the text and its how-manieth occurrence: unchanged text keeps its id."""
    seen: Counter[str] = Counter()
    ids = []
    for text in texts:
        ids.append(_digest(document, text, str(seen[text]))[:32])
        seen[text] += 1
    return ids


def assets_key(step_key: str) -> str:
    """Of the images and raw results that a parse step keeps beside its document."""
    return hashlib.sha256(f"assets {step_key}".encode()).hexdigest()
