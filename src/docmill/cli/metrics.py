"""``docmill metrics``: the home's figures for Prometheus."""

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
    output: Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="Write them there; - is stdout.")] = "-",
) -> "Metrics | MetricsWritten | None":
    """Tell the home's figures in Prometheus' text format: documents, work, last runs, databases, the engine.

    A file is replaced at once, as node_exporter's textfile collector needs it. docs/observe.md explains each figure.
    """
    from docmill.cli.output import written
    from docmill.service import metrics as service

    settings = invocation.settings()
    if output == "-" and invocation.json:
        return service.metrics(settings)
    result = written(lambda: service.write(settings, output), invocation, "the figures", to_stdout=output == "-")
    return None if output == "-" or (invocation.quiet and not invocation.json) else result
