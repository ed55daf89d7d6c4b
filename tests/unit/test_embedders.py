"""What the embedders compute: the real model against its published values, hashing against itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from docmill import registry
from docmill.domain.contracts import Embedder, EmbeddingSession, Tokenizer
from docmill.domain.params import EmbedParams
from docmill.embedders.hashing import HashingParams
from docmill.errors import ModelMissing
from docmill.models import store
from docmill.models.known import MINILM

MIXED = [
    "Short.",
    "A sentence of a few more words than that.",
    "invoice " * 40,
    "The parser reads the file; the chunker cuts it; the embedder turns each passage into a vector. " * 12,
]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    found: Embedder = registry.load("embedders", "fastembed")
    return found


@pytest.fixture(scope="module", autouse=True)
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        cache = tmp_path_factory.getbasetemp() / "model-cache"
        patch.setenv("DOCMILL_MODEL_CACHE", str(cache))
        store.ensure(MINILM, cache)
        yield cache


@pytest.fixture(scope="module")
def session(embedder: Embedder, model_cache: Path) -> EmbeddingSession:
    return embedder.load(EmbedParams(), threads=1)


@pytest.fixture(scope="module")
def tokenizer(embedder: Embedder, model_cache: Path) -> Tokenizer:
    return embedder.tokenizer(EmbedParams())


# ---- all-MiniLM-L6-v2 ------------------------------------------------------------------------------------------------


def test_similarities_are_those_of_the_reference_implementation(session: EmbeddingSession) -> None:
    """The figures that the documentation of sentence-transformers prints for this model."""
    vectors = session.embed_passages(
        ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
    )
    expected = [[1.0000, 0.6660, 0.1046], [0.6660, 1.0000, 0.1411], [0.1046, 0.1411, 1.0000]]
    assert np.allclose(vectors @ vectors.T, expected, atol=1e-4)


def test_meaning_decides_the_order(session: EmbeddingSession) -> None:
    passages = [
        "To get your money back, send the goods to us within thirty days.",
        "Our office is closed on public holidays.",
        "The turbine blades are inspected every spring.",
    ]
    scores = session.embed_passages(passages) @ session.embed_query("How do I obtain a refund?")
    assert list(np.argsort(-scores)) == [0, 1, 2]


def test_vector_does_not_depend_on_its_batch(session: EmbeddingSession) -> None:
    together = session.embed_passages(MIXED)
    alone = np.concatenate([session.embed_passages([text]) for text in MIXED])
    assert np.abs(together - alone).max() < 1e-5
    assert np.abs(session.embed_passages(MIXED[::-1])[::-1] - together).max() < 1e-5


def test_threads_do_not_change_a_vector(embedder: Embedder, session: EmbeddingSession) -> None:
    assert np.abs(
        embedder.load(EmbedParams(), threads=2).embed_passages(MIXED) - session.embed_passages(MIXED)
    ).max() < (1e-5)


def test_text_beyond_the_limit_is_not_read(session: EmbeddingSession, tokenizer: Tokenizer) -> None:
    words = "alpha beta gamma delta " * 100
    end = tokenizer.spans(words)[tokenizer.max_tokens - tokenizer.special_tokens - 1][1]
    vectors = session.embed_passages([words, words[:end], words[: end - len("alpha ")]])
    assert np.abs(vectors[0] - vectors[1]).max() < 1e-5
    assert np.abs(vectors[0] - vectors[2]).max() > 1e-4


def test_fastembed_gives_the_same_vectors_from_the_same_folder(session: EmbeddingSession, model_cache: Path) -> None:
    from fastembed import TextEmbedding

    folder = store.get(MINILM, model_cache).folder
    reference = TextEmbedding(MINILM, specific_model_path=str(folder), threads=1)
    assert np.abs(np.stack(list(reference.embed(MIXED))) - session.embed_passages(MIXED)).max() < 1e-5


def test_describing_needs_an_installed_model(
    embedder: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCMILL_MODEL_CACHE", str(tmp_path))
    for call in (embedder.describe, embedder.tokenizer, lambda params: embedder.load(params, threads=1)):
        with pytest.raises(ModelMissing):
            call(EmbedParams())
    assert list(tmp_path.iterdir()) == []


# ---- its tokenizer ---------------------------------------------------------------------------------------------------


def test_spans_are_the_words_and_pieces(tokenizer: Tokenizer) -> None:
    text = "Naïve  tokenizers,\n\ttoo 🎉"
    assert [text[start:end] for start, end in tokenizer.spans(text)] == [
        "Naïve",
        "token",
        "izer",
        "s",
        ",",
        "too",
        "🎉",
    ]


def test_long_texts_are_located_as_short_ones_are(tokenizer: Tokenizer) -> None:
    line = "Überlange Zeilen — with words, numbers (1,234) and 日本語.\n"
    of_line = tokenizer.spans(line)
    repeats = 200_000 // len(line)
    expected = [(n * len(line) + start, n * len(line) + end) for n in range(repeats) for start, end in of_line]
    assert tokenizer.spans(line * repeats) == expected
    assert tokenizer.spans(line.replace("\n", " ") * repeats) == expected


def test_text_without_any_white_space_is_located_too(tokenizer: Tokenizer) -> None:
    text = "a,b;" * 40_000
    spans = tokenizer.spans(text)
    assert (spans[0], spans[-1], len(spans)) == ((0, 1), (len(text) - 1, len(text)), len(text))


def test_lone_surrogates_are_harmless(tokenizer: Tokenizer, session: EmbeddingSession) -> None:
    text = "before \ud800 after"
    assert tokenizer.spans(text)[-1] == (9, 14)
    assert tokenizer.counts([text]) == [len(tokenizer.spans(text))]
    assert np.isfinite(session.embed_passages([text])).all()


# ---- hashing ---------------------------------------------------------------------------------------------------------


def test_hashing_is_the_same_in_every_process() -> None:
    code = (
        "from docmill import registry; from docmill.embedders.hashing import HashingParams as P;"
        "print(registry.load('embedders', 'hashing').load(P(), threads=1).embed_query('to be or not').tobytes().hex())"
    )
    here = registry.load("embedders", "hashing").load(HashingParams(), threads=1).embed_query("to be or not")
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert outputs == {here.tobytes().hex()}


def test_hashing_sees_words_and_pairs_but_not_case() -> None:
    session = registry.load("embedders", "hashing").load(HashingParams(), threads=1)
    vectors = session.embed_passages(["red apples", "Red, APPLES!", "apples red", "blue plums"])
    similar = vectors @ vectors.T
    assert np.isclose(similar[0, 1], 1)
    assert np.isclose(similar[0, 2], 2 / 3)  # the words are shared, the pair is not
    assert np.isclose(similar[0, 3], 0)


def test_hashing_gives_a_text_without_words_the_first_unit_vector() -> None:
    session = registry.load("embedders", "hashing").load(HashingParams(model="hashing-16"), threads=1)
    assert np.array_equal(session.embed_passages(["", " \n", "?!"]), np.eye(16, dtype=np.float32)[[0, 0, 0]])


def test_hashing_reads_no_more_than_its_limit() -> None:
    session = registry.load("embedders", "hashing").load(HashingParams(), threads=1)
    text = "one two three four five six " * 60
    assert np.array_equal(session.embed_query(text), session.embed_query(text + "and more"))


def test_hashing_fingerprint_follows_its_dimension() -> None:
    plugin = registry.load("embedders", "hashing")
    small, large = (plugin.describe(HashingParams(model=f"hashing-{size}")) for size in (64, 384))
    assert (small.dimension, large.dimension) == (64, 384)
    assert small.fingerprint != large.fingerprint


@pytest.mark.parametrize("model", ["hashing", "hashing-0", "hashing-x", "hashing-99999", MINILM])
def test_hashing_refuses_other_models(model: str) -> None:
    with pytest.raises(ValidationError):
        HashingParams(model=model)


def test_hashing_never_makes_a_token_of_more_than_32_characters() -> None:
    spans = registry.load("embedders", "hashing").tokenizer(HashingParams()).spans("x" * 100)
    assert spans == [(0, 32), (32, 64), (64, 96), (96, 100)]
