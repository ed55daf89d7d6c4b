"""The mean of a text's token vectors, from the model that the package wordllama carries (``docmill[static]``).

No network runs over the text, so it costs little more than cutting it into tokens: for a first look at a large folder.
It knows words and not their order, and finds less than a model does that reads (benchmarks/README.md has the figures).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydantic import Field

from docmill.domain.contracts import Embedder, EmbeddingSession, ModelInfo, Tokenizer
from docmill.domain.params import EmbedParams, tuning
from docmill.models import wordllama

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class StaticParams(EmbedParams):
    model: str = Field(wordllama.NAME, pattern=f"^{wordllama.NAME}$", description="there is one")
    batch_tokens: int = tuning(65_536, ge=64, le=262_144, description="padded tokens in one micro-batch")
    batch_texts: int = tuning(256, ge=1, le=2048, description="texts in one micro-batch")


class StaticSession:
    """Fits ``contracts.EmbeddingSession``. May be used from several threads."""

    def __init__(self, vectors: NDArray[np.float16], tokenizer: Any) -> None:
        """``vectors``: ``(vocabulary, dimension)``, a row for each token id."""
        self._vectors = vectors
        self._tokenizer = tokenizer

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``(len(texts), dimension)`` float32, each row of length 1."""
        import numpy as np

        from docmill.models.tokenizer import encodable

        found = np.zeros((len(texts), wordllama.DIMENSION), np.float32)
        encodings = self._tokenizer.encode_batch_fast([encodable(text) for text in texts], add_special_tokens=False)
        for row, encoding in enumerate(encodings):
            if ids := encoding.ids[: wordllama.MAX_TOKENS]:
                # Each text by itself: a sum over several would depend on where in the batch a text stands.
                found[row] = self._vectors[ids].mean(axis=0, dtype=np.float32)
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        found[lengths[:, 0] == 0, 0] = 1.0  # a text without a token points somewhere too
        return np.asarray(found / np.where(lengths == 0, 1.0, lengths), np.float32)

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """As passages: the model knows no difference."""
        return self.embed_passages(texts)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """``(dimension,)`` float32 of length 1."""
        vector: NDArray[np.float32] = self.embed_queries([text])[0]
        return vector


class StaticTokenizer:
    """The model's own. The bytes of a character that its vocabulary lacks count as one token together."""

    max_tokens = wordllama.MAX_TOKENS
    special_tokens = 0

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def spans(self, text: str) -> list[tuple[int, int]]:
        from docmill.models.tokenizer import located

        found: list[tuple[int, int]] = []
        for start, end in located(self._tokenizer, text):
            if not found or start >= found[-1][1]:
                found.append((start, end))
        return found

    def counts(self, texts: Sequence[str]) -> list[int]:
        return [len(self.spans(text)) for text in texts]


class StaticEmbedder:
    version = "1"
    params: type[EmbedParams] = StaticParams

    def describe(self, params: EmbedParams) -> ModelInfo:  # noqa: ARG002 - there is one model
        return wordllama.info()

    def tokenizer(self, params: EmbedParams) -> Tokenizer:  # noqa: ARG002 - there is one model
        return StaticTokenizer(_tokenizer())

    def load(self, params: EmbedParams, *, threads: int) -> EmbeddingSession:  # noqa: ARG002 - it needs one thread
        from safetensors.numpy import load

        return StaticSession(load(wordllama.checked(wordllama.WEIGHTS))["embedding.weight"], _tokenizer())


@lru_cache(maxsize=1)
def _tokenizer() -> Any:
    """A ``tokenizers.Tokenizer`` with neither truncation nor padding. Raises ModelMissing."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_buffer(wordllama.checked(wordllama.TOKENIZER))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


PLUGIN: Embedder = StaticEmbedder()
