"""The embed step: texts of many documents, cut into micro-batches of about equal length, and turned into vectors.

Padding is what batches waste: a batch costs its longest text times its size. So texts wait in a window until there are
many, are sorted by length, and are cut by a budget of padded tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from docmill import registry
from docmill.domain.contracts import Embedder, EmbeddingSession
from docmill.domain.params import EmbedParams


@dataclass(frozen=True, slots=True)
class Text:
    """One distinct text that has no vector yet. ``tokens`` is an estimate; it orders, it does not decide."""

    key: bytes
    text: str
    tokens: int


def estimate_tokens(context: str, tokens: int, special_tokens: int) -> int:
    """Of a chunk's embedded text, from the token count of its text and the words of its context."""
    return tokens + special_tokens + (len(context) + 3) // 4


def micro_batches(texts: Sequence[Text], batch_tokens: int, batch_texts: int) -> list[list[Text]]:
    """All of ``texts``, longest first, cut so that (longest of a batch) x (texts in it) stays within ``batch_tokens``.

    A batch has at most ``batch_texts``: beyond some number it gains nothing, and a worker that is killed loses more.
    """
    batches: list[list[Text]] = []
    longest = 0
    for text in sorted(texts, key=lambda each: (-each.tokens, each.key)):
        if batches and len(batches[-1]) < batch_texts and longest * (len(batches[-1]) + 1) <= batch_tokens:
            batches[-1].append(text)
        else:
            batches.append([text])
            longest = max(text.tokens, 1)
    return batches


@lru_cache(maxsize=2)
def session(method: str, params: EmbedParams, threads: int) -> EmbeddingSession:
    """The loaded model; once in a process."""
    embedder: Embedder = registry.load("embedders", method)
    return embedder.load(params, threads=threads)


def embed(method: str, params: EmbedParams, threads: int, texts: Sequence[str]) -> bytes:
    """Vectors of one micro-batch: ``len(texts) x dimension`` float32, row after row."""
    return session(method, params, threads).embed_passages(texts).tobytes()
