"""Asks a docmill database through LangChain's LanceDB store. docmill itself is not needed.

    pip install langchain-community lancedb
    python langchain_store.py HOME/lancedb/default 'what limits battery life' http://127.0.0.1:8000/v1

The address is of a server that embeds by OpenAI's API, with the model that the database was made with.
"""

import json
import sys
from typing import Any
from urllib.request import Request, urlopen

import lancedb
from langchain_community.vectorstores import LanceDB
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

SHOWN = ("uri", "source", "title", "page_start", "page_end", "headings", "chunk_id", "document_id")


class ServedEmbeddings(Embeddings):
    def __init__(self, address: str, model: str) -> None:
        self.address, self.model = address, model

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        body = json.dumps({"model": self.model, "input": texts}).encode()
        request = Request(f"{self.address}/embeddings", body, {"Content-Type": "application/json"})
        with urlopen(request, timeout=60) as answer:
            return [each["embedding"] for each in json.load(answer)["data"]]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


class DocmillStore(LanceDB):
    """The store would open the newest version anew for each question, and looks for a column ``metadata``.

    Here it asks the table that it was given, and tells of a passage what docmill's columns say.
    """

    def get_table(self, name: str | None = None, set_default: bool | None = False) -> Any:
        return self._table

    def results_to_docs(self, results: Any, score: bool = False) -> Any:
        found = []
        for row in results.to_pylist():
            known = {name: row[name] for name in SHOWN}
            document = Document(id=row["chunk_id"], page_content=row["text"], metadata=known)
            found.append((document, row["_distance"]) if score else document)
        return found


def open_store(folder: str, address: str) -> DocmillStore:
    database = lancedb.connect(folder)
    settings = {row["key"]: row["value"] for row in database.open_table("settings").to_arrow().to_pylist()}
    chunks = database.open_table("chunks")
    chunks.checkout("published")  # what is whole; the newest version may be half of a sync
    return DocmillStore(database, ServedEmbeddings(address, settings["model"]), table=chunks)


if __name__ == "__main__":
    folder, question, address = sys.argv[1:]
    store = open_store(folder, address)
    for document, distance in store.similarity_search_with_score(question, k=5):
        print(f"{distance:.3f}  {document.metadata['uri']}  {document.page_content[:80]!r}")
    # As a retriever, for chains; a filter is SQL on the columns.
    retriever = store.as_retriever(search_kwargs={"k": 3})
    print([document.metadata["uri"] for document in retriever.invoke(question)])
