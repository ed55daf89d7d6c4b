"""How well docmill finds things: nDCG@10 on judged collections.

    python benchmarks/retrieval.py --data DIR --task scifact-model

``DIR`` (or DOCMILL_IR_DATA) holds one folder a collection in the BEIR layout: ``corpus.jsonl``, ``queries.jsonl`` and
``qrels.tsv``. Each task prints a table; a task with a published figure exits 1 when it is missed.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docmill import registry
from docmill.domain.contracts import EmbeddingSession
from docmill.domain.params import EmbedParams
from docmill.models import store
from indexed import Indexed, index, write_markdown

DATA_VARIABLE = "DOCMILL_IR_DATA"
DOCUMENTS_VARIABLE = "DOCMILL_IR_DOCUMENTS"
BATCH_TOKENS = 1024

# all-MiniLM-L6-v2 on SciFact as the MTEB leaderboard has it (64.51), and how far off counts as the same model.
SCIFACT_PUBLISHED = 0.645
SCIFACT_TOLERANCE = 0.005

# What the whole of docmill must reach: SciFact by vector, the companies' questions in markdown, and how far the other
# formats of the same documents may fall behind.
SCIFACT_INDEX_LEAST = 0.64
ENTERPRISE_LEAST = {"vector": 0.78, "hybrid": 0.85}
PARITY = 0.03
COLLAPSE_TOLERANCE = 0.001
FORMATS = ("md", "html", "docx", "pptx", "pdf")
MODES = ("vector", "fts", "hybrid")

Run = Mapping[str, Sequence[str]]
"""Query id to the ids of the documents found, best first."""

Qrels = Mapping[str, Mapping[str, int]]
"""Query id to document id to relevance; what is not named is irrelevant."""


# ---- collections and measures ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Collection:
    """corpus: document id to (title, text); queries: only those that are judged."""

    corpus: dict[str, tuple[str, str]]
    queries: dict[str, str]
    qrels: dict[str, dict[str, int]]


def load_beir(folder: Path, *, corpus: bool = True) -> Collection:
    """A judged collection in the BEIR layout; without ``corpus`` its texts lie elsewhere. Exits 2 without its files."""
    for name in ("corpus.jsonl", "queries.jsonl", "qrels.tsv")[not corpus :]:
        if not (folder / name).is_file():
            stop(f"no {name} in {folder}: name the folder of the collections with --data or {DATA_VARIABLE}")
    qrels: dict[str, dict[str, int]] = {}
    with (folder / "qrels.tsv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            qrels.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    rows = json_lines(folder / "corpus.jsonl") if corpus else iter(())
    texts = {row["_id"]: (row.get("title", ""), row["text"]) for row in rows}
    queries = {row["_id"]: row["text"] for row in json_lines(folder / "queries.jsonl") if row["_id"] in qrels}
    return Collection(texts, queries, qrels)


def json_lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as stream:
        for line in stream:
            yield json.loads(line)


def ndcg_at_10(run: Run, qrels: Qrels) -> float:
    """Normalised discounted cumulative gain of the first ten, averaged over the judged queries.

    As trec_eval counts it (Järvelin and Kekäläinen, 2002): the gain is the relevance, the discount log2(rank + 1). A
    judged query that the run does not answer counts 0; a document found twice counts once.
    """
    scores = []
    for query, judged in qrels.items():
        found = list(dict.fromkeys(run.get(query, ())))[:10]
        ideal = _gain(sorted(judged.values(), reverse=True)[:10])
        scores.append(_gain([judged.get(document, 0) for document in found]) / ideal if ideal else 0.0)
    return sum(scores) / len(scores) if scores else 0.0


def _gain(relevances: Sequence[int]) -> float:
    return sum(max(relevance, 0) / math.log2(rank + 1) for rank, relevance in enumerate(relevances, start=1))


def print_table(title: str, rows: Sequence[tuple[str, object]]) -> None:
    """Names and values, aligned; fractions with four digits."""
    width = max(len(name) for name, _ in rows)
    print(title)
    for name, value in rows:
        print(f"  {name:<{width}}  {f'{value:.4f}' if isinstance(value, float) else value}")


def stop(message: str) -> None:
    print(message, file=sys.stderr)
    raise SystemExit(2)


# ---- embedding -------------------------------------------------------------------------------------------------------

_session: EmbeddingSession | None = None  # of an embedding process; set once, when it starts


def _start_process(params: EmbedParams) -> None:
    global _session  # an executor's initializer has no other place to leave the model
    _session = registry.load("embedders", "fastembed").load(params, threads=1)


def _embed(texts: list[str]) -> NDArray[np.float32]:
    assert _session is not None
    return _session.embed_passages(texts)


def embed_passages(texts: Sequence[str], params: EmbedParams, processes: int) -> NDArray[np.float32]:
    """``(len(texts), dimension)`` in the order of ``texts``, computed sorted by length in small even batches."""
    embedder = registry.load("embedders", "fastembed")
    tokenizer = embedder.tokenizer(params)
    lengths = [min(count + tokenizer.special_tokens, tokenizer.max_tokens) for count in tokenizer.counts(texts)]
    batches = list(_batches(lengths))
    vectors = np.empty((len(texts), embedder.describe(params).dimension), np.float32)
    with ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), initializer=_start_process, initargs=(params,)
    ) as pool:
        results = pool.map(_embed, ([texts[index] for index in batch] for batch in batches))
        for batch, found in zip(batches, results, strict=True):
            vectors[batch] = found
    return vectors


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Indices of texts, the shortest first, in batches of at most ``BATCH_TOKENS`` padded tokens."""
    batch: list[int] = []
    for number in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and lengths[number] * (len(batch) + 1) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


