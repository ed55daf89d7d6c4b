"""A model on a server that speaks OpenAI's embeddings API: Ollama, vLLM, llama.cpp, LM Studio, TEI, OpenAI itself.

The texts leave this process, and go to the one machine that ``base_url`` names. The server's address is no part of the
fingerprint: the same model gives the same vectors wherever it runs, and a server that moves must not cost embedding all
again. That it is the same model is seen by its vectors (see :mod:`docmill.models.witness`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from docmill.domain.contracts import Embedder, EmbeddingSession, ModelInfo, Tokenizer
from docmill.domain.params import EmbedParams, tuning
from docmill.errors import DefinitionError, ModelRefused
from docmill.models import store, witness
from docmill.models.installed import TOKENIZER, canonical_json
from docmill.models.known import MINILM
from docmill.models.witness import Witness
from docmill.web import Refused, parse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from docmill.models.endpoint import EmbeddingClient
    from docmill.models.tokenizer import StandInTokenizer

BASE_URL_VARIABLE = "OPENAI_BASE_URL"
KEY_VARIABLE = "OPENAI_API_KEY"
LOCAL_SERVER = "http://127.0.0.1:11434/v1"  # where Ollama listens
_VERSION = "1"
_SPECIAL_TOKENS = 8  # whatever the model puts around a text; few have more than three
_QUERY_RETRIES = 1  # somebody waits for the answer
_BLANK = "-"  # in place of a text without a character, which servers refuse


class OpenAIParams(EmbedParams):
    """Where and how the server is asked changes no vector; so it may change without anything being computed again."""

    model: str = Field("bge-m3", min_length=1, max_length=200, description="as the server calls it")
    dimensions: int | None = Field(None, ge=1, le=16_384, description="asked for, of a model that offers several")
    passage_prefix: str = Field("", max_length=1000, description="put before each passage, as some models want it")
    revision: int = Field(1, ge=1, description="raise it where the server has another model by the same name")
    max_tokens: int = Field(512, ge=32, le=32_768, description="what the model reads at most; more is not sent")
    query_prefix: str = tuning("", max_length=1000, description="put before each question, as some models want it")
    base_url: str = tuning("", description=f"of the API; left out: {BASE_URL_VARIABLE}, else {LOCAL_SERVER}")
    api_key_env: str = tuning(
        KEY_VARIABLE,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$",
        description="the environment variable that holds the key",
    )
    tokenizer: str = tuning("", description="path of the model's tokenizer.json; left out: the default model's counts")
    encoding_format: Literal["float", "base64"] = tuning("float", description="in which vectors are asked for")
    timeout_s: float = tuning(60.0, gt=0, le=3600, description="seconds that one request may take")
    retries: int = tuning(4, ge=0, le=20, description="further tries of a request after a failure that may pass")
    concurrency: int = tuning(4, ge=1, le=64, description="requests that an embed worker has in flight")
    request_texts: int = tuning(32, ge=1, le=2048, description="texts in one request")
    request_tokens: int = tuning(16_384, ge=64, le=1_000_000, description="the same in tokens, by estimate")
    batch_tokens: int = tuning(131_072, ge=64, le=262_144, description="padded tokens in one micro-batch")
    batch_texts: int = tuning(128, ge=1, le=2048, description="texts in one micro-batch")

    @property
    def special_tokens(self) -> int:
        """Of a passage, by a guess that is rather too high: what is put around it, and its prefix."""
        return _SPECIAL_TOKENS + (len(self.passage_prefix) + 1) // 2

    def model_post_init(self, _context: Any) -> None:
        if self.special_tokens * 2 > self.max_tokens:
            raise ValueError(f"max_tokens ({self.max_tokens}) leaves too little beside the passage prefix")

    @field_validator("base_url")
    @classmethod
    def _is_address(cls, given: str) -> str:
        if given:
            try:
                parse(given)
            except Refused as error:
                raise ValueError(f"{error}; the key is named by api_key_env") from None
            if "?" in given or "#" in given:
                raise ValueError("the address of an API has no query and no fragment")
        return given.rstrip("/")

    @field_validator("tokenizer")
    @classmethod
    def _is_absolute(cls, given: str) -> str:
        if given and not Path(given).expanduser().is_absolute():
            raise ValueError("a path from the root: it is read from whatever folder docmill works in")
        return given


class OpenAISession:
    """Fits ``contracts.EmbeddingSession``. Its first request proves that the server still has the same model."""

    def __init__(
        self, client: EmbeddingClient, tokenizer: StandInTokenizer, params: OpenAIParams, seen: Witness
    ) -> None:
        self._client = client
        self._tokenizer = tokenizer
        self._params = params
        self._seen = seen
        self._proved = False

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``(len(texts), dimension)`` float32, each row of length 1. What is beyond ``max_tokens`` is not sent."""
        import numpy as np

        if not texts:
            return np.empty((0, self._seen.dimension), np.float32)
        return self._embed([self._ready(self._params.passage_prefix, text) for text in texts])

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``(len(texts), dimension)`` float32, each row of length 1."""
        import numpy as np

        if not texts:
            return np.empty((0, self._seen.dimension), np.float32)
        retries = min(self._params.retries, _QUERY_RETRIES)
        return self._embed([self._ready(self._params.query_prefix, text) for text in texts], retries)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """``(dimension,)`` float32 of length 1."""
        vector: NDArray[np.float32] = self.embed_queries([text])[0]
        return vector

    def _ready(self, prefix: str, text: str) -> str:
        from docmill.models.tokenizer import encodable

        return prefix + (self._tokenizer.cut(encodable(text)) if text.strip() else _BLANK)

    def _embed(self, texts: list[str], retries: int | None = None) -> NDArray[np.float32]:
        if self._proved:
            return self._client.embed(texts, retries=retries)
        vectors = self._client.embed([*texts, witness.TEXT], retries=retries)
        likeness = self._seen.likeness(vectors[-1])
        if likeness < witness.SAME:
            raise ModelRefused(
                f"what the server calls {self._params.model} gives other vectors than when it was first asked"
                f" (cosine {likeness:.3f}): it is another model by now",
                hint=f"--set embed.revision={self._params.revision + 1} --set store.database=NAME makes an index of it",
                model=self._params.model,
            )
        self._proved = True
        return vectors[:-1]


class OpenAIEmbedder:
    version = _VERSION
    params: type[EmbedParams] = OpenAIParams

    def describe(self, params: EmbedParams) -> ModelInfo:
        """Asks the server when the model is described for the first time on this machine, and not again.

        Raises ModelUnreachable, ModelRefused; ModelMissing for the default model, where its tokenizer is to count.
        """
        own = _own(params)
        mark = _fingerprint(own)
        seen = _witness(own, mark)
        return ModelInfo(own.model, "openai", mark, seen.dimension, own.max_tokens, own.special_tokens)

    def tokenizer(self, params: EmbedParams) -> Tokenizer:
        return _tokenizer(_own(params))

    def load(self, params: EmbedParams, *, threads: int) -> EmbeddingSession:  # noqa: ARG002 - it waits, mostly
        own = _own(params)
        seen = _witness(own, _fingerprint(own))
        return OpenAISession(_client(own, seen.dimension), _tokenizer(own), own, seen)


def _own(params: EmbedParams) -> OpenAIParams:
    assert isinstance(params, OpenAIParams)
    return params


def _fingerprint(params: OpenAIParams) -> str:
    """Of all that decides which vector a text gets, and where it is cut. The server's address does not."""
    parts = {
        "dimensions": params.dimensions,
        "max_tokens": params.max_tokens,
        "model": params.model,
        "normalised": True,
        "openai": _VERSION,
        "passage_prefix": params.passage_prefix,
        "revision": params.revision,
        "tokenizer": _tokenizer_file(params)[1],
    }
    return hashlib.sha256(canonical_json(parts)).hexdigest()


