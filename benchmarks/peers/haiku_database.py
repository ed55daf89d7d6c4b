"""haiku.rag itself, in its own environment: what its databases are, and what it finds in one.

    python haiku_database.py schema
    python haiku_database.py search --database DIR --address URL --model NAME --dimension N < questions.json

``schema`` prints the tables of a database that it has just made. ``search`` opens a database to write, so that all of
its checks are done, and prints its answers to each question: ids of chunks, best first, by kind of search; and in how
many documents the items are those that it would take from the stored DoclingDocument itself.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from haiku.rag.client import HaikuRAG
from haiku.rag.config import AppConfig
from haiku.rag.store.engine import Store
from haiku.rag.store.models.document_item import extract_items
from haiku.rag.store.schema import ensure_indexes

KINDS = ("vector", "fts", "hybrid")


def configuration(model: str, dimension: int, address: str) -> AppConfig:
    named = {"provider": "openai", "name": model, "vector_dim": dimension, "base_url": address, "api_key": "none"}
    return AppConfig.model_validate({"embeddings": {"model": named}})


async def schema() -> dict[str, Any]:
    """Its full-text index is made with the first chunk."""
    with tempfile.TemporaryDirectory() as folder:
        async with Store(Path(folder) / "new", configuration("m", 8, "http://127.0.0.1:1/v1"), create=True) as store:
            await store.chunks_table.add([store.ChunkRecord(document_id="d", content="c", vector=[0.0] * 8)])
            await ensure_indexes(store.chunks_table, "chunks")
            tables = {}
            for name, table in store._tables().items():  # noqa: SLF001 - nothing else names them all
                columns = [[each.name, str(each.type), each.nullable] for each in await table.schema()]
                indexes = sorted([each.name, each.index_type, *each.columns] for each in await table.list_indices())
                tables[name] = {"columns": columns, "indexes": indexes}
            settings = await store.settings_table.query().to_list()
            return {"tables": tables, "settings": [[row["id"], json.loads(row["settings"])] for row in settings]}


async def search(given: argparse.Namespace) -> dict[str, Any]:
    config = configuration(given.model, given.dimension, given.address)
    questions = json.load(sys.stdin)
    async with HaikuRAG(given.database, config) as client:
        answers = []
        for question in questions:
            found = {}
            for kind in KINDS:
                results = await client.search(question, limit=10, search_type=kind)
                found[kind] = [each.chunk_id for each in results]
            expanded = await client.expand_context(await client.search(question, limit=1, search_type="vector"))
            answers.append({**found, "expanded": expanded[0].content if expanded else ""})
    async with Store(given.database, config) as store:
        return {"answers": answers, **await whole(store)}


async def whole(store: Store) -> dict[str, int]:
    from haiku.rag.store.repositories.document import DocumentRepository
    from haiku.rag.store.repositories.document_item import DocumentItemRepository

    documents, items = DocumentRepository(store), DocumentItemRepository(store)
    same = total = 0
    for light in await documents.list_all():
        stored = await documents.get_by_id(str(light.id), include_blobs=True)
        docling = stored.get_docling_document() if stored else None
        total += 1
        same += docling is not None and extract_items(str(light.id), docling) == await items.get_all_items(
            str(light.id)
        )
    return {"documents": total, "documents_with_the_same_items": same}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["schema", "search"])
    for name in ("database", "address", "model"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--dimension", type=int)
    given = parser.parse_args()
    json.dump(asyncio.run(schema() if given.what == "schema" else search(given)), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
