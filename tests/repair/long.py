"""``make repair``: 100 files of LanceDB damaged one at a time, and every other damage, each repaired and compared.

    PYTHONPATH=tests python -m repair.long --files 100 --seed 7

A failure names what was done; the same seed does it again.
"""

# ruff: noqa: T201 - a program that talks to whoever runs it

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from crash import corpus
from repair import damage
from repair.campaign import Peace, Tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100, help="of LanceDB, damaged one at a time")
    parser.add_argument("--rounds", type=int, default=3, help="of every other damage")
    parser.add_argument("--seed", default="1", help="the same seed, the same damage")
    parser.add_argument("--begin", type=int, default=0, help="the number of the first round")
    options = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory(prefix="docmill-repair-") as folder:
        peace = Peace(Path(folder), corpus.Size(2))
        others = [each for each in (*damage.CERTAIN, *damage.CHANCY) if each is not damage.lance_file]
        for name, kinds, rounds in (("files", [damage.lance_file], options.files), ("others", others, options.rounds)):
            tally, started = Tally(), time.monotonic()
            for number in range(options.begin, options.begin + rounds):
                for each in kinds:
                    one = peace.disturb(each, f"{options.seed}/{each.__name__}/{number}")
                    tally.add(one)
                    if one.findings:
                        print(f"FAILED {options.seed}/{each.__name__}/{number}: {one}", flush=True)
            seconds = time.monotonic() - started
            print(f"{name}: {tally.rounds} rounds in {seconds:.0f} s, {len(tally.failures)} failed,", end=" ")
            print(f"{tally.harmless} were of bytes that nobody reads")
            print("\n".join(f"  {code:24} {number:5}" for code, number in tally.codes.most_common()), flush=True)
            failed |= bool(tally.failures)
    print("FAILED" if failed else "all of it was repaired")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
