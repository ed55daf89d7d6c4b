"""What a change brought: two checkouts of docmill against each other, by a first sync of small files.

    python benchmarks/before_after.py OTHER_CHECKOUT [--files 10000] [--sections 1] [--rounds 5] [--folder DIR]

The embedder is ``hashing``; each sync has a new home and runs as a command, start-up included, in the environment that
this script runs in. Rounds are interleaved; the figure is the median of each round's seconds here over those there.
"""

from __future__ import annotations

import argparse
import os
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median

import homes
from measuring import interleaved, progress, ratio, run

HERE = Path(__file__).parents[1]


def first_sync(checkout: Path, home: Path, folder: Path) -> float:
    environment = {"PYTHONPATH": os.fspath(checkout / "src")}
    run(homes.command(home, "init", "-q"), env=environment)
    command = homes.command(home, "sync", os.fspath(folder), "-q", "--json", *homes.HASHING)
    return run(command, env=environment).seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, metavar="OTHER_CHECKOUT")
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--sections", type=int, default=1, help="passages of a file")
    parser.add_argument("--rounds", type=int, default=5)
    homes.add_folder(parser)
    given = parser.parse_args()
    checkouts = {"here": HERE, "there": given.other.absolute()}
    with homes.scratch_of(given.folder) as scratch:
        folder = scratch / f"files-{given.files}-{given.sections}"
        if not folder.is_dir():
            progress(f"writing {given.files:,} files")
            homes.write(folder, range(given.files), sections=given.sections)
        # Homes stay until the end: where thousands of files have just been deleted, ext4 is slow to make new ones.
        numbers = count()
        calls = {
            name: partial(lambda of: first_sync(of, scratch / f"home-{os.getpid()}-{next(numbers)}", folder), checkout)
            for name, checkout in checkouts.items()
        }
        found = interleaved(calls, given.rounds)
    for name, values in found.items():
        print(f"{name:6} {median(values):7.2f} s   {', '.join(f'{value:.2f}' for value in values)}")
    print(f"here over there: {ratio(found['here'], found['there']):.3f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
