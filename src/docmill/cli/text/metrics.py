"""Where the metrics went, as text."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from docmill.cli.console import safe
from docmill.cli.text.dispatch import View, render
from docmill.cli.text.pieces import count
from docmill.domain.results import MetricsWritten


@render.register
def _(result: MetricsWritten, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    return [Text(f"{count(result.samples, 'sample')} of {count(result.families, 'metric')} in {safe(result.path)}")]
