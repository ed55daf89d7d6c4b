"""``make fuzz``: every target in turn, with random seeds, for minutes; says the seed, and what broke.

    PYTHONPATH=tests python -m fuzz.long --minutes 5 [--seed 7] [TARGET...]

Each turn is a process of its own with bounded memory, so that an input that takes it down is a finding and not the end.
What breaks is kept as a file, with what was raised beside it; the same seed and target draw the same inputs again.
"""

# ruff: noqa: T201 - a program that talks to whoever runs it

from __future__ import annotations

import argparse
import pickle
import random
import resource
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Collection
from pathlib import Path

TURN_SECONDS = 10.0
PATIENCE = 60.0  # seconds that one input may take beyond its turn
MOST_MEMORY = 3 * 1024**3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--turn", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    given = parser.parse_args()
    if given.turn is not None:
        return _turn(given.targets[0], given.seed, given.turn, given.folder)

    from fuzz.targets import NATIVE, TARGETS

    unknown = sorted(set(given.targets) - set(TARGETS))
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    return _campaign(given.targets or list(TARGETS), given.minutes * 60, given.seed, NATIVE)


def _campaign(names: list[str], seconds: float, seed: int, native: Collection[str]) -> int:
    """The death of a native library, in bounds, is told and is no finding: the engine takes it as the document's."""
    folder = Path(tempfile.mkdtemp(prefix="docmill-fuzz-"))
    print(f"seed {seed}; what breaks is kept in {folder}", flush=True)
    turn = min(TURN_SECONDS, max(seconds / len(names), 1.0))
    deadline, round_, findings = time.monotonic() + seconds, 0, 0
    while time.monotonic() < deadline:
        for name in names:
            if time.monotonic() >= deadline and round_:
                break
            code = _in_child(name, seed + round_, turn, folder)
            findings += code != 0 and not (name in native and code is not None and code < 0)
            print(f"{name:<20} seed {seed + round_}  {_ended(name, seed + round_, folder, code)}", flush=True)
        round_ += 1
    print(f"{findings} findings" if findings else "nothing broke")
    return int(findings > 0)


def _in_child(name: str, seed: int, turn: float, folder: Path) -> int | None:
    """Its exit code; None where it had to be killed."""
    command = [
        sys.executable,
        "-m",
        "fuzz.long",
        "--turn",
        str(turn),
        "--seed",
        str(seed),
        "--folder",
        str(folder),
        name,
    ]
    try:
        return subprocess.run(command, timeout=turn + PATIENCE).returncode
    except subprocess.TimeoutExpired:
        return None


def _ended(name: str, seed: int, folder: Path, code: int | None) -> str:
    place = _place(name, seed, folder)
    inputs = place.with_suffix(".count")
    number = inputs.read_text() if inputs.exists() else "?"
    if code == 0:
        place.unlink(missing_ok=True)
        return f"{number} inputs"
    why = "HANGS" if code is None else f"DIES by signal {-code}" if code < 0 else "FAILS"
    return f"{why}: {place}"


def _place(name: str, seed: int, folder: Path) -> Path:
    return folder / f"{name.replace(' ', '-')}-{seed}.input"


def _turn(name: str, seed: int, seconds: float, folder: Path) -> int:
    """Inputs until the time is up. The one at work is on disk, for whoever finds this process dead."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded

    from fuzz.targets import TARGETS

    target, place = TARGETS[name], _place(name, seed, folder)
    deadline, count = time.monotonic() + seconds, 0

    @seeded(seed)
    @settings(
        max_examples=1_000_000,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(target.inputs)
    def check(drawn: object) -> None:
        nonlocal count
        if time.monotonic() >= deadline:
            raise _Over
        count += 1
        place.write_bytes(pickle.dumps(drawn))
        target.check(drawn)

    warnings.simplefilter("ignore")  # pypdf, openpyxl and others warn of what is wrong with a file
    try:
        check()
    except _Over:
        pass
    except BaseException:  # noqa: BLE001 - whatever it is, it is what is looked for
        place.with_suffix(".txt").write_text(traceback.format_exc())
        traceback.print_exc(limit=-6)
        return 1
    finally:
        place.with_suffix(".count").write_text(str(count))
    return 0


class _Over(BaseException):
    """The turn is over. No Exception, so that Hypothesis does not take it for a finding."""


if __name__ == "__main__":
    sys.exit(main())
