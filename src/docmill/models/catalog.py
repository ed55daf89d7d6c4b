"""Which embedding models docmill knows, before any of them is on disk.

The list is fastembed's (see fastembed_catalog), kept beside this module as the pinned release has it, because
importing fastembed takes a third of a second; with another release installed, that one is asked. The default model is
written out here: its weights also come as a package. This module touches no network.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.metadata import version
from importlib.resources import files

from docmill.models.known import MINILM, SNAPSHOT, KnownModel

_MINILM = KnownModel(
    name=MINILM,
    dimension=384,
    max_tokens=256,
    pooling="mean",
    repository="Qdrant/all-MiniLM-L6-v2-onnx",
    onnx_file="model.onnx",
    download_bytes=90_000_000,
)


def find_known(name: str) -> KnownModel | None:
    """The known model of this exact name."""
    if name == MINILM:
        return _MINILM
    return next((model for model in known_models() if model.name == name), None)


@cache
def known_models() -> tuple[KnownModel, ...]:
    """Every known model, the default one first, then by name."""
    kept = json.loads(files("docmill.models").joinpath(SNAPSHOT).read_text("utf-8"))
    if kept["fastembed"] == version("fastembed"):
        others = [KnownModel(**{**record, "data_files": tuple(record["data_files"])}) for record in kept["models"]]
    else:
        from docmill.models.fastembed_catalog import read_fastembed

        others = read_fastembed()
    rest = sorted((model for model in others if model.name != MINILM), key=lambda model: model.name.lower())
    return (_MINILM, *rest)
