"""The static model that the package wordllama carries: a vector for each token, trained so that their mean is of use.

The package is found but never imported: its code would ask the network, and imports more than is needed. Its two files
are read as data, and only if they are exactly the published ones; so they need not be copied into the model cache.
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from docmill.domain.contracts import ModelInfo
from docmill.errors import ModelMissing
from docmill.models.installed import canonical_json

if TYPE_CHECKING:
    from docmill.domain.results import ModelEntry, ModelFinding

NAME = "wordllama-l2-supercat-256"
PROVIDER = "wordllama"
DIMENSION = 256
MAX_TOKENS = 8192  # the mean has no limit of its own; a passage has no more
HINT = "pip install 'docmill[static]'"
WEIGHTS = "weights/l2_supercat_256.safetensors"
TOKENIZER = "tokenizers/l2_supercat_tokenizer_config.json"
DIGESTS = {
    WEIGHTS: "64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5",
    TOKENIZER: "93248f2a9ec36c7b35f700a033d5f36228aae48db61aee31007fa49062cdeb68",
}
_POOLING = "mean-1"
"""Raise when another vector would be computed of the same tokens."""


def folder() -> Path | None:
    """Where the installed package keeps its files, or None where it is not installed."""
    spec = importlib.util.find_spec("wordllama")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if all((Path(place) / name).is_file() for name in DIGESTS):
            return Path(place)
    return None


def checked(name: str) -> bytes:
    """The content of one of the files, whose digest is the published one. Raises ModelMissing for any other."""
    place = folder()
    if place is None:
        raise missing()
    content = (place / name).read_bytes()
    if hashlib.sha256(content).hexdigest() != DIGESTS[name]:
        raise ModelMissing(f"{place / name} is not the published file", hint=f"{HINT} --force-reinstall")
    return content


def missing() -> ModelMissing:
    return ModelMissing(f"the embedding model {NAME} is not installed", hint=HINT)


def info() -> ModelInfo:
    """Raises ModelMissing. Reads nothing: what is loaded later is what these digests say, or nothing."""
    if folder() is None:
        raise missing()
    parts = {"files": DIGESTS, "max_tokens": MAX_TOKENS, "normalised": True, "pooling": _POOLING}
    mark = hashlib.sha256(canonical_json(parts)).hexdigest()
    return ModelInfo(NAME, PROVIDER, mark, DIMENSION, MAX_TOKENS, special_tokens=0)


def findings() -> list[ModelFinding]:
    """What is wrong with the installed files; nothing where the list is empty."""
    from docmill.domain.results import ModelFinding

    place = folder()
    if place is None:
        return [ModelFinding(name=NAME, file=WEIGHTS, problem="not installed")]
    wrong = [name for name in DIGESTS if hashlib.sha256((place / name).read_bytes()).hexdigest() != DIGESTS[name]]
    return [ModelFinding(name=NAME, file=name, problem="its bytes are not the published ones") for name in wrong]


def size_bytes(place: Path) -> int:
    return sum((place / name).stat().st_size for name in DIGESTS)


def entry() -> ModelEntry:
    """For the list of models."""
    from docmill.domain.results import ModelEntry

    place = folder()
    return ModelEntry(
        name=NAME,
        provider=PROVIDER,
        dimension=DIMENSION,
        max_tokens=MAX_TOKENS,
        installed=place is not None,
        available=place is not None,
        size_bytes=size_bytes(place) if place else None,
        fingerprint=info().fingerprint if place else None,
        note="for drafts: --params draft" if place else f"for drafts: {HINT}",
    )
