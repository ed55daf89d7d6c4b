"""OpenAI's API: ``POST /v1/embeddings``, ``GET /v1/models`` and ``GET /v1/models/<name>``."""

from __future__ import annotations

import base64
from typing import Any

from docmill.serving.asking import Refused, Served, embed, require_dimensions, require_model, require_texts

# How servers of models that tell questions from passages have it: Cohere, Voyage, NVIDIA.
_QUESTIONS = frozenset({"query", "search_query"})
_PASSAGES = frozenset({"document", "passage", "search_document"})


def embeddings(served: Served, asked: dict[str, Any]) -> dict[str, Any]:
    """Vectors in the order of ``input``; base64 is of little-endian float32."""
    name = require_model(served, asked)
    texts = require_texts(asked.get("input"))
    if not texts:
        raise Refused(400, "input must not be empty", param="input")
    require_dimensions(served, asked)
    encoding = asked.get("encoding_format") or "float"
    if encoding not in ("float", "base64"):
        raise Refused(400, "encoding_format must be float or base64", param="encoding_format")
    prefix = _prefix(served, asked)
    embedded = embed(served, [prefix + text for text in texts])
    given: list[Any] = (
        [base64.b64encode(vector.astype("<f4").tobytes()).decode() for vector in embedded.vectors]
        if encoding == "base64"
        else embedded.numbers()
    )
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": place, "embedding": each} for place, each in enumerate(given)],
        "model": name,
        "usage": {"prompt_tokens": embedded.tokens, "total_tokens": embedded.tokens},
    }


def models(served: Served) -> dict[str, Any]:
    return {"object": "list", "data": [model(served)]}


def model(served: Served) -> dict[str, Any]:
    return {"id": served.info.name, "object": "model", "created": int(served.installed_at), "owned_by": "docmill"}


def refusal(error: Refused) -> dict[str, Any]:
    kind = "invalid_request_error" if error.status < 500 else "server_error"
    return {"error": {"message": error.message, "type": kind, "param": error.param, "code": error.code}}


def _prefix(served: Served, asked: dict[str, Any]) -> str:
    """Without ``input_type``, which OpenAI's own models do not know, texts are taken as they are."""
    given = asked.get("input_type")
    if given is None:
        return ""
    if given in _QUESTIONS:
        return served.query_prefix
    if given in _PASSAGES:
        return served.passage_prefix
    raise Refused(400, "input_type must be query or passage", param="input_type")
