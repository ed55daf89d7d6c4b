"""``make crash``: every failpoint, and kills at random instants, by the hundred. Says where they hit, and what broke.

    PYTHONPATH=tests python -m crash.long --kills 200 --seed 7

A failure names its scene and its blows; the same seed gives the same ones again. How long a blow waits is a share of
what the same stretch of work took in peace, so that the instants spread over the real work on any machine.
"""

# ruff: noqa: T201 - a program that talks to whoever runs it

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from crash import beginnings, campaign, corpus
from crash.harness import Report

LEAST_AT_WORK = 0.6  # of the kills at random instants must meet an engine that is at work


def random_rounds(stage: campaign.Stage, seed: str, kills: int) -> Iterator[Report]:
    number = dealt = 0
    while dealt < kills:
        scene, blows = campaign.at_random(seed, number)
        yield stage.scene(scene).disturb(blows, random.Random(f"{seed}/{number}/victims"))
        number, dealt = number + 1, dealt + len(blows)


def failpoint_rounds(stage: campaign.Stage, seed: str, kills: int) -> Iterator[Report]:
    for scene, blows in campaign.at_failpoints():
        report = stage.scene(scene).disturb(blows, random.Random(seed))
        report.findings += ["it was never reached"] * report.missed
        yield report
    for end in ("before", "after"):
        report = beginnings.killed_in_init(stage.root, f"home.create.{end}=kill")
        report.findings += ["it was never reached"] * report.missed
        yield report


def beginning_rounds(stage: campaign.Stage, seed: str, kills: int) -> Iterator[Report]:
    dice = random.Random(f"{seed}/init")
    for _round in range(kills // 20):
        yield beginnings.killed_in_init(stage.root, seconds=beginnings.random_seconds(dice))
        yield beginnings.killed_in_a_first_commit(stage.scene("cold"))


def stopping_rounds(stage: campaign.Stage, seed: str, kills: int) -> Iterator[Report]:
    for number in range(kills // 10):
        dice = random.Random(f"{seed}/stop/{number}")
        blows = [campaign.random_stop(dice)]
        yield stage.scene(("cold", "half")[number % 2]).disturb(blows, dice)


PARTS: dict[str, Callable[[campaign.Stage, str, int], Iterator[Report]]] = {
    "failpoints": failpoint_rounds,
    "random": random_rounds,
    "beginnings": beginning_rounds,
    "stopped workers": stopping_rounds,
}


def run(part: str, stage: campaign.Stage, seed: str, kills: int) -> campaign.Tally:
    """All rounds of a part, each failure told as it comes."""
    tally, started = campaign.Tally(), time.monotonic()
    for number, report in enumerate(PARTS[part](stage, seed, kills), start=1):
        tally.add(report)
        if report.findings:
            print(f"FAILED {report}", flush=True)
        elif sys.stdout.isatty():
            print(f"\r{part}: {number} rounds, {tally.dealt} blows", end="\r", flush=True)
    print(f"{part}: {tally.dealt} blows in {time.monotonic() - started:.0f} s, {len(tally.failures)} rounds failed")
    print(f"{tally.table()}\n", flush=True)
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="at random instants")
    parser.add_argument("--seed", default="1", help="the same seed, the same blows")
    parser.add_argument("--documents", type=int, default=3, help="of each format")
    parser.add_argument("--only", choices=PARTS, action="append", help="only this part; may be repeated")
    options = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory(prefix="docmill-crash-") as folder:
        stage = campaign.Stage(Path(folder), corpus.Size(options.documents))
        for part in options.only or PARTS:
            tally = run(part, stage, options.seed, options.kills)
            failed |= bool(tally.failures)
            if part == "random" and tally.at_work < LEAST_AT_WORK * tally.dealt:
                print(f"only {tally.at_work} of {tally.dealt} kills met an engine at work")
                failed = True
    print("FAILED" if failed else "nothing was lost, nothing was doubled")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