# ---- tasks -----------------------------------------------------------------------------------------------------------


def scifact_model(options: argparse.Namespace) -> bool:
    """The model alone: whole abstracts, cut at 256 tokens, exact cosine. It must give the published figure."""
    collection = load_beir(options.data / "scifact")
    params = EmbedParams()
    store.ensure(params.model, store.default_cache())
    ids = list(collection.corpus)
    started = time.perf_counter()
    vectors = embed_passages(
        [f"{title} {text}".strip() for title, text in collection.corpus.values()], params, options.processes
    )
    seconds = time.perf_counter() - started
    session = registry.load("embedders", "fastembed").load(params, threads=options.processes)
    run = {}
    for query, text in collection.queries.items():
        scores = vectors @ session.embed_query(text)
        run[query] = [ids[index] for index in np.argsort(-scores, kind="stable")[:10]]
    found = ndcg_at_10(run, collection.qrels)
    print_table(
        "scifact-model",
        [
            ("nDCG@10", found),
            ("published", SCIFACT_PUBLISHED),
            ("documents", len(ids)),
            ("queries", len(run)),
            ("documents per second", round(len(ids) / seconds, 1)),
            ("processes", options.processes),
        ],
    )
    return abs(found - SCIFACT_PUBLISHED) <= SCIFACT_TOLERANCE


def scifact_index(options: argparse.Namespace) -> bool:
    """The same abstracts as files, through parsing, chunking, storing and searching: nothing may get lost."""
    collection = load_beir(options.data / "scifact")
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "scifact"
        folder.mkdir()
        write_markdown(collection.corpus, folder)
        indexed = index(folder, Path(work), include=[], overrides=options.set)
        runs = indexed.runs(collection.queries, MODES, lambda uri: PurePosixPath(uri).stem)
    scores = {mode: ndcg_at_10(runs[mode], collection.qrels) for mode in MODES}
    print_table("scifact-index, nDCG@10", [*scores.items(), *_sizes(indexed)])
    return scores["vector"] >= SCIFACT_INDEX_LEAST


def enterprise(options: argparse.Namespace) -> bool:
    """Questions about companies' documents, best passage per file, for each format that the documents are given in."""
    if options.documents is None or not options.documents.is_dir():
        stop(f"no folder of documents: name one with --documents or {DOCUMENTS_VARIABLE}")
    judged = load_beir(options.data / "enterprise", corpus=False)
    qrels = {query: {_plain(name): grade for name, grade in found.items()} for query, found in judged.qrels.items()}
    table: dict[str, dict[str, float]] = {}
    for suffix in dict.fromkeys(("md", *(options.format or FORMATS))):
        with tempfile.TemporaryDirectory() as work:
            indexed = index(options.documents, Path(work), include=[f"*.{suffix}"], overrides=options.set)
            runs = indexed.runs(judged.queries, MODES, _company_and_stem)
        table[suffix] = {mode: ndcg_at_10(runs[mode], qrels) for mode in MODES}
        print_table(f"enterprise, {suffix}, nDCG@10", [*table[suffix].items(), *_sizes(indexed)])
    markdown = table["md"]
    near = all(scores[mode] >= markdown[mode] - PARITY for scores in table.values() for mode in ("vector", "hybrid"))
    return (
        markdown["vector"] >= ENTERPRISE_LEAST["vector"] and markdown["hybrid"] >= ENTERPRISE_LEAST["hybrid"] and near
    )


