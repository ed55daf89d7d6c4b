"""The options that every command has, and the one way in which every command runs.

A command is a function that takes an :class:`Invocation` and its own options, and returns one result.
:func:`command` registers it: it adds the common options, runs it, and has the result shown.
"""

import inspect
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from docmill.cli import log_lines
from docmill.cli.help import HelpCommand
from docmill.cli.log_lines import VARIABLE, LogFormat

if TYPE_CHECKING:
    from docmill.domain.events import Reporter
    from docmill.domain.results import Result
    from docmill.settings import Settings


def _common(*names: str, help: str, **more: Any) -> Any:  # noqa: A002 - typer's own word
    return typer.Option(*names, help=help, rich_help_panel="Common options", show_default=False, **more)


Home = Annotated[
    Path | None,
    _common("--home", metavar="PATH", help="The home; else DOCMILL_HOME, else the nearest .docmill upwards."),
]
Json = Annotated[bool, _common("--json", help="Exactly one JSON document on stdout.")]
Events = Annotated[bool, _common("--events", help="NDJSON on stdout: progress, and the result as its last line.")]
Quiet = Annotated[bool, _common("--quiet", "-q", help="No progress; only warnings and errors.")]
Verbose = Annotated[bool, _common("--verbose", "-v", help="Tell more, and show the traceback of a surprise.")]
LogForm = Annotated[
    LogFormat | None,
    _common("--log-format", metavar="FORMAT", help="Log lines on stderr as text or json; else DOCMILL_LOG_FORMAT."),
]
LockTimeout = Annotated[
    float | None,
    _common("--lock-timeout", metavar="SECONDS", min=0, help="Wait so long for another engine, then exit 5."),
]
TakeOver = Annotated[
    bool, _common("--take-over", help="End another engine that is at work here, also a stopped one, and go on.")
]
MaxMinutes = Annotated[
    float | None,
    _common("--max-minutes", metavar="N", min=0, help="Stop cleanly after N minutes, with exit 8."),
]


