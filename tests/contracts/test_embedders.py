"""What every embedder must keep to, docmill's own and third parties'. New plug-ins are picked up by themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest

from docmill import registry
from docmill.domain.contracts import Embedder, EmbeddingSession, Tokenizer
from docmill.domain.params import EmbedParams
from docmill.models import store, wordllama
from docmill.models.known import MINILM
from embedding_server import EmbeddingServer

TEXTS = [
    "",
    " \n\t",
    "?",
    "A plain sentence.",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.",
    "日本語のテキストと emoji 🎉🏽 and e\u0301 accents",
    "x" * 5000,
    "control \x00\x01\x7f characters\u2028and\u200bodd\xa0spaces",
    "a longer passage, of words and numbers (3.14, 1e-5), that is cut off in the end " * 40,
]


@pytest.fixture(scope="module", params=registry.names("embedders"))
def embedder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedder]:
    with pytest.MonkeyPatch.context() as patch:
        cache = tmp_path_factory.getbasetemp() / "model-cache"
        patch.setenv("DOCMILL_MODEL_CACHE", str(cache))
        if request.param == "static" and wordllama.folder() is None:
            pytest.skip(f"needs {wordllama.HINT}")
        store.ensure(MINILM, cache)
        server = EmbeddingServer()
        patch.setenv("OPENAI_BASE_URL", server.url)
        try:
            yield registry.load("embedders", request.param)
        finally:
            server.stop()


@pytest.fixture(scope="module")
def session(embedder: Embedder) -> EmbeddingSession:
    return embedder.load(embedder.params(), threads=1)


@pytest.fixture(scope="module")
def tokenizer(embedder: Embedder) -> Tokenizer:
    return embedder.tokenizer(embedder.params())


def test_params_have_defaults_and_the_base_fields(embedder: Embedder) -> None:
    assert issubclass(embedder.params, EmbedParams)
    assert embedder.params().model
    assert embedder.version


def test_description_is_complete_and_stable(embedder: Embedder, tokenizer: Tokenizer) -> None:
    info = embedder.describe(embedder.params())
    assert info == embedder.describe(embedder.params())
    assert info.name == embedder.params().model
    assert re.fullmatch(r"[0-9a-f]{64}", info.fingerprint)
    assert info.dimension > 0
    assert 0 <= info.special_tokens < info.max_tokens
    assert (tokenizer.max_tokens, tokenizer.special_tokens) == (info.max_tokens, info.special_tokens)


def test_passages_become_unit_vectors(embedder: Embedder, session: EmbeddingSession) -> None:
    vectors = session.embed_passages(TEXTS)
    assert vectors.shape == (len(TEXTS), embedder.describe(embedder.params()).dimension)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_no_passages_give_no_rows(embedder: Embedder, session: EmbeddingSession) -> None:
    vectors = session.embed_passages([])
    assert vectors.shape == (0, embedder.describe(embedder.params()).dimension)
    assert vectors.dtype == np.float32


def test_vector_depends_on_its_text_alone(session: EmbeddingSession) -> None:
    together = session.embed_passages(TEXTS)
    for text, vector in zip(TEXTS, together, strict=True):
        assert np.abs(session.embed_passages([text])[0] - vector).max() < 1e-5


def test_query_is_one_unit_vector_near_its_own_text(embedder: Embedder, session: EmbeddingSession) -> None:
    query = session.embed_query(TEXTS[3])
    assert query.shape == (embedder.describe(embedder.params()).dimension,)
    assert query.dtype == np.float32
    assert np.isclose(np.linalg.norm(query), 1, atol=1e-5)
    assert int(np.argmax(session.embed_passages(TEXTS) @ query)) == 3


def test_queries_together_are_as_each_alone(session: EmbeddingSession) -> None:
    together = session.embed_queries(TEXTS)
    assert together.dtype == np.float32
    for text, vector in zip(TEXTS, together, strict=True):
        assert np.abs(session.embed_query(text) - vector).max() < 1e-5
    assert session.embed_queries([]).shape[0] == 0


def test_spans_lie_in_order_within_the_text_and_outside_white_space(tokenizer: Tokenizer) -> None:
    for text in TEXTS:
        last = 0
        for start, end in tokenizer.spans(text):
            assert last <= start < end <= len(text)
            assert not text[start].isspace()
            assert not text[end - 1].isspace()
            last = start


def test_every_plain_word_is_in_some_span(tokenizer: Tokenizer) -> None:
    text = TEXTS[4]
    covered = {index for start, end in tokenizer.spans(text) for index in range(start, end)}
    assert covered == {index for index, character in enumerate(text) if not character.isspace()}


def test_counts_are_the_numbers_of_spans(tokenizer: Tokenizer) -> None:
    assert list(tokenizer.counts(TEXTS)) == [len(tokenizer.spans(text)) for text in TEXTS]
    assert list(tokenizer.counts([])) == []
