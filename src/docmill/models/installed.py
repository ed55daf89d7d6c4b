"""What a model's folder in the cache holds, and how it is read: ``model.json`` and nothing else.

Reading costs one small file and a few ``stat`` calls, so that commands can ask for a model without loading it. This
module writes nothing; ``store`` does.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from docmill.domain.contracts import ModelInfo
from docmill.models.known import Pooling, Quantization

RECORD = "model.json"
ONNX = "model.onnx"
TOKENIZER = "tokenizer.json"

_FORMAT = 1
_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class FileRecord:
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A model in the cache: what is known of it, and how a text becomes a vector with it.

    weights_digest:   sha256 of the weights that the vectors come from; graph says how they are computed.
    tokenizer_digest: sha256 of ``tokenizer.json`` as canonical JSON.
    pad_id:           the token that fills up shorter texts; it is always masked.
    """

    info: ModelInfo
    folder: Path
    pooling: Pooling
    query_prefix: str
    passage_prefix: str
    pad_id: int
    weights_digest: str
    tokenizer_digest: str
    graph: str
    files: dict[str, FileRecord]

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files.values())

    def to_json(self) -> dict[str, Any]:
        """The content of ``model.json``. ``special_tokens`` counts what the tokenizer adds to each text."""
        record: dict[str, Any] = {"format": _FORMAT, **asdict(self.info)}
        for field in ("pooling", "query_prefix", "passage_prefix", "pad_id", "graph"):
            record[field] = getattr(self, field)
        record["normalised"] = True
        record["weights_sha256"] = self.weights_digest
        record["tokenizer_sha256"] = self.tokenizer_digest
        record["files"] = {name: asdict(file) for name, file in sorted(self.files.items())}
        return record


def fingerprint(
    *,
    weights_digest: str,
    tokenizer_digest: str,
    graph: str,
    pooling: Pooling,
    max_tokens: int,
    passage_prefix: str,
) -> str:
    """sha256 over all that decides which vector a stored text gets.

    The bytes of the ONNX file are left out where ``weights_digest`` and ``graph`` stand for them: they change with the
    library that wrote them. So is the query's prefix, which no stored vector depends on.
    """
    parts = {
        "graph": graph,
        "max_tokens": max_tokens,
        "normalised": True,
        "passage_prefix": passage_prefix,
        "pooling": pooling,
        "tokenizer": tokenizer_digest,
        "weights": weights_digest,
    }
    return hashlib.sha256(canonical_json(parts)).hexdigest()


def canonical_json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def folder_name(name: str, quantization: Quantization = "fp32") -> str | None:
    """The folder of a model inside the cache, or None for a name that cannot be a model's. No name has an ``@``."""
    if not _NAME.fullmatch(name):
        return None
    plain = name.replace("/", "--")
    return plain if quantization == "fp32" else f"{plain}@{quantization}"


def read(name: str, cache: Path, quantization: Quantization = "fp32") -> InstalledModel | None:
    """The model, if it is installed and each of its files is there in its full size; else None.

    Bytes are not compared: ``store.verify`` does that.
    """
    part = folder_name(name, quantization)
    if part is None:
        return None
    folder = cache / part
    try:
        model = _from_json(json.loads((folder / RECORD).read_bytes()), folder)
        whole = all((folder / file).stat().st_size == known.size_bytes for file, known in model.files.items())
    except (OSError, ValueError, KeyError, TypeError):
        return None  # absent, half there, or written by another version: in each case it must be installed (again)
    return model if whole and model.info.name == name else None


def _from_json(record: dict[str, Any], folder: Path) -> InstalledModel:
    if record["format"] != _FORMAT:
        raise ValueError(f"format {record['format']} is not {_FORMAT}")
    info = ModelInfo(
        name=record["name"],
        provider=record["provider"],
        fingerprint=record["fingerprint"],
        dimension=record["dimension"],
        max_tokens=record["max_tokens"],
        special_tokens=record["special_tokens"],
    )
    return InstalledModel(
        info=info,
        folder=folder,
        pooling=record["pooling"],
        query_prefix=record["query_prefix"],
        passage_prefix=record["passage_prefix"],
        pad_id=record["pad_id"],
        weights_digest=record["weights_sha256"],
        tokenizer_digest=record["tokenizer_sha256"],
        graph=record["graph"],
        files={name: FileRecord(**file) for name, file in record["files"].items()},
    )
