"""``docmill metrics``: the home's figures for Prometheus."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from docmill.cli.history import PANEL
from docmill.cli.invocation import Invocation, command

if TYPE_CHECKING:
    from docmill.domain.results import Metrics, MetricsWritten

commands = typer.Typer()


@command(
    commands,
    "metrics",
    panel=PANEL,
    example="docmill metrics\ndocmill metrics -o /var/lib/node_exporter/textfile/docmill.prom --quiet",
)
def metrics(
    invocation: Invocation,
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", show_default=False, help="Write them there; else to stdout."),
    ] = None,
) -> "Metrics | MetricsWritten | None":
    """Tell the home's figures in Prometheus' text format: documents, work, last runs, databases, the engine.

    A file is replaced at once, as node_exporter's textfile collector needs it. docs/observe.md explains each figure.
    """
    from docmill.service import metrics as service

    settings = invocation.settings()
    if output is not None:
        written = service.write(settings, output.expanduser())
        return None if invocation.quiet and not invocation.json else written
    if invocation.json:
        return service.metrics(settings)
    text = service.text(settings).encode()
    try:
        sys.stdout.buffer.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        from docmill.cli.output import leave_quietly

        leave_quietly()
    return None
