"""LlamaIndex's IngestionPipeline with a docstore and LanceDB, as its documentation keeps a folder in an index.

    python llamaindex_pipeline.py --documents DIR --work DIR --model DIR [--batch-size N]

Without ``--batch-size``: all defaults of LlamaIndex. With it: such batches, and no cache of
transformations, which is written as JSON and which the docstore makes needless here.
"""

import argparse
import json
import logging
import os
from pathlib import Path
from typing import Any

os.environ["ANONYMIZED_TELEMETRY"] = "false"
logging.getLogger("llama_index.vector_stores.lancedb.base").setLevel(logging.ERROR)  # "please add some data"

from llama_index.core import Settings, SimpleDirectoryReader  # noqa: E402 - telemetry off before anything is imported
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline  # noqa: E402
from llama_index.core.node_parser import SentenceSplitter  # noqa: E402
from llama_index.core.storage.docstore import SimpleDocumentStore  # noqa: E402
from llama_index.embeddings.fastembed import FastEmbedEmbedding  # noqa: E402
from llama_index.vector_stores.lancedb import LanceDBVectorStore  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

TOKENS = 254
embedded = 0


class Counting(FastEmbedEmbedding):
    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        global embedded
        embedded += len(texts)
        return super()._get_text_embeddings(texts)


class Store(LanceDBVectorStore):
    """Its own ``delete`` puts the id in double quotes, which names a column: an edited file ends the run."""

    def delete(self, ref_doc_id: str, **_more: Any) -> None:
        quoted = ref_doc_id.replace("'", "''")
        self.table.delete(f"{self.doc_id_key} = '{quoted}'")


def load(folder: Path, batch_size: int | None) -> FastEmbedEmbedding:
    more: dict[str, Any] = {"embed_batch_size": batch_size} if batch_size else {}
    return Counting(model_name="sentence-transformers/all-MiniLM-L6-v2", specific_model_path=str(folder), **more)


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("documents", "work", "model"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--batch-size", type=int)
    given = parser.parse_args()
    tokenizer = Tokenizer.from_file(str(given.model / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    Settings.tokenizer = lambda text: tokenizer.encode(text, add_special_tokens=False).ids
    documents = SimpleDirectoryReader(
        str(given.documents), recursive=True, required_exts=[".md"], filename_as_id=True
    ).load_data()
    for document in documents:  # the text alone is embedded, as by the others
        document.excluded_embed_metadata_keys = list(document.metadata)
        document.excluded_llm_metadata_keys = list(document.metadata)
    store = Store(uri=str(given.work / "lancedb"), table_name="chunks")
    pipeline = IngestionPipeline(
        transformations=[SentenceSplitter(chunk_size=TOKENS, chunk_overlap=0), load(given.model, given.batch_size)],
        docstore=SimpleDocumentStore(),
        docstore_strategy=DocstoreStrategy.UPSERTS_AND_DELETE,
        vector_store=store,
        disable_cache=given.batch_size is not None,
    )
    state = given.work / "pipeline"
    if state.is_dir():
        pipeline.load(str(state))
    pipeline.run(documents=documents)
    pipeline.persist(str(state))
    print(json.dumps({"documents": len(documents), "chunks": store.table.count_rows(), "embedded": embedded}))


if __name__ == "__main__":
    main()
