"""Work that goes on in the background: a worker of its own session, which outlives the terminal that called for it.

A worker holds worker.lock for as long as it sees to it that whatever runs is worked on. Whoever leaves work to the
background writes the work down first and looks at the lock then; a worker that ends lets go of the lock first and looks
for work once more then. So no work falls between two, and many calls do not start many workers.
"""

from __future__ import annotations

from pathlib import Path

from docmill.engine import background
from docmill.settings import Settings

NAME = "worker"


def find_worker(home: Path) -> int | None:
    """The pid of the worker that sees to what runs here; None where none does."""
    found = background.at_work(home, NAME)
    return found.pid if found is not None else None


def start_worker(home: Path, settings: Settings) -> tuple[int, str]:
    """``docmill worker --once``; it ends when nothing is left to do. Returns its pid and the file that it writes to."""
    arguments = ["--once"]
    for option, value in (("--lock-timeout", settings.lock_timeout), ("--max-minutes", settings.max_minutes)):
        arguments += [option, str(value)] if value is not None else []
    arguments += ["--take-over"] if settings.take_over else []
    arguments += ["--log-format", settings.log_format] if settings.log_format != "text" else []
    return background.start(home, NAME, arguments)
