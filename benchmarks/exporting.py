"""What an export of many passages takes: seconds, the process's memory at its peak, and bytes, for each format.

    python benchmarks/exporting.py [--rows N] [--folder DIR] [--format NAME]

A database of random vectors of 384 dimensions is made through docmill's own store, 20 passages a document, and kept in
``--folder``; each format is then exported by a process of its own, with vectors and metadata.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from docmill import registry, settings
from docmill.domain.contracts import ModelInfo
from docmill.domain.documents import Chunk
from docmill.service import home
from docmill.stores.schemas import StoredDocument
from docmill.stores.vectors import VectorStore

DIMENSION, PASSAGES, WINDOW = 384, 20, 500
WORDS = ("walnut", "linseed", "beeswax", "shellac", "varnish", "turpentine", "dovetail", "mortise", "plane", "chisel")
PROGRAM = """
import resource, sys, time
from pathlib import Path
from docmill import settings
from docmill.service.exporting import export
begun = time.perf_counter()
done = export(
    settings.build(home=Path(sys.argv[1])), database="default", format=sys.argv[2], output=sys.argv[3],
    include_embeddings=True, include_metadata=True,
)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"{sys.argv[2]:9} {done.rows:>9,} rows  {time.perf_counter() - begun:6.1f} s  {peak:5.0f} MB at the peak  "
      f"{done.size_bytes / 1e6:7.0f} MB written")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--format", action="append")
    asked = parser.parse_args()
    with TemporaryDirectory() as passing:
        folder = asked.folder or Path(passing)
        place = folder / "home"
        if not place.exists():
            fill(place, asked.rows)
        for name in asked.format or registry.names("exporters"):
            out = folder / f"out.{name}"
            subprocess.run([sys.executable, "-c", PROGRAM, str(place), name, str(out)], check=True)
            if out.is_dir():
                shutil.rmtree(out)
            else:
                out.unlink()


def fill(place: Path, rows: int) -> None:
    """A home whose database holds that many passages."""
    begun = time.perf_counter()
    home.init(settings.build(home=place))
    model = ModelInfo("random", "random", "0" * 64, DIMENSION, max_tokens=256)
    store = VectorStore(place / "lancedb" / "default", model, "random")
    chance = np.random.default_rng(1)
    documents = rows // PASSAGES
    for start in range(0, documents, WINDOW):
        store.replace([document(number, chance) for number in range(start, min(start + WINDOW, documents))], [])
    print(f"made {rows:,} passages in {time.perf_counter() - begun:.0f} s", flush=True)


def document(number: int, chance: np.random.Generator) -> StoredDocument:
    """Twenty passages of a hundred words each, and vectors of length 1."""
    vectors = chance.standard_normal((PASSAGES, DIMENSION), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    texts = [" ".join(chance.choice(WORDS, 100)) for _ in range(PASSAGES)]
    chunks = [Chunk(text, 1000 * n, 1000 * n + len(text), 120, headings=("A", "B")) for n, text in enumerate(texts)]
    identity = f"{number:032x}"
    return StoredDocument(
        document_id=identity,
        uri=f"folder-{number % 100}/note-{number}.md",
        source="notes",
        title=f"Note {number}",
        type="markdown",
        version=1,
        content_hash=f"sha256-{number:064x}",
        metadata={"author": WORDS[number % len(WORDS)], "page_count": number % 50},
        created_at="2026-01-01T00:00:00Z",
        updated_at="2026-01-01T00:00:00Z",
        chunk_ids=[f"{number:024x}{n:08x}" for n in range(PASSAGES)],
        chunks=chunks,
        vectors=vectors,
    )


if __name__ == "__main__":
    main()
