"""What is remembered of a model that a server holds: the vector that it gave for a fixed text when it was first asked.

A server may have another model under the same name one day. Its vectors would lie among the old ones, and nothing would
tell. So the same text is sent along by each session, and must come back as the same vector. It also gives the
dimension, without which no database can be made.

    <model cache>/remote/<fingerprint>.json
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from docmill.errors import StorageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TEXT = "The miller grinds the corn, and the river turns the wheel."
SAME = 0.99
"""Cosine from which on two vectors of the text are of one model. Half and single precision are 0.999 apart and nearer,
eight bits and sixteen 0.995; another model is anywhere below."""


@dataclass(frozen=True, slots=True)
class Witness:
    """``vector``: of TEXT, of length 1."""

    model: str
    origin: str
    vector: tuple[float, ...]

    @property
    def dimension(self) -> int:
        return len(self.vector)

    def likeness(self, vector: NDArray[np.float32]) -> float:
        """Cosine of what TEXT has become now."""
        import numpy as np

        return float(np.asarray(self.vector, np.float32) @ vector)


def find(fingerprint: str, cache: Path) -> Witness | None:
    """None where the model has not been asked from this machine, or what it gave cannot be read any more."""
    try:
        record = json.loads(_path(fingerprint, cache).read_bytes())
        return Witness(record["model"], record["origin"], tuple(float(each) for each in record["vector"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep(fingerprint: str, witness: Witness, cache: Path) -> None:
    """Raises StorageError where the cache cannot be written."""
    path = _path(fingerprint, cache)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    record = {"model": witness.model, "origin": witness.origin, "vector": witness.vector}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(record), "utf-8")
        os.replace(temporary, path)  # noqa: PTH105 - the usual name of the atomic act
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StorageError(f"the model cache {cache} cannot be used: {error}", model=witness.model) from error


def _path(fingerprint: str, cache: Path) -> Path:
    return cache / "remote" / f"{fingerprint}.json"
