"""Shows the one result of a command, as text or as JSON, and knows which exit code it means."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from docmill.cli.console import safe, stderr_console, stdout_console, write_text
from docmill.domain.results import (
    DeliverResult,
    IngestResult,
    ModelVerified,
    PagesResult,
    PlanResult,
    Problem,
    Result,
    RunResult,
    SourceSync,
    SyncResult,
    WatchResult,
    WorkerResult,
)
from docmill.domain.results import ValidationResult as Validated
from docmill.domain.terminal import json_text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from docmill.cli.invocation import Invocation
    from docmill.errors import DocmillError

CLEAN, NOT_CLEAN, BAD_DEFINITION, STOPPED = 0, 3, 6, 8
TIME_LIMIT = "TIME_LIMIT"
_AROUND = 60  # characters that are shown before and after the place of a mistake
_STOPPED_STATUSES = ("paused", "cancelled")


def exit_code(result: Result) -> int:
    """0 clean, 3 finished but not clean, 6 bad definition, 8 stopped before the end."""
    if isinstance(result, Validated):
        return CLEAN if result.valid else BAD_DEFINITION
    if isinstance(result, ModelVerified):
        return CLEAN if result.clean else NOT_CLEAN
    if isinstance(result, IngestResult):
        return NOT_CLEAN if result.reason or result.errors else CLEAN
    if isinstance(result, PagesResult):
        return NOT_CLEAN if result.problems else CLEAN
    if isinstance(result, DeliverResult):
        return NOT_CLEAN if result.reason else CLEAN
    if isinstance(result, WorkerResult | WatchResult):
        if result.stopped_by == TIME_LIMIT:
            return STOPPED
        return NOT_CLEAN if result.reason and result.stopped_by is None else CLEAN
    if isinstance(result, PlanResult):
        return NOT_CLEAN if result.over_budget else CLEAN
    if isinstance(result, SyncResult):
        ends = [_of_run(each) for each in (result, *result.sources)]
        return max(*ends, NOT_CLEAN if result.skipped else CLEAN)
    return _of_run(result) if isinstance(result, RunResult) else CLEAN


def _of_run(run: SourceSync | RunResult) -> int:
    if run.status in _STOPPED_STATUSES:
        return STOPPED
    failed = run.reason or run.errors or run.documents.failed or run.status == "failed"
    return NOT_CLEAN if failed else CLEAN


def show(result: Result, invocation: Invocation) -> None:
    """Write the result to stdout. A reader that has left, such as ``head``, is no error."""
    try:
        if invocation.json or invocation.events:
            write_json(result.model_dump(mode="json"), indent=not invocation.events)
        else:
            from docmill.cli.text import View, render

            console = stdout_console()
            view = View(width=console.width, terminal=console.is_terminal, verbose=invocation.verbose)
            write_text(console, render(result, view))
    except BrokenPipeError:
        leave_quietly()


def write_json(document: dict[str, Any], *, indent: bool) -> None:
    """One document and a line end, in UTF-8 whatever the locale says."""
    text = json_text(document, indent=2 if indent else None)
    try:
        sys.stdout.buffer.write(text.encode() + b"\n")
        sys.stdout.flush()
    except BrokenPipeError:
        leave_quietly()


def write_error(error: DocmillError) -> None:
    """``error: …`` and ``hint: …`` on stderr, with the findings between them where there are any."""
    from rich.text import Text

    console = stderr_console()
    parts: list[RenderableType] = [Text.assemble(("error: ", "bold red"), safe(error.message))]
    problems = error.context.get("problems") or []
    if len(problems) > 1:
        from docmill.cli.text.definitions import finding

        parts += [line for each in problems for line in finding(Problem(**each))]
    if "position" in error.context:
        parts.append(_pointed_at(error.context["filter"], error.context["position"]))
    if "usage" in error.context:
        parts.append(Text(safe(error.context["usage"]), "dim"))
    if error.hint:
        parts.append(Text.assemble(("hint: ", "bold cyan"), safe(error.hint)))
    write_text(console, parts)


def _pointed_at(text: str, position: int) -> RenderableType:
    """The part of a line around a place in it, and a caret below that place."""
    from rich.cells import cell_len
    from rich.text import Text

    begin = max(position - 1 - _AROUND, 0)
    before, after = safe(text[begin : position - 1]), safe(text[position - 1 : position + _AROUND])
    return Text(f"  {before}{after}\n  {' ' * cell_len(before)}^", "dim")


def leave_quietly() -> None:
    """Point stdout at nothing, so that the interpreter's last flush does not complain."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)
