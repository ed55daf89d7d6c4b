"""Which renderer shows which result: one function for each type, chosen by the result's class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import TYPE_CHECKING

from docmill.domain.results import Result

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True, slots=True)
class View:
    """``width`` in columns; ``terminal`` False: a pipe or a file, where nothing is cut. ``ascii_only``: by encoding."""

    width: int = 100
    terminal: bool = True
    verbose: bool = False
    ascii_only: bool = False


@singledispatch
def render(result: Result, view: View) -> Sequence[RenderableType]:  # noqa: ARG001 - the signature of all renderers
    """What to print for a result. Raises TypeError for a type that no module has registered."""
    raise TypeError(f"no text for {type(result).__name__}")
