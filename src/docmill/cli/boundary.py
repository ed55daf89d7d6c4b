"""Where errors end: each becomes one message, as text on stderr or as JSON on stdout, and one exit code."""

import sys
from typing import TYPE_CHECKING, Any

import typer

from docmill.domain.redaction import redacted, redacted_values
from docmill.errors import DocmillError, Interrupted, UsageError
from docmill.stores.faults import storage_error

if TYPE_CHECKING:
    from docmill.cli.invocation import Invocation

# What typer raises for wrong usage, under whichever of its versions: all derive from this one.
PARSER_ERROR: type[Exception] = next(each for each in typer.BadParameter.__mro__ if each.__name__ == "ClickException")


def fail(error: BaseException, invocation: "Invocation") -> int:
    """Show any error; return its exit code."""
    if isinstance(error, UnicodeEncodeError) and invocation.not_utf8:
        error = UsageError("an argument is not UTF-8", hint="`docmill documents list` shows how such files are named")
    known = translate(error)
    trace = None
    if invocation.verbose and not isinstance(error, DocmillError):
        import traceback

        trace = redacted("".join(traceback.format_exception(error)))
    _show(known, invocation, trace)
    return known.exit_code


def wrong_usage(error: Any, invocation: "Invocation") -> int:
    """Show what the parser found wrong. A group that is named without a command shows its help."""
    context = error.ctx if getattr(error, "ctx", None) is not None else None
    message = error.format_message().rstrip(".").replace("\n\t", " ")
    message = message.replace("Value error, ", "").replace("Input should be ", "must be ")  # pydantic's, within typer's
    machine = invocation.json or invocation.events
    if context is not None and not machine and message == "Missing command":
        sys.stdout.write(f"{context.get_help()}\n")
        return UsageError.exit_code
    path = context.command_path if context is not None else "docmill"
    known = UsageError(message, hint=f"`{path} --help` shows what it takes")
    if context is not None and not machine:
        known.context["usage"] = context.get_usage()
    _show(known, invocation)
    return known.exit_code


def translate(error: BaseException) -> DocmillError:
    """Any exception as one of ours. Disks and databases that fail are told from mistakes in the program."""
    if isinstance(error, DocmillError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return Interrupted("interrupted", hint="run the same command again")
    fault = storage_error(error)
    if fault is not None:
        return fault
    return DocmillError(
        f"unexpected {type(error).__name__}: {error}",
        hint="this is a fault of docmill: run it again with -v for the traceback, and report it",
        exception=type(error).__name__,
    )


def _show(error: DocmillError, invocation: "Invocation", trace: str | None = None) -> None:
    """On stdout where programs read that; on stderr for people, and for a log that programs read."""
    from docmill.cli import log_lines, output
    from docmill.cli.console import safe_lines

    error.message = redacted(error.message)
    error.context = redacted_values(error.context)
    logged = invocation.log_format is log_lines.LogFormat.JSON
    if logged:
        fields = {name: value for name, value in error.as_dict().items() if name != "message"}
        about = {"exit_code": error.exit_code, "traceback": trace, **fields}
        log_lines.write(invocation.log_format, "error", error.message, **about)
    elif trace is not None:
        sys.stderr.write(safe_lines(trace))
    if invocation.json or invocation.events:
        output.write_json({"error": error.as_dict()}, indent=not invocation.events)
    elif not logged:
        output.write_error(error)
