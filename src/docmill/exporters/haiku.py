"""A database of haiku.rag 0.101.1, which that program searches and keeps as if it had made it: docs/haiku.md.

What its tables are is taken from a database that it made: the columns, and the indexes that it wants to find.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from docmill.domain import docling
from docmill.domain.contracts import Export, ExportedDocument, ModelInfo
from docmill.models.catalog import find_known

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

VERSION = "0.101.1"
_ROWS_AT_ONCE = 8192  # of any table, before all are written
_CHARACTERS_AT_ONCE = 32 * 1024**2
_PROVIDER = "openai"  # how haiku.rag calls whatever speaks that API, such as `docmill models serve`
_DEPTH = 1  # of items that lie in the body itself

# In the order in which they are written: what haiku.rag takes for the whole of a document comes last. ?: may be null.
_COLUMNS = {
    "chunks": {
        "id": "text",
        "document_id": "text",
        "content": "text",
        "content_fts": "text",
        "metadata": "text",
        "order": "number",
        "vector": "vector?",
    },
    "document_items": {
        "document_id": "text",
        "position": "number",
        "self_ref": "text",
        "label": "text",
        "text": "text",
        "page_numbers": "text",
        "picture_data": "bytes?",
        "heading_level": "number",
        "tree_depth": "number",
    },
    "document_meta": {
        "id": "text",
        "uri": "text?",
        "title": "text?",
        "metadata": "text",
        "created_at": "text",
        "updated_at": "text",
    },
    "documents": {
        "id": "text",
        "content": "text",
        "docling_document": "bytes?",
        "docling_pages": "bytes?",
        "docling_version": "text?",
    },
    "settings": {"id": "text", "settings": "text"},
}


class HaikuExporter:
    suffix = ".haiku"
    folder: Literal[True] = True
    needs: tuple[str, ...] = (
        "title",
        "position",
        "text",
        "search_text",
        "char_start",
        "char_end",
        "page_start",
        "page_end",
        "headings",
        "chunk_id",
        "document_id",
        "embedding",
    )

    def write(self, export: Export, folder: Path) -> int:
        import lancedb

        database = lancedb.connect(folder)
        tables = {name: database.create_table(name, schema=schema) for name, schema in _schemas(export.model.dimension)}
        count = 0
        for window in _windows(export):
            count += len(window.chunks)
            for name, rows in window.tables(export.model.dimension):
                tables[name].add(rows)
        settings = json.dumps(_settings(export.model))
        tables["settings"].add([{"id": "settings", "settings": settings}])
        for name, column, config in _indexes(has_chunks=count > 0):
            tables[name].create_index(column, config=config, name=f"{column}_idx")
        return count


@dataclass
class _Window:
    """Rows of some documents, by table; the vectors of ``chunks`` apart, in the same order."""

    documents: list[dict[str, Any]] = field(default_factory=list)
    document_meta: list[dict[str, Any]] = field(default_factory=list)
    chunks: list[dict[str, Any]] = field(default_factory=list)
    vectors: list[NDArray[np.float32]] = field(default_factory=list)
    document_items: list[dict[str, Any]] = field(default_factory=list)
    characters: int = 0

    @property
    def is_full(self) -> bool:
        most = max(len(self.documents), len(self.chunks), len(self.document_items))
        return most >= _ROWS_AT_ONCE or self.characters >= _CHARACTERS_AT_ONCE

    def add(self, export: Export, document: ExportedDocument) -> None:
        import numpy as np

        parsed = export.parsed(document)
        items = docling.items(parsed)
        self.characters += len(parsed.text)
        self.documents.append(_content(document, parsed.text, items))
        self.document_meta.append(_meta(document))
        self.document_items += _items(document, items)
        for row in document.passages:
            self.chunks.append(_chunk(row, items))
            self.vectors.append(np.array(row["embedding"], np.float32))

    def tables(self, dimension: int) -> Iterator[tuple[str, pa.Table]]:
        """The rows, as Arrow tables."""
        import numpy as np
        import pyarrow as pa

        for name, schema in _schemas(dimension):
            rows: list[dict[str, Any]] = getattr(self, name, [])
            if not rows:
                continue
            columns: dict[str, Any] = {each: [row[each] for row in rows] for each in schema.names if each != "vector"}
            if "vector" in schema.names:
                flat = pa.array(np.concatenate(self.vectors))
                columns["vector"] = pa.FixedSizeListArray.from_arrays(flat, dimension)
            yield name, pa.Table.from_pydict(columns, schema=schema)


def _windows(export: Export) -> Iterator[_Window]:
    window = _Window()
    for document in export.documents():
        window.add(export, document)
        if window.is_full:
            yield window
            window = _Window()
    yield window


# ---- rows ------------------------------------------------------------------------------------------------------------


def _content(document: ExportedDocument, text: str, items: Sequence[docling.Item]) -> dict[str, Any]:
    import pyarrow as pa

    structure = json.dumps(docling.document(document.uri, items)).encode()
    return {
        "id": document.document_id,
        "content": text,
        "docling_document": pa.compress(structure, codec="zstd", asbytes=True),
        "docling_pages": None,
        "docling_version": docling.VERSION,
    }


def _meta(document: ExportedDocument) -> dict[str, Any]:
    """What docmill knows beside metadata goes under one key, where it is taken for nothing of haiku.rag's own."""
    own = {name: getattr(document, name) for name in ("source", "type", "version", "content_hash")}
    return {
        "id": document.document_id,
        "uri": document.uri,
        "title": document.title,
        "metadata": json.dumps({**document.metadata, "docmill": own}),
        "created_at": document.created_at,
        "updated_at": document.updated_at,
    }


