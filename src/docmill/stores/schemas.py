"""The columns of the LanceDB tables, and the rows that go into them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from docmill.domain.documents import Chunk

CHUNKS, DOCUMENTS, SETTINGS = "chunks", "documents", "settings"


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """One document as it is to stand in a database. ``vectors`` is ``(len(chunks), dimension)`` float32."""

    document_id: str
    uri: str
    source: str
    title: str | None
    type: str
    version: int
    content_hash: str
    metadata: dict[str, Any]
    created_at: str
    updated_at: str
    chunk_ids: list[str]
    chunks: list[Chunk]
    vectors: NDArray[np.float32]


def chunk_schema(dimension: int) -> pa.Schema:
    import pyarrow as pa

    text, number = pa.string(), pa.int32()
    return pa.schema(
        [
            pa.field("chunk_id", text, nullable=False),
            pa.field("document_id", text, nullable=False),
            pa.field("vector", pa.list_(pa.float32(), dimension), nullable=False),
            pa.field("text", text, nullable=False),
            pa.field("search_text", text, nullable=False),
            pa.field("uri", text, nullable=False),
            pa.field("source", text, nullable=False),
            pa.field("title", text),
            pa.field("type", text, nullable=False),
            pa.field("position", number, nullable=False),
            pa.field("char_start", number, nullable=False),
            pa.field("char_end", number, nullable=False),
            pa.field("page_start", number),
            pa.field("page_end", number),
            pa.field("headings", pa.list_(text), nullable=False),
            pa.field("tokens", number, nullable=False),
        ]
    )


def document_schema() -> pa.Schema:
    import pyarrow as pa

    text = pa.string()
    return pa.schema(
        [
            pa.field("document_id", text, nullable=False),
            pa.field("uri", text, nullable=False),
            pa.field("source", text, nullable=False),
            pa.field("title", text),
            pa.field("type", text, nullable=False),
            pa.field("version", pa.int32(), nullable=False),
            pa.field("content_hash", text, nullable=False),
            pa.field("chunk_count", pa.int32(), nullable=False),
            pa.field("created_at", text, nullable=False),
            pa.field("updated_at", text, nullable=False),
            pa.field("metadata", text, nullable=False),
        ]
    )


def settings_schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema([pa.field("key", pa.string(), nullable=False), pa.field("value", pa.string(), nullable=False)])


def chunk_rows(documents: list[StoredDocument], dimension: int) -> pa.Table:
    """The chunk rows of a window, as one Arrow table. Vectors are taken over in one piece."""
    import numpy as np
    import pyarrow as pa

    pairs = [(document, position) for document in documents for position in range(len(document.chunks))]
    chunks = [document.chunks[position] for document, position in pairs]
    flat = np.concatenate([d.vectors.reshape(-1) for d in documents]) if pairs else np.empty(0, np.float32)
    columns = {
        "chunk_id": [document.chunk_ids[position] for document, position in pairs],
        "document_id": [document.document_id for document, _ in pairs],
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(flat, pa.float32()), dimension),
        "text": [chunk.text for chunk in chunks],
        "search_text": [chunk.embedded_text for chunk in chunks],
        "uri": [document.uri for document, _ in pairs],
        "source": [document.source for document, _ in pairs],
        "title": [document.title for document, _ in pairs],
        "type": [document.type for document, _ in pairs],
        "position": [position for _, position in pairs],
        "char_start": [chunk.char_start for chunk in chunks],
        "char_end": [chunk.char_end for chunk in chunks],
        "page_start": [chunk.page_start for chunk in chunks],
        "page_end": [chunk.page_end for chunk in chunks],
        "headings": [list(chunk.headings) for chunk in chunks],
        "tokens": [chunk.tokens for chunk in chunks],
    }
    return pa.Table.from_pydict(columns, schema=chunk_schema(dimension))


def document_rows(documents: list[StoredDocument]) -> pa.Table:
    import pyarrow as pa

    rows = [
        {
            "document_id": d.document_id,
            "uri": d.uri,
            "source": d.source,
            "title": d.title,
            "type": d.type,
            "version": d.version,
            "content_hash": d.content_hash,
            "chunk_count": len(d.chunks),
            "created_at": d.created_at,
            "updated_at": d.updated_at,
            "metadata": json.dumps(d.metadata, ensure_ascii=False),
        }
        for d in documents
    ]
    return pa.Table.from_pylist(rows, schema=document_schema())
