"""Shows the one result of a command, as text or as JSON, and knows which exit code it means."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from docmill.cli.console import safe, stderr_console, stdout_console, write_text
from docmill.domain.terminal import json_text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from docmill.cli.invocation import Invocation
    from docmill.domain.results import (
        Result,
        RunResult,
        SourceSync,
        StatusWatched,
        SyncResult,
        WatchResult,
        WorkerResult,
    )
    from docmill.errors import DocmillError

T = TypeVar("T")
CLEAN, NOT_CLEAN, BAD_DEFINITION, MISSING, STOPPED = 0, 3, 6, 7, 8
TIME_LIMIT = "TIME_LIMIT"
_AROUND = 60  # characters that are shown before and after the place of a mistake
_STOPPED_STATUSES = ("paused", "cancelled")


def exit_code(result: Result) -> int:
    """0 clean, 3 finished but not clean, 6 bad definition, 7 something is missing, 8 stopped before the end."""
    for kind in type(result).__mro__:
        if kind.__name__ in _ENDINGS:
            return _ENDINGS[kind.__name__](result)
    return CLEAN


def _of_run(run: SourceSync | RunResult) -> int:
    if run.status in _STOPPED_STATUSES:
        return STOPPED
    failed = run.reason or run.errors or run.documents.failed or run.status == "failed"
    return NOT_CLEAN if failed else CLEAN


def _of_watched(status: StatusWatched) -> int:
    if status.status in _STOPPED_STATUSES:
        return STOPPED
    return NOT_CLEAN if status.reason else CLEAN


def _of_sync(sync: SyncResult) -> int:
    ends = [_of_run(each) for each in (sync, *sync.sources)]
    return max(*ends, NOT_CLEAN if sync.skipped else CLEAN)


def _of_worker(worker: WorkerResult | WatchResult) -> int:
    if worker.stopped_by == TIME_LIMIT:
        return STOPPED
    return NOT_CLEAN if worker.reason and worker.stopped_by is None else CLEAN


# By the name of the result's class: to import the classes of all commands takes longer than most commands do.
_ENDINGS: dict[str, Callable[[Any], int]] = {
    "ValidationResult": lambda found: CLEAN if found.valid else BAD_DEFINITION,
    "BackupResult": lambda backup: NOT_CLEAN if backup.findings else CLEAN,
    "RestoreResult": lambda restored: NOT_CLEAN if restored.findings else CLEAN,
    "DoctorResult": lambda found: MISSING if found.problems else CLEAN,
    "ModelVerified": lambda model: CLEAN if model.clean else NOT_CLEAN,
    "IngestResult": lambda ingested: NOT_CLEAN if ingested.reason or ingested.errors else CLEAN,
    "PagesResult": lambda pages: NOT_CLEAN if pages.problems else CLEAN,
    "ParamsTested": lambda tested: NOT_CLEAN if tested.failure else CLEAN,
    "QueriesResult": lambda answered: NOT_CLEAN if answered.reason else CLEAN,
    "DeliverResult": lambda delivered: NOT_CLEAN if delivered.reason else CLEAN,
    "WorkerResult": _of_worker,
    "WatchResult": _of_worker,
    "PlanResult": lambda plan: NOT_CLEAN if plan.over_budget else CLEAN,
    "StatusWatched": _of_watched,
    "SyncResult": _of_sync,
    "VerifyResult": lambda verified: CLEAN if verified.clean else NOT_CLEAN,
    "RunResult": _of_run,
}


def show(result: Result, invocation: Invocation) -> None:
    """Write the result to stdout. A reader that has left, such as ``head``, is no error."""
    try:
        if invocation.json or invocation.events:
            write_json(result.model_dump(mode="json"), indent=not invocation.events)
        else:
            from docmill.cli.text import View, render

            console = stdout_console()
            view = View(console.width, console.is_terminal, invocation.verbose, console.options.ascii_only)
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


def until_nobody_reads(tell: Callable[[], T]) -> T | None:
    """What writing to stdout gives; None where whoever read it, such as ``head``, has had enough."""
    try:
        return tell()
    except BrokenPipeError:
        leave_quietly()
        return None


def written(write: Callable[[], T], invocation: Invocation, what: str, *, to_stdout: bool) -> T | None:
    """What writing data to a file gives, or to stdout, where --json would mix its document into ``what``."""
    if not to_stdout:
        return write()
    if invocation.json:
        from docmill.errors import UsageError

        raise UsageError(f"--json would mix its document into {what}", hint="name a file: -o FILE")
    return until_nobody_reads(write)


def write_error(error: DocmillError) -> None:
    """``error: …`` and ``hint: …`` on stderr, with the findings between them where there are any."""
    from rich.text import Text

    console = stderr_console()
    parts: list[RenderableType] = [Text.assemble(("error: ", "bold red"), safe(error.message))]
    problems = error.context.get("problems") or []
    if len(problems) > 1:
        from docmill.cli.text.definitions import finding
        from docmill.domain.results import Problem

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
