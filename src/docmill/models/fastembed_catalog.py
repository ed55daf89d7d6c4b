"""fastembed's list of models, narrowed to what one pooled transformer pass can serve, with the prefixes it leaves out.

    python -m docmill.models.fastembed_catalog     # keeps the list of the installed release in catalog.json

Importing fastembed takes a third of a second; ``catalog`` does without it wherever it can.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from docmill.models.known import SNAPSHOT, KnownModel, Pooling

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


def read_fastembed() -> list[KnownModel]:
    """The models of the fastembed that is installed. Imports it."""
    from fastembed import TextEmbedding

    found: dict[str, KnownModel] = {}
    for implementation in TextEmbedding.EMBEDDINGS_REGISTRY:
        pooling = _POOLING.get(implementation.__name__)
        if pooling is None:
            continue
        for described in implementation._list_supported_models():  # noqa: SLF001 - the public list leaves out the class
            if _usable(described):
                found.setdefault(described.model, _from_fastembed(described, pooling))
    return sorted(found.values(), key=lambda model: model.name.lower())


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


def snapshot(models: list[KnownModel]) -> dict[str, Any]:
    """What the kept list holds of the fastembed that is installed."""
    return {"fastembed": version("fastembed"), "models": [asdict(model) for model in models]}


def main() -> None:
    target = Path(__file__).with_name(SNAPSHOT)
    target.write_text(json.dumps(snapshot(read_fastembed()), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
