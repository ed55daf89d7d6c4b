"""The peers' own environments: made once, outside the repository, from the pins beside this file.

    python benchmarks/peers/install.py [NAME ...]

An environment's folder is named after its pins, so that changed pins make a new one. A peer that cannot be had here
(no network, no wheel, no Python that it wants) is no error of the benchmark: it is reported as that, without figures.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
INSTALLED = "installed"
SECONDS = 900
_LATER = 3  # minor versions that are tried


class CannotInstall(Exception):
    """With the reason, in a line."""


def names() -> list[str]:
    return sorted(path.stem.removeprefix("requirements-") for path in HERE.glob("requirements-*.txt"))


def environment(name: str, *, install: bool = True) -> Path:
    """The Python of a peer's environment, which is made where it is not there yet. Raises CannotInstall."""
    pins = HERE / f"requirements-{name}.txt"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "docmill-bench"
    folder = cache / f"{name}-{hashlib.sha256(pins.read_bytes()).hexdigest()[:12]}"
    python = folder / "bin" / "python"
    if (folder / INSTALLED).exists():
        return python
    if not install:
        raise CannotInstall("not installed yet: python benchmarks/peers/install.py")
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _run([interpreter(pins.read_text()), "-m", "venv", folder])
    _run([python, "-m", "pip", "install", "--disable-pip-version-check", "--quiet", "--requirement", pins])
    _run(
        [python, "-m", "compileall", "-q", folder / "lib"], codes=(0, 1)
    )  # some packages ship files that do not compile
    (folder / INSTALLED).touch()
    return python


def interpreter(pins: str) -> str:
    """This Python, or where a line ``# python X.Y`` asks for a later one, the first that is found and runs."""
    asked = re.search(r"^# python (\d+)\.(\d+)$", pins, re.MULTILINE)
    least = (int(asked[1]), int(asked[2])) if asked else (0, 0)
    if sys.version_info[:2] >= least:
        return sys.executable
    for minor in range(least[1], least[1] + _LATER):
        for python in _pythons(f"{least[0]}.{minor}"):
            with contextlib.suppress(OSError, subprocess.SubprocessError):  # pyenv's stand-ins are there and do not run
                subprocess.run([python, "-c", "import venv"], capture_output=True, check=True, timeout=60)
                return python
    raise CannotInstall(f"it needs Python {least[0]}.{least[1]} or later, which is not on the PATH and not pyenv's")


def _pythons(version: str) -> list[str]:
    found = shutil.which(f"python{version}")
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    return [*([found] if found else []), *map(str, sorted(pyenv.glob(f"{version}.*/bin/python")))]


def _run(command: list[str | Path], *, codes: tuple[int, ...] = (0,)) -> None:
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotInstall(str(error)) from None
    if ended.returncode not in codes:
        lines = [line for line in ended.stderr.splitlines() if line.strip()] or ["no message"]
        raise CannotInstall(next((line for line in lines if line.startswith("ERROR")), lines[-1])[:300])


def main() -> int:
    wrong = 0
    for name in sys.argv[1:] or names():
        try:
            print(f"{name}: {environment(name)}")
        except CannotInstall as error:
            print(f"{name} could not be installed: {error}", file=sys.stderr)
            wrong = 1
    return wrong


if __name__ == "__main__":
    raise SystemExit(main())
