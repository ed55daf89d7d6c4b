"""fastembed's models, and all-MiniLM-L6-v2 from its weights package, from the model cache on this machine.

The models are fastembed's; they are run by ``models.session``. Nothing is installed from here: a model that is not in
the cache is an error, so that no embedding process ever starts a download.
"""

from __future__ import annotations

from docmill.domain.contracts import Embedder, EmbeddingSession, ModelInfo, Tokenizer
from docmill.domain.params import EmbedParams
from docmill.models import store


class FastembedEmbedder:
    version = "1"
    params = EmbedParams

    def describe(self, params: EmbedParams) -> ModelInfo:
        return store.get(params.model, store.default_cache()).info

    def tokenizer(self, params: EmbedParams) -> Tokenizer:
        from docmill.models.tokenizer import tokenizer_of

        return tokenizer_of(store.get(params.model, store.default_cache()))

    def load(self, params: EmbedParams, *, threads: int) -> EmbeddingSession:
        from docmill.models.session import OnnxSession

        return OnnxSession(store.get(params.model, store.default_cache()), threads=threads)


PLUGIN: Embedder = FastembedEmbedder()
