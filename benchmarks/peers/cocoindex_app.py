"""CocoIndex, as its own example "text_embedding_lancedb" does it, with fastembed in place of sentence-transformers.

    python cocoindex_app.py --documents DIR --work DIR --model DIR [--batch-size N]

Without ``--batch-size`` texts go to the model in batches of at most 64, as CocoIndex's own embedder does it.
"""

import argparse
import asyncio
import json
import os
import pathlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

os.environ["COCOINDEX_DISABLE_USAGE_TRACKING"] = "1"

import cocoindex as coco
import numpy as np
from cocoindex.connectors import lancedb, localfs
from cocoindex.ops.text import RecursiveSplitter
from cocoindex.resources.chunk import Chunk
from cocoindex.resources.file import FileLike, PatternFilePathMatcher
from cocoindex.resources.id import IdGenerator
from cocoindex.resources.schema import VectorSchema, VectorSchemaProvider
from fastembed import TextEmbedding
from numpy.typing import NDArray

CHUNK_BYTES = 1000  # about 254 tokens

parser = argparse.ArgumentParser()
for name in ("documents", "work", "model"):
    parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
parser.add_argument("--batch-size", type=int, default=64)
given = parser.parse_args()
given.work.mkdir(parents=True, exist_ok=True)


class Embedder(VectorSchemaProvider):
    """As cocoindex.ops.sentence_transformers; the model is loaded when first asked."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.embedded = 0
        self.model: TextEmbedding | None = None

    @coco.fn.as_async(batching=True, runner=coco.GPU, max_batch_size=given.batch_size)
    def _embed(self, texts: list[str]) -> list[NDArray[np.float32]]:
        if self.model is None:
            name = "sentence-transformers/all-MiniLM-L6-v2"
            self.model = TextEmbedding(name, specific_model_path=str(self.folder))
        self.embedded += len(texts)
        return list(self.model.embed(texts))

    @coco.fn(memo=True, version=1, logic_tracking="self")
    async def embed(self, text: str) -> NDArray[np.float32]:
        return await self._embed(text)

    async def __coco_vector_schema__(self) -> VectorSchema:
        return VectorSchema(dtype=np.dtype(np.float32), size=384)

    def __coco_memo_key__(self) -> object:
        return str(self.folder)


DATABASE = coco.ContextKey[lancedb.LanceAsyncConnection]("database")
EMBEDDER = coco.ContextKey[Embedder]("embedder")
embedder = Embedder(given.model)
splitter = RecursiveSplitter()


@dataclass
class Row:
    id: int
    path: str
    text: str
    vector: Annotated[NDArray[np.float32], EMBEDDER]


@coco.lifespan
async def lifespan(builder: coco.EnvironmentBuilder) -> AsyncIterator[None]:
    builder.settings.db_path = given.work / "cocoindex.db"
    builder.provide(DATABASE, await lancedb.connect_async(str(given.work / "lancedb")))
    builder.provide(EMBEDDER, embedder)
    yield


@coco.fn
async def process_chunk(
    chunk: Chunk, path: pathlib.PurePath, ids: IdGenerator, table: lancedb.TableTarget[Row]
) -> None:
    vector = await coco.use_context(EMBEDDER).embed(chunk.text)
    table.declare_row(row=Row(await ids.next_id(chunk.text), str(path), chunk.text, vector))


@coco.fn(memo=True)
async def process_file(file: FileLike, table: lancedb.TableTarget[Row]) -> None:
    chunks = splitter.split(await file.read_text(), chunk_size=CHUNK_BYTES, chunk_overlap=0, language="markdown")
    await coco.map(process_chunk, chunks, file.file_path.path, IdGenerator(), table)


@coco.fn
async def app_main(folder: pathlib.Path) -> None:
    table = await lancedb.mount_table_target(
        DATABASE, "chunks", await lancedb.TableSchema.from_class(Row, primary_key=["id"])
    )
    files = localfs.walk_dir(folder, recursive=True, path_matcher=PatternFilePathMatcher(included_patterns=["**/*.md"]))
    await coco.mount_each(process_file, files.items(), table)


async def count() -> int:
    connection = await lancedb.connect_async(str(given.work / "lancedb"))
    return int(await (await connection.open_table("chunks")).count_rows())


app = coco.App(coco.AppConfig(name="docs"), app_main, given.documents)
app.update_blocking()
documents = sum(1 for _ in given.documents.rglob("*.md"))
print(json.dumps({"documents": documents, "chunks": asyncio.run(count()), "embedded": embedder.embedded}))
