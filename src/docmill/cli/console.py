"""What reaches a terminal: consoles that take nothing for markup, and text without anything a terminal would obey.

Names of files, and texts of documents, come from anywhere. Every renderer puts them through :func:`safe` or
:func:`safe_lines`; markup is switched off in the consoles themselves, so that ``[red]`` in a name stays ``[red]``.
"""

from __future__ import annotations

import io
import re
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console, RenderableType

# CSI; OSC, DCS, SOS, PM and APC up to their end; other two-character escapes: ECMA-48, 5.3 and 5.4.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
# What is left of C0, C1 and DEL; marks that reorder text; invisible fillers and tags; halves of surrogate pairs.
_UNSAFE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
_BREAKS = re.compile("[\t\n\x0b\x0c\r\x85\u2028\u2029]+")
_SURROGATES = re.compile("[\ud800-\udfff]")
PIPE_WIDTH = 100_000  # nothing is folded or cut where no terminal asks for it


def safe(text: object) -> str:
    """One line that a terminal shows as it is."""
    return _BREAKS.sub(" ", _cleaned(str(text)))


def safe_lines(text: object) -> str:
    """As :func:`safe`, but line breaks stay."""
    lines = re.split("\r\n|[\n\r\x0b\x0c\x85\u2028\u2029]", str(text))
    return "\n".join(_cleaned(line).replace("\t", "    ") for line in lines)


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
                console.print(part, no_wrap=part.no_wrap, overflow=part.overflow)
            else:
                console.print(part)
    lines = [line.rstrip() for line in capture.get().split("\n")]
    console.file.write("\n".join(lines))
    console.file.flush()


def tolerate_names(*streams: TextIO) -> None:
    """A name that the terminal's encoding lacks is written with escapes instead of ending the program."""
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _cleaned(text: str) -> str:
    return _SURROGATES.sub("\ufffd", _UNSAFE.sub("", _ESCAPES.sub("", text)))


def _console(stream: TextIO, width: int | None) -> Console:
    from rich.console import Console

    if width is None and not stream.isatty():
        width = PIPE_WIDTH
    return Console(file=stream, highlight=False, markup=False, emoji=False, width=width)
