"""What a vector index gives: recall and time against comparing every vector, at several sizes of a database.

    python benchmarks/vectors.py [--rows 50000,200000] [--vectors FILE.npy]

The vectors are clustered in two levels in 48 of 384 dimensions, with noise on top, some subjects far more frequent,
as in texts; ``--vectors`` takes real ones, a row each, 200 of which become questions. All goes through docmill's
own store and search. The script exits 1 where recall@10 is under 0.95, with a filter or without.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docmill.domain import identity
from docmill.domain.contracts import ModelInfo
from docmill.domain.documents import Chunk
from docmill.stores import reading
from docmill.stores.reading import CHUNKS, Database, Scope
from docmill.stores.schemas import StoredDocument
from docmill.stores.vectors import VectorStore

LEAST_RECALL = 0.95
QUESTIONS = 200
DIMENSION, SUBSPACE, SUBJECTS, FACETS = 384, 48, 400, 12
EACH, WINDOW = 20, 500  # passages a document, documents a window
SCOPES = {
    "all": Scope(),
    "a tenth": Scope(sources=("source-3",)),
    "a hundredth": Scope(uri_prefix="folder-07/"),
}
TEXT = "A passage of about the length that passages have, so that rows are as wide as they would be. " * 6


def clustered(count: int, seed: int = 0) -> NDArray[np.float32]:
    """``(count, DIMENSION)`` of length 1."""
    rng = np.random.default_rng(seed)
    base = rng.standard_normal((SUBSPACE, DIMENSION)) / np.sqrt(SUBSPACE)
    subjects = rng.standard_normal((SUBJECTS, SUBSPACE))
    facets = subjects[:, None] + 0.7 * rng.standard_normal((SUBJECTS, FACETS, SUBSPACE))
    often = 1 / np.arange(1, SUBJECTS + 1) ** 0.8
    rows = np.empty((count, DIMENSION), np.float32)
    for start in range(0, count, 10_000):
        n = min(10_000, count - start)
        which = rng.choice(SUBJECTS, n, p=often / often.sum()), rng.integers(0, FACETS, n)
        inner = facets[which] + 0.55 * rng.standard_normal((n, SUBSPACE))
        rows[start : start + n] = inner @ base + 0.015 * rng.standard_normal((n, DIMENSION))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def documents(vectors: NDArray[np.float32]) -> Iterator[list[StoredDocument]]:
    """Windows of documents that have these vectors. A tenth is of each source, a hundredth in each folder."""
    window = []
    for number, start in enumerate(range(0, len(vectors), EACH)):
        part = vectors[start : start + EACH]
        uri, source = f"folder-{number % 100:02d}/{number}.txt", f"source-{number // 100 % 10}"
        document_id = identity.document_id(source, uri)
        texts = [f"{number} {position} {TEXT}" for position in range(len(part))]
        ids = identity.chunk_ids(document_id, texts)
        chunks = [Chunk(text, 0, len(text), 100) for text in texts]
        window.append(
            StoredDocument(document_id, uri, source, None, "text", 1, "sha256-0", {}, "", "", ids, chunks, part)
        )
        if len(window) == WINDOW:
            yield window
            window = []
    yield window


def measure(vectors: NDArray[np.float32], work: Path) -> float:
    """Prints a table. Returns the worst recall."""
    questions, rows = vectors[-QUESTIONS:], vectors[:-QUESTIONS]
    model = ModelInfo("benchmark", "benchmark", "0", rows.shape[1], 256)
    store = VectorStore(work / "lancedb" / "default", model, "hashing")
    for window in documents(rows):
        if window:
            store.replace(window, [])
    store.finish(vector_rows=None)
    exact = {name: ask(open_chunks(work), questions, scope, exact=True) for name, scope in SCOPES.items()}
    started = time.perf_counter()
    store.index(vector_rows=1, rebuild=True)
    built = time.perf_counter() - started
    table = open_chunks(work)
    print(f"{len(rows):,} rows of {rows.shape[1]} dimensions, {rows.nbytes / 1e6:.0f} MB of vectors;", end=" ")
    size = next(index.size_bytes for index in table.list_indices() if index.name == "vector_idx")
    print(f"both indexes built in {built:.1f} s, that of vectors has {size / 1e6:.1f} MB")
    worst = 1.0
    for name, scope in SCOPES.items():
        found, times = ask(table, questions, scope, exact=False)
        wanted, exact_times = exact[name]
        shares = [len(set(f[:10]) & set(w[:10])) / max(len(w[:10]), 1) for f, w in zip(found, wanted, strict=True)]
        worst = min(worst, float(np.mean(shares)))
        print(f"  {name:<12} recall@10 {np.mean(shares):.4f}   index {said(times)}   exact {said(exact_times)}")
    return worst


def open_chunks(work: Path) -> Any:
    return Database(work, "default").table(CHUNKS)


def ask(
    table: Any, questions: NDArray[np.float32], scope: Scope, *, exact: bool
) -> tuple[list[list[str]], list[float]]:
    """Chunk ids of each question's best, as a search asks for them, and the seconds that each took."""
    found, times = [], []
    for question in questions:
        started = time.perf_counter()
        rows = reading.vector_hits(table, question, reading.POOL, scope, exact=exact)
        times.append(time.perf_counter() - started)
        found.append([row["chunk_id"] for row in rows])
    return found, times


def said(times: Sequence[float]) -> str:
    return f"{np.median(times) * 1e3:6.1f} ms, first {times[0] * 1e3:6.1f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="50000,200000", help="sizes, separated by commas")
    parser.add_argument("--vectors", type=Path, help="a .npy file of real vectors, instead")
    arguments = parser.parse_args()
    if arguments.vectors:
        real = np.load(arguments.vectors).astype(np.float32)
        sets = [real[np.random.default_rng(0).permutation(len(real))]]
    else:
        sets = [clustered(int(each) + QUESTIONS) for each in arguments.rows.split(",")]
    worst = 1.0
    for vectors in sets:
        with tempfile.TemporaryDirectory() as work:
            worst = min(worst, measure(vectors, Path(work)))
    print(f"worst recall@10: {worst:.4f}, least allowed {LEAST_RECALL}")
    return int(worst < LEAST_RECALL)


if __name__ == "__main__":
    sys.exit(main())
