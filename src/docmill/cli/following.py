"""``active``, ``logs`` and ``events``: what goes on now, from any shell."""

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from docmill.cli.help import names_of
from docmill.cli.history import PANEL
from docmill.cli.invocation import Invocation, command
from docmill.cli.options import BatchName, Limit, Offset

if TYPE_CHECKING:
    from collections.abc import Callable

    from docmill.domain.results import ActiveBatches, BatchEvents, BatchLogs, Followed, LogRecord

T = TypeVar("T")
commands = typer.Typer()


class Level(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


Follow = Annotated[
    bool, typer.Option("--follow", "-f", help="Go on with what comes, until the batch has ended. Ctrl-C stops it.")
]


@command(commands, "active", panel=PANEL, example="docmill active\ndocmill active --json")
def active(invocation: Invocation, *, limit: Limit = 50, offset: Offset = 0) -> "ActiveBatches":
    """Show the batches that are running or paused, and whether an engine is at work."""
    from docmill.service import history

    return history.list_active(invocation.settings(), limit=limit, offset=offset)


@command(
    commands,
    "logs",
    panel=PANEL,
    events=True,
    example="docmill logs papers --level warning\ndocmill logs papers --follow",
)
def logs(
    invocation: Invocation,
    *,
    batch: BatchName,
    level: Annotated[
        Level | None,
        typer.Option(
            "--level",
            metavar=names_of(Level),
            show_default=False,
            help="This one and those above; else info, with -v debug.",
        ),
    ] = None,
    limit: Limit = 100,
    offset: Offset = 0,
    follow: Follow = False,
) -> "BatchLogs | Followed | None":
    """Show the log of a batch, newest last.

    With --follow it goes on until the batch has ended; as NDJSON with --events.
    """
    from docmill.cli.output import until_nobody_reads
    from docmill.service import telling

    least = (level or (Level.DEBUG if invocation.verbose else Level.INFO)).value
    if not follow:
        return telling.logs(invocation.settings(), batch, level=least, limit=limit, offset=offset)
    _refuse_one_document(invocation)
    if offset:
        from docmill.errors import UsageError

        raise UsageError("--follow and --offset exclude each other")
    settings, tell = invocation.settings(), _log_teller(invocation)
    return until_nobody_reads(lambda: telling.follow_logs(settings, batch, tell, level=least, limit=limit))


@command(
    commands,
    "events",
    panel=PANEL,
    events=True,
    example="docmill events papers --follow\ndocmill events papers | jq -r 'select(.type == \"error\") | .uri'",
)
def events(invocation: Invocation, *, batch: BatchName, follow: Follow = False) -> "BatchEvents | None":
    """Tell what a batch's newest run group does, as NDJSON: progress, documents, errors, stages and its end.

    From any shell, whoever runs it. Without --follow, what there is so far. The last line is the result.
    """
    from docmill.cli.output import until_nobody_reads
    from docmill.domain.events import as_record
    from docmill.service import telling

    settings = invocation.settings()
    if follow:
        _refuse_one_document(invocation)
    if invocation.json:
        return telling.events(settings, batch)
    invocation.events = True
    return until_nobody_reads(
        lambda: telling.tell_events(settings, batch, lambda event: _write(as_record(event)), follow=follow)
    )


def _refuse_one_document(invocation: Invocation) -> None:
    if invocation.json:
        from docmill.errors import UsageError

        raise UsageError("--json is one document, and --follow has no end", hint="--events gives one object a line")


def _write(record: dict[str, Any]) -> None:
    from docmill.domain.terminal import json_text

    sys.stdout.buffer.write(json_text(record).encode() + b"\n")
    sys.stdout.flush()


def _log_teller(invocation: Invocation) -> "Callable[[LogRecord], None]":
    """Writes each entry as it comes: as a line of text, or as a JSON object."""
    if invocation.events:
        return lambda entry: _write({"type": "log", **entry.model_dump(mode="json")})
    from docmill.cli.console import stdout_console, write_text
    from docmill.cli.text.following import log_line

    console = stdout_console()
    return lambda entry: write_text(console, [log_line(entry)])
