"""Asks a docmill database through LlamaIndex's LanceDB store. docmill itself is not needed.

    pip install llama-index-core llama-index-vector-stores-lancedb pandas
    python llamaindex_store.py HOME/lancedb/default 'what limits battery life' http://127.0.0.1:8000/v1

The address is of a server that embeds by OpenAI's API, with the model that the database was made with.
"""

import json
import sys
from typing import Any
from urllib.request import Request, urlopen

import lancedb
from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import VectorStoreQuery, VectorStoreQueryResult
from llama_index.vector_stores.lancedb import LanceDBVectorStore

SHOWN = ("uri", "source", "title", "page_start", "page_end", "headings")


class ServedEmbedding(BaseEmbedding):
    address: str

    def _get_text_embedding(self, text: str) -> list[float]:
        body = json.dumps({"model": self.model_name, "input": [text]}).encode()
        request = Request(f"{self.address}/embeddings", body, {"Content-Type": "application/json"})
        with urlopen(request, timeout=60) as answer:
            return json.load(answer)["data"][0]["embedding"]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


class DocmillStore(LanceDBVectorStore):
    """The store reads nodes that LlamaIndex itself has written; here they are made of docmill's columns."""

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        found = self.table.search(query.query_embedding, vector_column_name="vector").distance_type("cosine")
        if where := kwargs.get("where"):
            found = found.where(where, prefilter=True)  # SQL on the columns
        rows = found.limit(query.similarity_top_k).to_list()
        return VectorStoreQueryResult(
            nodes=[node(row) for row in rows],
            similarities=[1.0 - row["_distance"] for row in rows],
            ids=[row["chunk_id"] for row in rows],
        )


def node(row: dict[str, Any]) -> TextNode:
    return TextNode(
        id_=row["chunk_id"],
        text=row["text"],
        metadata={name: row[name] for name in SHOWN},
        start_char_idx=row["char_start"],
        end_char_idx=row["char_end"],
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=row["document_id"])},
    )


def open_index(folder: str, address: str) -> VectorStoreIndex:
    database = lancedb.connect(folder)
    settings = {row["key"]: row["value"] for row in database.open_table("settings").to_arrow().to_pylist()}
    chunks = database.open_table("chunks")
    chunks.checkout("published")  # what is whole; the newest version may be half of a sync
    store = DocmillStore(connection=database, table=chunks)
    return VectorStoreIndex.from_vector_store(
        store, embed_model=ServedEmbedding(address=address, model_name=settings["model"])
    )


if __name__ == "__main__":
    folder, question, address = sys.argv[1:]
    retriever = open_index(folder, address).as_retriever(similarity_top_k=5)
    for found in retriever.retrieve(question):
        print(f"{found.score:.3f}  {found.node.metadata['uri']}  {found.node.get_content()[:80]!r}")
