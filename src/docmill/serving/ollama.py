"""Ollama's API, as far as it is about embeddings: ``/api/embed``, the older ``/api/embeddings``, and what is served."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from docmill import __version__
from docmill.serving.asking import Refused, Served, embed, require_dimensions, require_model, require_texts

_LEVELS = {"fp32": "F32", "int8": "Q8_0"}


def embeddings(served: Served, asked: dict[str, Any]) -> dict[str, Any]:
    """``POST /api/embed``. Durations are nanoseconds."""
    began = time.perf_counter_ns()
    name = require_model(served, asked)
    texts = require_texts(asked.get("input"))
    require_dimensions(served, asked)
    embedded = embed(served, texts, whole=asked.get("truncate") is False)
    return {
        "model": name,
        "embeddings": embedded.numbers(),
        "total_duration": time.perf_counter_ns() - began,
        "load_duration": 0,
        "prompt_eval_count": embedded.tokens,
    }


def embedding(served: Served, asked: dict[str, Any]) -> dict[str, Any]:
    """``POST /api/embeddings``: one text, in ``prompt``."""
    require_model(served, asked)
    prompt = asked.get("prompt")
    if not isinstance(prompt, str):
        raise Refused(400, "prompt must be a string", param="prompt")
    return {"embedding": embed(served, [prompt], param="prompt").numbers()[0]}


def tags(served: Served) -> dict[str, Any]:
    """``GET /api/tags``: the models on this server."""
    level = _LEVELS[served.quantization]
    details = {"parent_model": "", "format": "onnx", "family": "", "families": [], "parameter_size": ""}
    model = {
        "name": served.info.name,
        "model": served.info.name,
        "modified_at": datetime.fromtimestamp(served.installed_at, UTC).isoformat(timespec="seconds"),
        "size": served.size_bytes,
        "digest": served.info.fingerprint,
        "details": {**details, "quantization_level": level},
    }
    return {"models": [model]}


def version(_served: Served) -> dict[str, Any]:
    return {"version": __version__}


def refusal(error: Refused) -> dict[str, Any]:
    return {"error": error.message}
