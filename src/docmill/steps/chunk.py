"""The chunk step: cut a parsed document into passages by the embedding model's own tokens."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from docmill import registry
from docmill.domain.contracts import Chunker, Embedder, Tokenizer
from docmill.domain.documents import ChunkedDocument, ParsedDocument
from docmill.domain.params import ChunkParams, EmbedParams
from docmill.errors import EmptyDocument


@lru_cache(maxsize=4)
def tokenizer_of(embed_method: str, params: EmbedParams) -> Tokenizer:
    """The tokenizer of the pipeline's model; loaded once in a process."""
    embedder: Embedder = registry.load("embedders", embed_method)
    return embedder.tokenizer(params)


def chunk(
    document: ParsedDocument, method: str, params: ChunkParams, tokenizer: Tokenizer, extra: dict[str, Any]
) -> ChunkedDocument:
    """``extra`` is metadata that came with the document's ingestion; it wins over the file's own."""
    chunker: Chunker = registry.load("chunkers", method)
    chunks = chunker.chunk(document, params, tokenizer)
    if not chunks:
        raise EmptyDocument("there is no text in it")
    metadata = {**document.metadata, **extra}
    return ChunkedDocument(
        document.type,
        extra.get("title") or document.title,
        metadata,
        document.warnings,
        tuple(chunks),
        document.page_characters,
        document.members,
    )
