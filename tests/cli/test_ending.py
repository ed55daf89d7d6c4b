"""How a command ends: what was printed is out, what was to be done at the end is done, and the exit code is its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RUN = "from docmill.__main__ import main; main()"


def ended(*words: str, before: str = "", shell: str = "") -> subprocess.CompletedProcess[str]:
    """A command after other Python, or as a shell redirects it."""
    command = [sys.executable, "-c", f"{before}\n{RUN}", *words]
    if shell:
        command = ["sh", "-c", f'"$@" {shell}', "sh", *command]
    return subprocess.run(command, text=True, capture_output=True, timeout=60)


def test_what_was_printed_is_out_and_the_code_is_the_commands() -> None:
    found = ended("--version")
    assert (found.returncode, found.stderr) == (0, "") and found.stdout.startswith("docmill ")
    assert ended("no-such-command").returncode == 2


def test_exit_functions_are_called_and_what_they_print_is_out() -> None:
    found = ended("--version", before="import atexit; atexit.register(print, 'at last')")
    assert found.returncode == 0 and found.stdout.endswith("at last\n")


def test_a_thread_that_is_to_be_waited_for_is(tmp_path: Path) -> None:
    written = tmp_path / "written"
    before = (
        "import threading, time, pathlib\n"
        f"late = lambda: (time.sleep(1), pathlib.Path({str(written)!r}).write_text('whole'))\n"
        "threading.Thread(target=late).start()"
    )
    assert ended("--version", before=before).returncode == 0
    assert written.read_text() == "whole"


def test_the_interpreter_is_not_taken_apart() -> None:
    before = "class Kept:\n    def __del__(self): print('taken apart', flush=True)\nkept = Kept()"
    assert "taken apart" not in ended("--version", before=before).stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_output_that_nobody_can_take_is_an_error() -> None:
    found = ended("--help", shell="> /dev/full")
    assert found.returncode == 7 and "disk is full" in found.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_output_that_the_caller_has_closed_goes_nowhere(closed: str) -> None:
    found = ended("--version", shell=closed)
    assert (found.returncode, found.stderr) == (0, "")
    assert ended("no-such-command", shell=closed).returncode == 2