def _chunk(row: dict[str, Any], items: Sequence[docling.Item]) -> dict[str, Any]:
    """Full text is of the same words as in docmill, so that it finds the same; the title is the first heading."""
    own = docling.within(items, row["char_start"], row["char_end"])
    title, headings = row["title"], row["headings"]
    if title and title.casefold() not in ("".join(headings[:1]).casefold(), row["text"].partition("\n")[0].casefold()):
        headings = [title, *headings]
    first, last = row["page_start"], row["page_end"]
    metadata = {
        "doc_item_refs": [item.ref for item in own],
        "headings": headings or None,
        "labels": [item.label for item in own],
        "page_numbers": [] if first is None else list(range(first, (last or first) + 1)),
    }
    return {
        "id": row["chunk_id"],
        "document_id": row["document_id"],
        "content": row["text"],
        "content_fts": row["search_text"],
        "metadata": json.dumps(metadata),
        "order": row["position"],
    }


def _items(document: ExportedDocument, items: Sequence[docling.Item]) -> Iterator[dict[str, Any]]:
    for position, item in enumerate(items):
        yield {
            "document_id": document.document_id,
            "position": position,
            "self_ref": item.ref,
            "label": item.label,
            "text": item.text,
            "page_numbers": json.dumps([] if item.page is None else [item.page]),
            "picture_data": None,
            "heading_level": item.level,
            "tree_depth": _DEPTH,
        }


def _settings(model: ModelInfo) -> dict[str, Any]:
    """Which haiku.rag compares with its own configuration when it opens the database to write; empty prefixes are left
    out."""
    known = find_known(model.name)
    prefixes = {
        "query_prefix": known.query_prefix if known else "",
        "document_prefix": known.passage_prefix if known else "",
    }
    named = {"provider": _PROVIDER, "name": model.name, "vector_dim": model.dimension}
    given = {name: prefix for name, prefix in prefixes.items() if prefix}
    return {"version": VERSION, "embeddings": {"model": {**named, **given}}}


# ---- tables ----------------------------------------------------------------------------------------------------------


def _schemas(dimension: int) -> Iterator[tuple[str, pa.Schema]]:
    """By table, in the order in which they are written."""
    import pyarrow as pa

    kinds = {
        "text": pa.string(),
        "number": pa.int64(),
        "bytes": pa.large_binary(),
        "vector": pa.list_(pa.float32(), dimension),
    }
    for table, columns in _COLUMNS.items():
        fields = [
            pa.field(name, kinds[kind.removesuffix("?")], nullable=kind.endswith("?")) for name, kind in columns.items()
        ]
        yield table, pa.schema(fields)


def _indexes(*, has_chunks: bool) -> Iterator[tuple[str, str, Any]]:
    """Table, column and kind. The one for full text leaves out stop words, as docmill's does and haiku.rag's own does
    not; made of no rows it never takes any in.
    """
    from lancedb.index import FTS, Bitmap, BTree

    for table, columns in (
        ("documents", ("id",)),
        ("document_meta", ("id", "uri")),
        ("chunks", ("id", "document_id")),
        ("document_items", ("document_id", "position", "self_ref")),
    ):
        yield from ((table, column, BTree()) for column in columns)
    yield "document_items", "label", Bitmap()
    if has_chunks:
        yield "chunks", "content_fts", FTS(with_position=True)


PLUGIN = HaikuExporter()
