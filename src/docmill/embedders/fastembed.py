"""fastembed's models, and all-MiniLM-L6-v2 from its weights package, from the model cache on this machine.

The models are fastembed's; they are run by ``models.session``. Nothing is installed from here: a model that is not in
the cache is an error, so that no embedding process ever starts a download.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from docmill.domain.contracts import Embedder, EmbeddingSession, ModelInfo, Tokenizer
from docmill.domain.params import EmbedParams
from docmill.models import store
from docmill.models.installed import InstalledModel
from docmill.models.known import Quantization


class FastembedParams(EmbedParams):
    quantization: Quantization = Field(
        "fp32", description="int8: about twice as fast, a little less exact; another model to a database"
    )

    def key_fields(self) -> dict[str, Any]:
        """``fp32`` stays out, so that keys from before there was a choice still hold."""
        fields = super().key_fields()
        if self.quantization == "fp32":
            del fields["quantization"]
        return fields


class FastembedEmbedder:
    version = "1"
    params: type[EmbedParams] = FastembedParams

    def describe(self, params: EmbedParams) -> ModelInfo:
        return _installed(params).info

    def tokenizer(self, params: EmbedParams) -> Tokenizer:
        from docmill.models.tokenizer import tokenizer_of

        return tokenizer_of(_installed(params))

    def load(self, params: EmbedParams, *, threads: int) -> EmbeddingSession:
        from docmill.models.session import OnnxSession

        return OnnxSession(_installed(params), threads=threads)


def _installed(params: EmbedParams) -> InstalledModel:
    """Raises ModelMissing."""
    quantization = params.quantization if isinstance(params, FastembedParams) else "fp32"
    return store.get(params.model, store.default_cache(), quantization)


PLUGIN: Embedder = FastembedEmbedder()
