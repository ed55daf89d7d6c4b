"""What embedding for less gives: agreement across batches, speed, and how much less it finds.

    DOCMILL_BENCH_DOCUMENTS=DIR:DIR python benchmarks/embedders.py [--quick]

Four forms: the default model in fp32 and in docmill's int8 (a scale for each token); in dynamic int8 as ONNX Runtime's
own tool writes it, which shows why that one is not shipped; and the static model of docmill[static]. Texts are the
passages that docmill makes of the documents. With DOCMILL_IR_DATA, or --data, nDCG@10 on SciFact is measured, too. The
script exits 1 where a vector of what is shipped depends on its batch.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

import real_documents
from docmill import settings as settings_module
from docmill.domain.contracts import EmbeddingSession
from docmill.domain.events import SilentReporter
from docmill.domain.params import EmbedParams
from docmill.embedders import static
from docmill.models import store, wordllama
from docmill.models.installed import ONNX, TOKENIZER
from docmill.models.known import MINILM
from docmill.models.session import OnnxSession
from docmill.models.tokenizer import tokenizer_of
from docmill.service.home import init
from docmill.service.syncing import sync
from docmill.steps.embed import Text, micro_batches
from docmill.stores.reading import CHUNKS, Database
from measuring import Figure, Report, arguments, hand_in, interleaved, progress, ratio
from retrieval import load_beir, ndcg_at_10

DATA_VARIABLE = "DOCMILL_IR_DATA"
AGREEMENT = 1e-4
PROCESSES = 2
FP32, INT8, DYNAMIC, STATIC = "fp32", "int8", "dynamic int8", "static"
SHIPPED = {INT8: 1.5, STATIC: None}  # and how much faster than fp32 it must be, where that was asked
TIMES_SHOWN_WHOLE = 10
STATIC_TIMES = 25  # so often it embeds the texts, as once is over in no time

Batches = list[list[int]]
Vectors = NDArray[np.float32]


# ---- texts and forms -------------------------------------------------------------------------------------------------


def passages(*, quick: bool) -> list[str]:
    """Distinct passages of the real documents, as docmill cuts them, in a random order that is always the same."""
    with tempfile.TemporaryDirectory() as work:
        folder, home = Path(work) / "documents", Path(work) / "home"
        real_documents.mixed(folder, every=10 if quick else 1)
        settings = settings_module.build(home=home)
        init(settings)
        sync(settings, SilentReporter(), [folder], overrides=["embed.method=hashing", "embed.model=hashing-64"])
        found = sorted(set(Database(home, "default").table(CHUNKS).to_arrow()["search_text"].to_pylist()))
    random.Random(1).shuffle(found)
    return found[: 60 if quick else 800]


@dataclass(frozen=True)
class Form:
    """A way to embed. ``open`` loads it, with a number of threads; ``params`` say how large its batches are.

    times: that it embeds the texts, when its speed is measured.
    """

    open: Callable[..., EmbeddingSession]
    dimension: int
    params: EmbedParams
    times: int = 1

    def batches(self, lengths: Sequence[int]) -> Batches:
        """Indices, in the micro-batches that the engine makes of texts of such lengths in tokens."""
        texts = [Text(str(index).encode(), "", length) for index, length in enumerate(lengths)]
        batches = micro_batches(texts, self.params.batch_tokens, self.params.batch_texts)
        return [[int(text.key) for text in batch] for batch in batches]


def forms(work: Path) -> dict[str, Form]:
    """Dynamic int8 is made in ``work``: weights a scale a column, as the tool does it best."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    cache = store.default_cache()
    exact, int8 = store.ensure(MINILM, cache), store.ensure(MINILM, cache, "int8")
    (work / TOKENIZER).symlink_to(exact.folder / TOKENIZER)
    quantize_dynamic(
        exact.folder / ONNX, work / ONNX, weight_type=QuantType.QInt8, per_channel=True, op_types_to_quantize=["MatMul"]
    )
    models = {FP32: exact, INT8: int8, DYNAMIC: replace(exact, folder=work)}
    found = {
        name: Form(partial(OnnxSession, each), each.info.dimension, EmbedParams()) for name, each in models.items()
    }
    drafts = static.StaticParams()
    found[STATIC] = Form(partial(static.PLUGIN.load, drafts), wordllama.DIMENSION, drafts, STATIC_TIMES)
    return found


def of_size(order: Sequence[int], size: int) -> Batches:
    return [list(order[start : start + size]) for start in range(0, len(order), size)]


# ---- processes -------------------------------------------------------------------------------------------------------


