"""One run of the command line in a process of its own, and how far it has come."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from conftest import children_of
from crash import evidence

DOCMILL = (sys.executable, "-m", "docmill")
POLL = 0.002
SLOWEST = 120.0  # seconds after which a command counts as hung
HUNG = -1000
_WORKER = b"spawn_main"

# The marks that a run passes on its way; between one and the next lies a stretch to strike in.
MILESTONES = ("start", "engine", "work", "store")


class Command:
    """Its milestones are read off the files that it writes, so that nothing is in its way."""

    def __init__(
        self, home: Path, arguments: Sequence[str], *, failpoint: str = "", program: Sequence[str] = DOCMILL
    ) -> None:
        self.home = home
        self.fired, self._output, self._complaints = (
            home.with_name(f"{home.name}.{each}") for each in ("fired", "out", "err")
        )
        self._artifacts, self._versions = self._artifacts_now(), self._versions_now()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DOCMILL_")}
        environment["DOCMILL_VECTOR_INDEX_ROWS"] = "20"  # there are few passages, and it is to be made among them
        if failpoint:
            self.fired.unlink(missing_ok=True)
            environment |= {"DOCMILL_FAILPOINTS": failpoint, "DOCMILL_FAILPOINTS_FIRED": str(self.fired)}
        with self._output.open("wb") as output, self._complaints.open("wb") as complaints:
            self.process = subprocess.Popen(
                [*program, "--home", str(home), *arguments, "--json", "--quiet"],
                stdout=output,
                stderr=complaints,
                start_new_session=True,
                env=environment,
            )

    def reached(self, milestone: str) -> bool:
        match milestone:
            case "engine":
                lock = self.home / "engine.lock"
                return lock.exists() and f'"pid": {self.process.pid},' in lock.read_text("utf-8", "replace")
            case "work":
                return bool(self._artifacts_now() - self._artifacts) or self.reached("store")
            case "store":
                return bool(self._versions_now() - self._versions)
            case "end":
                return self._has_ended()
        return True

    def wait_for(self, milestone: str) -> bool:
        """False where the process ended before."""
        while not self.reached(milestone):
            if self.process.poll() is not None:
                return False
            time.sleep(POLL)
        return True

    def workers(self) -> list[int]:
        """Processes that parse or embed."""
        return [pid for pid in children_of(self.process.pid) if _WORKER in _command_line(pid)]

    def wait(self) -> int:
        """The exit code; HUNG where it had to be killed."""
        try:
            return self.process.wait(SLOWEST)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            return HUNG

    def problem(self, code: int) -> list[str]:
        """Findings of a command that was to succeed."""
        if code == HUNG:
            return ["it hung"]
        if code:
            told = f"{self._complaints.read_text('utf-8', 'replace')} {self._output.read_text('utf-8', 'replace')}"
            return [f"it ended with {code}: {' '.join(told.split())[:500]}"]
        answer = json.loads(self._output.read_bytes())
        return [] if answer["status"] in ("completed", "ok") and not answer.get("errors") else [f"it told {answer}"]

    def _artifacts_now(self) -> set[str]:
        return {str(path) for path in (self.home / "artifacts").glob("*/*") if path.suffix != ".new"}

    def _versions_now(self) -> set[str]:
        return {str(path) for path in (self.home / "lancedb").glob("*/*/_versions/*")}

    def _has_ended(self) -> bool:
        """No group of this home is running any more."""
        try:
            with evidence.opened(self.home) as state:
                return state.execute("SELECT 1 FROM run_group WHERE status = 'running'").fetchone() is None
        except sqlite3.OperationalError:
            return False


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
