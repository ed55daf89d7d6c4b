"""What the embedding model alone can do with given texts: the limit that no pipeline can pass.

    python benchmarks/limit.py --texts FILE.json [--model NAME] [--batch 8] [--processes 2] [--threads 1]
                               [--tokens N] [--unsorted]

The texts, a JSON list, are sorted by length in tokens and cut into micro-batches before the clock starts, and every
process has loaded the model by then. Whoever is free takes the next batch, longest first, so that none stands idle
before the last. Nothing is read, stored or sent anywhere. Prints one JSON object: texts, seconds. The limit is what the
options are by default; others are for batching.py: batches of at most N padded tokens, or texts in the order given.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from docmill.models import store
from docmill.models.installed import TOKENIZER
from docmill.models.known import MINILM
from docmill.models.session import OnnxSession
from docmill.models.tokenizer import open_tokenizer
from docmill.steps.embed import Text, micro_batches


def embed(name: str, batches: list[list[str]], threads: int, taken: Any, ready: Barrier, ends: Any) -> None:
    """One process: load, wait for the others, then one batch after the other until all are taken."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    session = OnnxSession(store.ensure(name, store.default_cache()), threads=threads)
    session.embed_passages(["warm"])
    ready.wait()
    started = time.monotonic()
    while True:
        with taken.get_lock():
            number = taken.value
            taken.value += 1
        if number >= len(batches):
            break
        session.embed_passages(batches[number])
    ends.put((started, time.monotonic()))


def batches_of(name: str, texts: list[str], size: int, tokens: int | None, *, in_order: bool) -> list[list[str]]:
    """Of ``size`` texts at most, and of so many padded tokens. Longest first, or in the order given."""
    model = store.ensure(name, store.default_cache())
    tokenizer = open_tokenizer(model.folder / TOKENIZER)
    tokenizer.enable_truncation(max_length=model.info.max_tokens)
    lengths = [len(encoding.ids) for encoding in tokenizer.encode_batch_fast(texts)]
    if tokens is not None:
        sized = [Text(str(number).encode(), text, lengths[number]) for number, text in enumerate(texts)]
        return [[each.text for each in batch] for batch in micro_batches(sized, tokens, size)]
    order = range(len(texts)) if in_order else sorted(range(len(texts)), key=lambda number: -lengths[number])
    return [[texts[number] for number in order[at : at + size]] for at in range(0, len(order), size)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--model", default=MINILM)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tokens", type=int)
    parser.add_argument("--unsorted", action="store_true")
    arguments = parser.parse_args()
    texts = json.loads(arguments.texts.read_text("utf-8"))
    batches = batches_of(arguments.model, texts, arguments.batch, arguments.tokens, in_order=arguments.unsorted)
    context = get_context("spawn")
    taken, ready, ends = context.Value("l", 0), context.Barrier(arguments.processes), context.Queue()
    given = (arguments.model, batches, arguments.threads, taken, ready, ends)
    processes = [context.Process(target=embed, args=given, daemon=True) for _ in range(arguments.processes)]
    for process in processes:
        process.start()
    times = [ends.get() for _ in processes]
    for process in processes:
        process.join()
    seconds = max(end for _, end in times) - min(start for start, _ in times)
    print(json.dumps({"texts": len(texts), "seconds": round(seconds, 3)}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
