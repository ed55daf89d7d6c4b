"""What the model costs by how texts are batched, and by processes and threads: what docmill's own form was chosen by.

    DOCMILL_BENCH_DOCUMENTS=DIR:DIR python benchmarks/batching.py [--rounds 3] [--texts 300]

Each form is limit.py with other options, on the same passages of the real documents: the model alone, nothing stored.
Rounds are interleaved; a figure is the median of each round's seconds over those of docmill's form. Prints a table.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from functools import partial
from pathlib import Path
from statistics import median

import measuring
from docmill.domain.params import EmbedParams
from embedders import passages

HERE = Path(__file__).parent
BUDGET: int = EmbedParams().batch_tokens
MOST: int = EmbedParams().batch_texts
OWN = f"sorted, up to {BUDGET} padded tokens; 2 processes x 1 thread (docmill)"
FORMS = {
    OWN: ("--tokens", BUDGET, "--batch", MOST),
    **{f"up to {each:,} padded tokens": ("--tokens", each, "--batch", MOST) for each in (128, 256, 1024, 2048)},
    **{f"sorted, batches of {each}": ("--batch", each) for each in (1, 4, 8, 16, 64)},
    "not sorted, batches of 8": ("--batch", 8, "--unsorted"),
    "1 process x 2 threads": ("--tokens", BUDGET, "--batch", MOST, "--processes", 1, "--threads", 2),
    "2 processes x 2 threads": ("--tokens", BUDGET, "--batch", MOST, "--threads", 2),
    "4 processes x 1 thread": ("--tokens", BUDGET, "--batch", MOST, "--processes", 4),
}


def seconds(texts: Path, options: tuple[object, ...]) -> float:
    command = [sys.executable, str(HERE / "limit.py"), "--texts", str(texts), *map(str, options)]
    return float(measuring.run(command).json["seconds"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--texts", type=int, default=300)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        texts = Path(scratch) / "texts.json"
        texts.write_text(json.dumps(passages(quick=False)[: given.texts]))
        calls = {name: partial(seconds, texts, options) for name, options in FORMS.items()}
        found = measuring.interleaved(calls, given.rounds)
    print("| form | seconds | times docmill's |\n|---|---|---|")
    for name, values in found.items():
        print(f"| {name} | {median(values):.1f} | {measuring.ratio(values, found[OWN]):.2f} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
