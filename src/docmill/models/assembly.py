"""Turns the files of a model, wherever they come from, into a folder that the cache can take.

It writes into the staging folder that it is given and nowhere else, and ends by embedding a text: what cannot do that
is never installed.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from docmill.domain.contracts import ModelInfo
from docmill.errors import ModelMissing
from docmill.models import int8, minilm
from docmill.models.hub import TOKENIZER_FILES
from docmill.models.installed import ONNX, RECORD, TOKENIZER, FileRecord, InstalledModel, canonical_json, fingerprint
from docmill.models.known import KnownModel
from docmill.models.session import OnnxSession

_DOWNLOADED_GRAPH = "as-published"
_AGREEMENT = 1e-4
"""How far apart a text's vectors may be, alone and among others, whose cache is to be good for any company."""

# Of one and of many tokens: in one batch all but the longest are padded.
_COMPANY = tuple(
    " ".join(f"the {number} miller grinds what river {number * 7 % 11} brings" for number in range(count))
    for count in (1, 2, 3, 5, 8, 13, 21)
)


def from_package(model: KnownModel, package: Path, staging: Path) -> InstalledModel:
    """Build all-MiniLM-L6-v2 from the weights package. Raises ModelMissing where the weights are not the published."""
    weights = minilm.checked_weights(package)
    minilm.write_onnx(weights, staging / ONNX)
    return _assemble(model, package, staging, weights_digest=minilm.WEIGHTS_SHA256, graph=minilm.GRAPH_VERSION)


def from_download(model: KnownModel, download: Path, staging: Path) -> InstalledModel:
    """Take over what the hub gave. ``download`` keeps its files until the model is installed."""
    digest = hashlib.sha256()
    for name in (model.onnx_file, *model.data_files):
        # The graph names its external data by their base name, beside itself; both move to the top of the folder.
        target = staging / (ONNX if name == model.onnx_file else Path(name).name)
        shutil.copyfile(download / name, target)
        digest.update(bytes.fromhex(_sha256(target)))
    return _assemble(model, download, staging, weights_digest=digest.hexdigest(), graph=_DOWNLOADED_GRAPH)


def quantized(model: InstalledModel, staging: Path) -> InstalledModel:
    """The same model with its matrix products in integers. Raises ModelMissing where that cannot be had of it.

    An integer's last step may hang on the last bit of a float. Whether those bits are the same in any company depends
    on the runtime and the processor, so this is tried out on the machine at hand.
    """
    name = model.info.name
    if file_record(model.folder / ONNX) != model.files[ONNX]:
        raise ModelMissing(f"{name} is damaged", hint=f"docmill models install {name}", model=name)
    for file in model.files:
        if file in (*TOKENIZER_FILES, TOKENIZER):
            shutil.copyfile(model.folder / file, staging / file)
    try:
        int8.write_int8(model.folder / ONNX, staging / ONNX)
    except (int8.NotQuantizable, ValueError) as error:  # protobuf's, of more than 2 GB in one file
        raise _no_int8(name, str(error)) from error
    graph = f"{model.graph} {int8.GRAPH_VERSION}"
    mark = fingerprint(
        weights_digest=model.weights_digest,
        tokenizer_digest=model.tokenizer_digest,
        graph=graph,
        pooling=model.pooling,
        max_tokens=model.info.max_tokens,
        passage_prefix=model.passage_prefix,
    )
    files = {path.name: file_record(path) for path in sorted(staging.iterdir())}
    found = replace(model, info=replace(model.info, fingerprint=mark), folder=staging, graph=graph, files=files)
    _try_out(found)
    apart = _disagreement(found)
    if apart > _AGREEMENT:
        raise _no_int8(name, f"on this machine a text's vector would depend on its batch (by {apart:.1e})")
    _write_record(found)
    return found


def file_record(path: Path) -> FileRecord:
    return FileRecord(_sha256(path), path.stat().st_size)


