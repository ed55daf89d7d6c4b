"""Vectors by feature hashing: an instrument for tests and for trying out scale, not for search that people rely on.

Lower-cased words and pairs of neighbouring words are hashed into a fixed number of dimensions, each with a sign of its
own so that collisions cancel out on average (Weinberger et al., 2009). Texts that share words are near each other and
nothing else is meant by it. It needs no model file and embeds some ten thousand passages a second.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from pydantic import Field

from docmill.domain.contracts import Embedder, EmbeddingSession, ModelInfo, Tokenizer
from docmill.domain.params import EmbedParams

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_VERSION = "1"
_MAX_TOKENS = 256
_SPECIAL_TOKENS = 2  # as many as the default model has, so that one can stand in for the other
# A word of more than 32 characters is several tokens: no token, and so no passage, can be of any length.
_TOKEN = re.compile(r"\w{1,32}|[^\w\s]")
_SIGN_BIT = 31


class HashingParams(EmbedParams):
    model: str = Field("hashing-384", pattern=r"^hashing-[1-9][0-9]{1,3}$", description="the number is the dimension")


class HashingTokenizer:
    max_tokens = _MAX_TOKENS
    special_tokens = _SPECIAL_TOKENS

    def spans(self, text: str) -> list[tuple[int, int]]:
        return [match.span() for match in _TOKEN.finditer(text)]

    def counts(self, texts: Sequence[str]) -> list[int]:
        return [len(_TOKEN.findall(text)) for text in texts]


class HashingSession:
    def __init__(self, dimension: int) -> None:
        self._dimension = dimension

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``(len(texts), dimension)`` float32, each row of length 1."""
        import numpy as np

        hashes = [_hashes(text) for text in texts]
        rows = np.repeat(np.arange(len(texts)), np.array([len(found) for found in hashes], np.intp))
        values = np.array([value for found in hashes for value in found], np.uint32)
        signs = 1.0 - 2.0 * (values >> _SIGN_BIT)
        columns = (values & ((1 << _SIGN_BIT) - 1)) % self._dimension
        counts = np.bincount(rows * self._dimension + columns, signs, minlength=len(texts) * self._dimension)
        return _normalised(np.asarray(counts, np.float64).reshape(len(texts), self._dimension))

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """As passages: the model knows no difference."""
        return self.embed_passages(texts)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """``(dimension,)`` float32 of length 1."""
        vector: NDArray[np.float32] = self.embed_queries([text])[0]
        return vector


class HashingEmbedder:
    version = _VERSION
    params: type[EmbedParams] = HashingParams

    def describe(self, params: EmbedParams) -> ModelInfo:
        dimension = _dimension(params)
        mark = hashlib.sha256(f"hashing\0{_VERSION}\0{dimension}\0{_MAX_TOKENS}".encode()).hexdigest()
        return ModelInfo(params.model, "hashing", mark, dimension, _MAX_TOKENS, _SPECIAL_TOKENS)

    def tokenizer(self, params: EmbedParams) -> Tokenizer:  # noqa: ARG002 - one tokenizer serves every dimension
        return HashingTokenizer()

    def load(self, params: EmbedParams, *, threads: int) -> EmbeddingSession:  # noqa: ARG002 - it needs one thread
        return HashingSession(_dimension(params))


def _dimension(params: EmbedParams) -> int:
    return int(params.model.removeprefix("hashing-"))


def _hashes(text: str) -> list[int]:
    """CRC-32 of each word and each pair of neighbours, of as much of the text as ``max_tokens`` allows."""
    tokens = _TOKEN.findall(text.lower())[: _MAX_TOKENS - _SPECIAL_TOKENS]
    words = [token for token in tokens if token[0].isalnum() or token[0] == "_"]
    return [zlib.crc32(feature.encode()) for feature in (*words, *map(" ".join, pairwise(words)))]


def _normalised(counts: NDArray[np.float64]) -> NDArray[np.float32]:
    """Rows of length 1. A row without any word, or whose words cancelled out, becomes the first unit vector."""
    import numpy as np

    lengths = np.linalg.norm(counts, axis=1)
    counts[lengths == 0, 0] = 1.0
    lengths[lengths == 0] = 1.0
    return np.asarray(counts / lengths[:, None], np.float32)


PLUGIN: Embedder = HashingEmbedder()