class Workers:
    """PROCESSES processes that hold one form, a thread each unless told otherwise, and embed batches of ``texts``."""

    def __init__(self, form: Form, texts: list[str], threads: int = 1) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._size = (len(texts), form.dimension)
        self._pipes: list[Connection] = []
        self._processes = []
        for _ in range(PROCESSES):
            ours, theirs = spawn.Pipe()
            process = spawn.Process(target=_work, args=(theirs, form.open, texts, threads), daemon=True)
            process.start()
            self._pipes.append(ours)
            self._processes.append(process)
        for pipe in self._pipes:
            pipe.recv()

    def embed(self, batches: Batches) -> Vectors:
        """A row each text. Batches go round the processes in turn, so that each gets as many short and long ones."""
        found = np.zeros(self._size, np.float32)
        shares = [batches[number::PROCESSES] for number in range(PROCESSES)]
        for pipe, share in zip(self._pipes, shares, strict=True):
            pipe.send(share)
        for pipe, share in zip(self._pipes, shares, strict=True):
            if share:
                found[[index for batch in share for index in batch]] = pipe.recv()
            else:
                pipe.recv()
        return found

    def seconds(self, batches: Batches) -> float:
        started = time.perf_counter()
        self.embed(batches)
        return time.perf_counter() - started

    def end(self) -> None:
        for pipe in self._pipes:
            pipe.send(None)
        for process in self._processes:
            process.join()


def _work(pipe: Connection, load: Callable[..., EmbeddingSession], texts: list[str], threads: int) -> None:
    session = load(threads=threads)
    session.embed_passages(texts[:1])
    pipe.send("ready")
    while (batches := pipe.recv()) is not None:
        parts = [session.embed_passages([texts[index] for index in batch]) for batch in batches]
        pipe.send(np.concatenate(parts) if parts else None)


# ---- measures --------------------------------------------------------------------------------------------------------


def batchings(form: Form, lengths: Sequence[int]) -> Iterator[tuple[str, int, Batches]]:
    """Name, threads, batches. In random order nearly every text is padded beside a longer one."""
    order = list(range(len(lengths)))
    for size in (2, 8, 32):
        yield f"in batches of {size}, mixed lengths", 1, of_size(order, size)
    yield "sorted by length", 1, form.batches(lengths)
    yield "in batches of 8, two threads", 2, of_size(order, 8)


def disagreement(form: Form, texts: list[str], lengths: Sequence[int]) -> dict[str, float]:
    """For each way of making batches the largest difference to the same text's vector when it is alone."""
    alone: Vectors | None = None
    found: dict[str, float] = {}
    for threads in (1, 2):
        workers = Workers(form, texts, threads)
        if alone is None:
            alone = workers.embed(of_size(range(len(texts)), 1))
        for name, wanted, batches in batchings(form, lengths):
            if wanted == threads:
                found[name] = float(np.abs(workers.embed(batches) - alone).max())
        workers.end()
    return found


def speeds(
    models: dict[str, Form], texts: list[str], lengths: Sequence[int], rounds: int
) -> tuple[dict[str, list[float]], dict[str, Vectors]]:
    """Texts a second of each round, and the vectors, all forms in the same processes' shape and in turns."""
    batches = {name: form.batches(lengths) for name, form in models.items()}
    workers = {name: Workers(form, texts) for name, form in models.items()}
    vectors = {name: each.embed(batches[name]) for name, each in workers.items()}  # also warms up
    calls = {name: partial(each.seconds, batches[name] * models[name].times) for name, each in workers.items()}
    taken = interleaved(calls, rounds)
    for each in workers.values():
        each.end()
    count = len(texts)
    return {name: [count * models[name].times / one for one in seconds] for name, seconds in taken.items()}, vectors


def retrieval(form: Form, data: Path) -> float:
    """nDCG@10 on SciFact: title and abstract, exact cosine, the questions by the same form."""
    collection = load_beir(data / "scifact")
    ids = list(collection.corpus)
    texts = [f"{title} {text}".strip() for title, text in collection.corpus.values()]
    workers = Workers(form, texts)
    vectors = workers.embed(form.batches(counted(texts)))
    workers.end()
    session = form.open(threads=PROCESSES)
    run = {}
    for query, text in collection.queries.items():
        scores = vectors @ session.embed_query(text)
        run[query] = [ids[index] for index in np.argsort(-scores, kind="stable")[:10]]
    return ndcg_at_10(run, collection.qrels)


def counted(texts: Sequence[str]) -> list[int]:
    """Tokens of each text as the default model gets them; what another one gets is about as long."""
    model = store.ensure(MINILM, store.default_cache())
    info = model.info
    return [min(count + info.special_tokens, info.max_tokens) for count in tokenizer_of(model).counts(texts)]