def _assemble(model: KnownModel, origin: Path, staging: Path, *, weights_digest: str, graph: str) -> InstalledModel:
    tokenizer = _write_tokenizer_files(model, origin, staging)
    digest = hashlib.sha256(canonical_json(tokenizer)).hexdigest()
    max_tokens = _max_tokens(model, _read_json(origin / "tokenizer_config.json"))
    mark = fingerprint(
        weights_digest=weights_digest,
        tokenizer_digest=digest,
        graph=graph,
        pooling=model.pooling,
        max_tokens=max_tokens,
        passage_prefix=model.passage_prefix,
    )
    installed = InstalledModel(
        info=ModelInfo(model.name, model.provider, mark, model.dimension, max_tokens, _special_tokens(staging)),
        folder=staging,
        pooling=model.pooling,
        query_prefix=model.query_prefix,
        passage_prefix=model.passage_prefix,
        pad_id=_pad_id(origin, tokenizer),
        weights_digest=weights_digest,
        tokenizer_digest=digest,
        graph=graph,
        files={path.name: file_record(path) for path in sorted(staging.iterdir())},
    )
    _try_out(installed)
    _write_record(installed)
    return installed


def _write_record(model: InstalledModel) -> None:
    (model.folder / RECORD).write_bytes(json.dumps(model.to_json(), indent=2, ensure_ascii=False).encode())


def _write_tokenizer_files(model: KnownModel, origin: Path, staging: Path) -> dict[str, Any]:
    """The tokenizer without the truncation and padding that were saved with it, and the small files beside it."""
    for name in TOKENIZER_FILES:
        if (origin / name).is_file():
            shutil.copyfile(origin / name, staging / name)
    tokenizer = _read_json(origin / TOKENIZER) | {"truncation": None, "padding": None}
    _write_json(staging / TOKENIZER, tokenizer)
    config = _read_json(origin / "tokenizer_config.json")
    _write_json(staging / "tokenizer_config.json", config | {"model_max_length": _max_tokens(model, config)})
    return tokenizer


def _max_tokens(model: KnownModel, tokenizer_config: dict[str, Any]) -> int:
    """The stricter of the catalogue's and the tokenizer's limit; "unknown" is written as 1e30 by some."""
    limit = tokenizer_config.get("model_max_length")
    return min(model.max_tokens, limit) if isinstance(limit, int) and limit > 0 else model.max_tokens


def _pad_id(origin: Path, tokenizer: dict[str, Any]) -> int:
    """Some graphs count positions by where the padding token is not, so it must be the model's own."""
    original = _read_json(origin / TOKENIZER).get("padding") or {}
    config = _read_json(origin / "config.json") if (origin / "config.json").is_file() else {}
    for known in (original.get("pad_id"), config.get("pad_token_id")):
        if isinstance(known, int):
            return known
    added = {token["content"]: token["id"] for token in tokenizer.get("added_tokens", [])}
    return int(added.get("[PAD]", added.get("<pad>", 0)))


def _special_tokens(staging: Path) -> int:
    from tokenizers import Tokenizer

    return int(Tokenizer.from_file(str(staging / TOKENIZER)).num_special_tokens_to_add(is_pair=False))


def _try_out(model: InstalledModel) -> None:
    """Raises ModelMissing unless the model gives a vector of the promised size."""
    try:
        found = OnnxSession(model, threads=1).embed_passages(["A first text."]).shape[1]
    except Exception as error:
        raise ModelMissing(
            f"the files of {model.info.name} cannot be used: {type(error).__name__}: {error}", model=model.info.name
        ) from error
    if found != model.info.dimension:
        raise ModelMissing(
            f"{model.info.name} gives vectors of {found} numbers, not {model.info.dimension}", model=model.info.name
        )


def _disagreement(model: InstalledModel) -> float:
    """The largest difference between a number of a text's vector alone, and of the same text among others."""
    import numpy as np

    session = OnnxSession(model, threads=1)
    alone = np.concatenate([session.embed_passages([text]) for text in _COMPANY])
    return max(
        float(np.abs(session.embed_passages(_COMPANY[start:end]) - alone[start:end]).max())
        for start, end in ((0, 2), (2, 6), (0, len(_COMPANY)))
    )


def _no_int8(name: str, why: str) -> ModelMissing:
    return ModelMissing(
        f"{name} cannot be had as int8: {why}", hint="--set embed.quantization=fp32 takes it as it is", model=name
    )


def moved(model: InstalledModel, folder: Path) -> InstalledModel:
    """The same model in another place."""
    return replace(model, folder=folder)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_bytes())
    return content


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_bytes(json.dumps(content, ensure_ascii=False).encode())