def collapse(options: argparse.Namespace) -> bool:
    """The ten best passages, with hits that say the same as one or not: documents in five formats, and in one."""
    if options.documents is None or not options.documents.is_dir():
        stop(f"no folder of documents: name one with --documents or {DOCUMENTS_VARIABLE}")
    judged = load_beir(options.data / "enterprise", corpus=False)
    plain = {query: {_plain(name): grade for name, grade in found.items()} for query, found in judged.qrels.items()}
    once = load_beir(options.data / "scifact")
    with tempfile.TemporaryDirectory() as work:
        abstracts = Path(work) / "scifact"
        abstracts.mkdir()
        write_markdown(once.corpus, abstracts)
        return all(
            [
                _collapsing("enterprise, all formats", options, Path(work), options.documents, judged.queries, plain),
                _collapsing("scifact", options, Path(work), abstracts, once.queries, once.qrels),
            ]
        )


def _collapsing(
    title: str, options: argparse.Namespace, work: Path, folder: Path, queries: Mapping[str, str], qrels: Qrels
) -> bool:
    """Whether nothing is lost by it."""
    indexed = index(folder, work, include=[], overrides=options.set)
    name_of = _company_and_stem if title.startswith("enterprise") else lambda uri: PurePosixPath(uri).stem
    lost = False
    for mode in MODES:
        scores, rows = {}, list[tuple[str, object]]()
        for on in (False, True):
            run = indexed.runs(queries, (mode,), name_of, per_document=False, collapse=on)[mode]
            scores[on] = ndcg_at_10(run, qrels)
            different = sum(len(set(found)) for found in run.values()) / len(run)
            rows += [
                ("collapsed" if on else "as they are", scores[on]),
                ("  documents of ten hits", round(different, 2)),
            ]
        print_table(f"{title}, {mode}, nDCG@10", rows)
        lost = lost or scores[True] < scores[False] - COLLAPSE_TOLERANCE
    return not lost


def _company_and_stem(uri: str) -> str:
    """``Company/md/About.md`` is judged as ``Company/About``."""
    path = PurePosixPath(uri)
    return _plain(f"{path.parts[0]}/{path.stem}")


def _plain(name: str) -> str:
    """The judgements carry stray white space that file names do not, and the other way round."""
    return "/".join(" ".join(part.split()) for part in name.split("/"))


def _sizes(indexed: Indexed) -> list[tuple[str, object]]:
    return [("documents", indexed.documents), ("chunks", indexed.chunks), ("seconds to sync", indexed.seconds)]


TASKS: dict[str, Callable[[argparse.Namespace], bool]] = {
    "collapse": collapse,
    "scifact-model": scifact_model,
    "scifact-index": scifact_index,
    "enterprise": enterprise,
}


def main() -> int:
    parser = argparse.ArgumentParser(description="nDCG@10 of docmill on judged collections")
    parser.add_argument("--data", type=Path, default=os.environ.get(DATA_VARIABLE), help=f"else {DATA_VARIABLE}")
    parser.add_argument(
        "--documents",
        type=Path,
        default=os.environ.get(DOCUMENTS_VARIABLE),
        help=f"files of `enterprise`, else {DOCUMENTS_VARIABLE}",
    )
    parser.add_argument("--set", action="append", default=[], metavar="STEP.FIELD=VALUE", help="override a parameter")
    parser.add_argument("--task", choices=sorted(TASKS), action="append", help="may be repeated; all without it")
    parser.add_argument(
        "--format", choices=FORMATS, action="append", help="of `enterprise`, beside md; may be repeated; all without it"
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="embedding processes, a thread each")
    options = parser.parse_args()
    if options.data is None or not options.data.is_dir():
        stop(f"no folder of judged collections: name one with --data or {DATA_VARIABLE}")
    as_published = [TASKS[task](options) for task in options.task or sorted(TASKS)]
    return 0 if all(as_published) else 1


if __name__ == "__main__":
    raise SystemExit(main())