def _witness(params: OpenAIParams, fingerprint: str) -> Witness:
    """What is remembered of the model, else what the server says now."""
    cache = store.default_cache()
    seen = witness.find(fingerprint, cache)
    if seen is None:
        vector = _client(params, params.dimensions).ask_witness()
        seen = Witness(params.model, parse(_address(params)).origin, tuple(map(float, vector)))
        witness.keep(fingerprint, seen, cache)
    return seen


def _client(params: OpenAIParams, dimension: int | None) -> EmbeddingClient:
    from docmill.models.endpoint import EmbeddingClient, Endpoint

    endpoint = Endpoint(
        url=_address(params),
        model=params.model,
        key=_key(params),
        dimensions=params.dimensions,
        encoding=params.encoding_format,
        timeout_s=params.timeout_s,
        retries=params.retries,
        concurrency=params.concurrency,
        request_texts=params.request_texts,
        request_tokens=params.request_tokens,
    )
    return EmbeddingClient(endpoint, dimension)


def _address(params: OpenAIParams) -> str:
    if params.base_url:
        return params.base_url
    address = os.environ.get(BASE_URL_VARIABLE, "").rstrip("/") or LOCAL_SERVER
    try:
        parse(address)
    except Refused as error:
        raise DefinitionError(f"{BASE_URL_VARIABLE}: {error}") from None
    return address


def _key(params: OpenAIParams) -> str | None:
    """From the environment and nowhere else. None where none was asked for by name: many local servers want none."""
    key = os.environ.get(params.api_key_env, "").strip()
    if not key and params.api_key_env != KEY_VARIABLE:
        raise ModelRefused(f"the environment variable {params.api_key_env} is not set", hint="it shall hold the key")
    if not (key.isascii() and key.isprintable()):
        raise ModelRefused(f"the key in {params.api_key_env} holds characters that cannot be sent")
    return key or None


# ---- counting tokens -------------------------------------------------------------------------------------------------


def _tokenizer_file(params: OpenAIParams) -> tuple[Path, str]:
    """The file that counts, and its digest. Raises ModelMissing for the default one, DefinitionError for another."""
    if not params.tokenizer:
        model = store.get(MINILM, store.default_cache())
        return model.folder / TOKENIZER, model.tokenizer_digest
    path = Path(params.tokenizer).expanduser()
    try:
        return path, hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DefinitionError(f"embed.tokenizer: {path} cannot be read: {error.strerror}") from None


def _tokenizer(params: OpenAIParams) -> StandInTokenizer:
    return _opened(*_tokenizer_file(params), params.max_tokens, params.special_tokens)


@lru_cache(maxsize=4)
def _opened(path: Path, _digest: str, max_tokens: int, special_tokens: int) -> StandInTokenizer:
    from docmill.models.tokenizer import StandInTokenizer

    try:
        return StandInTokenizer(path, max_tokens=max_tokens, special_tokens=special_tokens)
    except Exception as error:  # noqa: BLE001 - the library raises nothing narrower for a file that is no tokenizer
        raise DefinitionError(f"embed.tokenizer: {path} is no tokenizer: {error}") from None


PLUGIN: Embedder = OpenAIEmbedder()