@dataclass
class Invocation:
    """How docmill was called. The root makes one; options given after the command go over those given before it."""

    home: Path | None = None
    json: bool = False
    events: bool = False
    quiet: bool = False
    verbose: bool = False
    lock_timeout: float | None = None
    take_over: bool = False
    max_minutes: float | None = None
    not_utf8: bool = False
    log_format: LogFormat = LogFormat.TEXT
    _reporter: "Reporter | None" = field(default=None, repr=False)

    @classmethod
    def guess(cls, arguments: list[str]) -> "Invocation":
        """Before anything is parsed: whoever asks for JSON gets it for wrong usage too."""
        options = arguments[: arguments.index("--")] if "--" in arguments else arguments
        return cls(
            json="--json" in options,
            events="--events" in options,
            verbose=any(option in ("-v", "--verbose", "-qv", "-vq") for option in options),
            log_format=log_lines.asked_for(options),
            not_utf8=any("\udc80" <= character <= "\udcff" for each in arguments for character in each),
        )

    def update(self, **given: Any) -> None:
        """Take over what was given, and leave what was not."""
        for name, value in given.items():
            if value is not None and value is not False:  # 0 is a time to wait
                setattr(self, name, value)
        if self.json and self.events:
            from docmill.errors import UsageError

            raise UsageError("--json and --events exclude each other", hint="--events ends with the result, as JSON")

    def settings(self) -> "Settings":
        from docmill.settings import build

        return build(
            home=self.home,
            lock_timeout=self.lock_timeout,
            take_over=self.take_over or None,
            max_minutes=self.max_minutes,
            log_format=self.log_format.value if LogFormat.JSON in (self.log_format, os.environ.get(VARIABLE)) else None,
        )

    def reporter(self) -> "Reporter":
        """Bars, lines, NDJSON or silence, as called for. Closed when the command ends."""
        if self._reporter is None:
            from docmill.cli.reporting import choose

            self._reporter = choose(
                events=self.events, quiet=self.quiet, verbose=self.verbose, log_format=self.log_format
            )
        return self._reporter

    def close(self) -> None:
        if self._reporter is not None:
            self._reporter.close()
            self._reporter = None

    def asks(self, *, yes: bool) -> bool:
        """Whether :meth:`confirm` would ask."""
        return not (yes or self.json or self.events) and on_terminal()

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask on a terminal, unless ``yes``; without one go on. Raises StoppedError where the answer is no."""
        if not self.asks(yes=yes):
            return
        from docmill.cli.console import safe

        if not typer.confirm(safe(question), err=True):
            from docmill.errors import StoppedError

            raise StoppedError("nothing was done", hint="answer y, or give --yes")


def on_terminal() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def command(
    group: typer.Typer,
    name: str,
    *,
    example: str,
    events: bool = False,
    lock: bool = False,
    limit: bool = False,
    libraries: bool = False,
    panel: str | None = None,
) -> "Callable[[Callable[..., Result | None]], Callable[..., Result | None]]":
    """Register a function as a command. Its docstring is the help, its first line the summary; the result that its
    signature names is what ``docmill schema`` describes.

    events: long work, has ``--events``. lock: may run or wait for the engine, has ``--lock-timeout``
    and ``--take-over``. limit: works for as long as there is work, has ``--max-minutes``. libraries: uses such as log.
    """

    def register(function: "Callable[..., Result | None]") -> "Callable[..., Result | None]":
        def run(ctx: typer.Context, **values: Any) -> None:
            common = {key: values.pop(key) for key in extra}
            with log_lines.of_libraries(ctx.obj.log_format, verbose=ctx.obj.verbose, records=records):
                result = _run(function, ctx.obj, common, values)
            _leave(result, ctx.obj)

        own = list(inspect.signature(function).parameters.values())[1:]
        extra: dict[str, Any] = {"home": Home, "json": Json, "quiet": Quiet, "verbose": Verbose}
        records = events or lock or libraries
        if events:
            extra["events"] = Events
            extra["log_format"] = LogForm
        if lock:
            extra["lock_timeout"] = LockTimeout
            extra["take_over"] = TakeOver
        if limit:
            extra["max_minutes"] = MaxMinutes
        added = [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=_DEFAULTS.get(key, False), annotation=kind)
            for key, kind in extra.items()
        ]
        context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
        parameters = [context, *(each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own), *added]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # what typer reads
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        run.__doc__ = function.__doc__
        run.results = _results_of(function)  # type: ignore[attr-defined] # `docmill schema` asks for it
        group.command(name, epilog=example, cls=HelpCommand, rich_help_panel=panel)(run)
        return function

    return register


def _results_of(function: "Callable[..., Result | None]") -> list[str]:
    """The names of the results that a command returns, as its signature says, and mypy holds it to them."""
    return [name for name in function.__annotations__["return"].split(" | ") if name != "None"]


_DEFAULTS: dict[str, Any] = {"home": None, "log_format": None, "lock_timeout": None, "max_minutes": None}


def _run(
    function: "Callable[..., Result | None]", invocation: Invocation, common: dict[str, Any], values: dict[str, Any]
) -> "Result | None":
    from docmill.errors import StorageError

    invocation.update(**common)
    try:
        if invocation.take_over:
            from docmill.service.contending import make_way

            make_way(invocation.settings(), invocation.reporter())
        return function(invocation, **values)
    except StorageError as error:
        from docmill.service.holding import explained

        raise explained(error, invocation.settings()) from error
    except KeyboardInterrupt:  # a command without an engine; an engine drains and says so itself
        from docmill.errors import Interrupted

        raise Interrupted("interrupted", hint="run the same command again") from None
    finally:
        invocation.close()


def _leave(result: "Result | None", invocation: Invocation) -> NoReturn:
    """Show what a command returned, and leave with its exit code."""
    if result is None:
        raise typer.Exit(0)
    from docmill.cli.output import exit_code, show

    show(result, invocation)
    raise typer.Exit(exit_code(result))
