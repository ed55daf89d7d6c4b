"""What reaches a terminal: consoles that take nothing for markup, and the ways of writing to them.

Every renderer puts what it shows through :func:`safe` or :func:`safe_lines`; markup is switched off in the consoles
themselves, so that ``[red]`` in a name stays ``[red]``.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from docmill.domain.terminal import safe, safe_lines

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console, RenderableType

PIPE_WIDTH = 100_000  # nothing is folded or cut where no terminal asks for it


def stdout_console(*, width: int | None = None) -> Console:
    return _console(sys.stdout, width)


def stderr_console(*, width: int | None = None) -> Console:
    return _console(sys.stderr, width)


def write_text(console: Console, parts: Iterable[RenderableType]) -> None:
    """Print to the console's stream, without the spaces that tables leave at the end of lines."""
    from rich.text import Text

    with console.capture() as capture:
        for part in parts:
            if isinstance(part, Text):  # printing joins texts anew, and would forget how this one folds
                console.print(part, no_wrap=part.no_wrap, overflow=part.overflow, crop=part.overflow != "ignore")
            else:
                console.print(part)
    lines = [line.rstrip() for line in capture.get().split("\n")]
    console.file.write("\n".join(lines))
    console.file.flush()


def replace_closed() -> None:
    """What the caller has closed of the three leads nowhere; and no file that is opened next gets its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):  # each takes the lowest free number: its own
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - for as long as the process lives


def tolerate_names(*streams: TextIO) -> None:
    """A name that the terminal's encoding lacks is written with escapes instead of ending the program."""
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _console(stream: TextIO, width: int | None) -> Console:
    from rich.console import Console

    if width is None and not stream.isatty():
        width = PIPE_WIDTH
    return Console(file=stream, highlight=False, markup=False, emoji=False, width=width)


__all__ = [
    "PIPE_WIDTH",
    "replace_closed",
    "safe",
    "safe_lines",
    "stderr_console",
    "stdout_console",
    "tolerate_names",
    "write_text",
]