# ---- report ----------------------------------------------------------------------------------------------------------


def report(texts: list[str], options: argparse.Namespace, work: Path) -> Report:
    models = forms(work)
    lengths = counted(texts)
    few = texts[: 24 if options.quick else 120]
    progress("agreement")
    apart = {form: disagreement(models[form], texts, lengths) for form in SHIPPED}
    for form in (FP32, DYNAMIC):
        apart[form] = disagreement(models[form], few, lengths[: len(few)])
    progress("speed")
    measured = texts[: 60 if options.quick else 360]
    per_second, vectors = speeds(models, measured, lengths[: len(measured)], 3 if options.quick else 5)
    cosines = {form: np.einsum("td,td->t", vectors[FP32], vectors[form]) for form in (FP32, INT8, DYNAMIC)}
    scores: dict[str, float] = {}
    if options.data is not None and not options.quick:
        for form in (FP32, *SHIPPED):
            progress(f"SciFact, {form}")
            scores[form] = retrieval(models[form], options.data)
    found = Report("Embedding for less", "python benchmarks/embedders.py")
    found.figures = _figures(apart, per_second, scores, len(texts))
    found.page = _page(apart, per_second, cosines, scores, lengths, len(few), len(measured))
    return found


def _figures(
    apart: dict[str, dict[str, float]],
    per_second: dict[str, list[float]],
    scores: dict[str, float],
    texts: int,
) -> list[Figure]:
    figures: list[Figure] = []
    for form, least in SHIPPED.items():
        worst, dynamic = max(apart[form].values()), max(apart[DYNAMIC].values())
        faster = ratio(per_second[form], per_second[FP32])
        figures += [
            Figure(
                f"{form}: a text's vector alone and in any batch",
                DYNAMIC,
                worst,
                f"{worst:.1e} apart at most, {texts:,} texts; {DYNAMIC} {dynamic:.1e}",
                f"at most {AGREEMENT:.0e}",
                worst <= AGREEMENT,
            ),
            Figure(
                f"{form}: texts a second",
                "fp32, the same texts, in as many processes",
                faster,
                f"{faster:.2f} times" if faster < TIMES_SHOWN_WHOLE else f"{faster:.0f} times",
                f"at least {least}" if least else "",
                faster >= least if least else None,
            ),
        ]
        if scores:
            loss = scores[FP32] - scores[form]
            shown = f"{scores[form]:.4f}, {loss:.4f} less"
            figures.append(Figure(f"{form}: nDCG@10 on SciFact", f"fp32, {scores[FP32]:.4f}", scores[form], shown))
    return figures


def _page(
    apart: dict[str, dict[str, float]],
    per_second: dict[str, list[float]],
    cosines: dict[str, NDArray[np.float32]],
    scores: dict[str, float],
    lengths: Sequence[int],
    few: int,
    measured: int,
) -> str:
    names = list(apart[INT8])
    lines = [
        f"{len(lengths):,} distinct passages of {min(lengths)} to {max(lengths)} tokens, half of them of at most"
        f" {median(lengths):.0f}; with {FP32} and {DYNAMIC} {few} of them. Largest difference between a number of a"
        " text's unit vector when it is alone, and",
        "",
        f"| form | {' | '.join(names)} |",
        f"|---|{'---|' * len(names)}",
        *(f"| {form} | {' | '.join(f'{apart[form][name]:.1e}' for name in names)} |" for form in per_second),
        "",
        f"{measured} of the passages in {PROCESSES} processes of one thread, sorted by length, in the micro-batches"
        f" that `sync` makes; {STATIC} {STATIC_TIMES} times over. Medians of {len(per_second[FP32])} interleaved"
        " rounds. nDCG@10 is that of SciFact: whole abstracts, exact cosine.",
        "",
        "| form | texts a second | ÷ fp32 | cosine to fp32: mean, least | nDCG@10 |",
        "|---|---|---|---|---|",
    ]
    for form, rates in per_second.items():
        near = f"{cosines[form].mean():.4f}, {cosines[form].min():.4f}" if form in cosines else "—"
        score = f"{scores[form]:.4f}" if form in scores else "not measured"
        lines.append(f"| {form} | {median(rates):,.0f} | {ratio(rates, per_second[FP32]):.2f} | {near} | {score} |")
    return "\n".join(lines)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get(DATA_VARIABLE), help=f"else {DATA_VARIABLE}")
    options = parser.parse_args()
    texts = passages(quick=options.quick)
    with tempfile.TemporaryDirectory() as work:
        return hand_in(report(texts, options, Path(work)), options.json)


if __name__ == "__main__":
    raise SystemExit(main())
