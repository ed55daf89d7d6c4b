"""``status --watch``: how work goes, shown in place on a terminal, and as a line a change elsewhere.

It is the data that was asked for, so it goes to stdout, and the status at the end behind it.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text

from docmill.cli.console import safe, stdout_console
from docmill.cli.reporting import duration, progress_line
from docmill.cli.text.outcomes import in_short
from docmill.cli.text.pieces import moment as clock
from docmill.cli.text.pieces import pairs, status_text, table
from docmill.cli.text.status import engine_text
from docmill.domain.events import ProgressEvent
from docmill.errors import UsageError
from docmill.service import live
from docmill.service.live import BatchMoment, Moment

if TYPE_CHECKING:
    from docmill.cli.invocation import Invocation
    from docmill.domain.results import StatusWatched

BAR_WIDTH = 32


def watched(invocation: Invocation, batch: str | None) -> StatusWatched:
    """Show it until the work has ended. Without a batch it does not end, but by Ctrl-C."""
    settings = invocation.settings()
    if invocation.json:
        raise UsageError("--json is one document, and --watch shows many", hint="--events gives one object a line")
    if invocation.events:
        if batch is None:
            raise UsageError("--events tells of one batch", hint="docmill status BATCH --watch --events")
        return live.tell_batch(settings, invocation.reporter(), batch)
    console = stdout_console()
    in_place = console.is_terminal and not console.is_dumb_terminal and not invocation.quiet
    with ExitStack() as stack:
        show = _Lines(console, quiet=invocation.quiet).show
        if in_place:
            screen = stack.enter_context(Live(console=console, auto_refresh=False, transient=True))
            show = lambda moment: screen.update(Group(*picture(moment)), refresh=True)  # noqa: E731 - one of two ways
        if batch is None:
            live.watch_home(settings, show)
        return live.watch_batch(settings, batch, show)


class _Lines:
    """A line for each batch whenever what it says of it is not what it said last."""

    def __init__(self, console: Console, *, quiet: bool) -> None:
        self._console = console
        self._quiet = quiet
        self._said: dict[int, str] = {}

    def show(self, moment: Moment) -> None:
        for each in moment.batches if not self._quiet else []:
            line = line_of(each, named=moment.home is not None)
            key = line.partition(",")[0] if each.progress is None else str(_figures(each.progress))
            if self._said.get(each.batch_id) != key:
                self._said[each.batch_id] = key
                self._console.file.write(f"{line}\n")
                self._console.file.flush()


def _figures(event: ProgressEvent) -> tuple[object, ...]:
    """What changes as work goes on; the speed changes always."""
    return (event.processed_files, event.failed_files, event.chunks_total, event.stages)


def line_of(each: BatchMoment, *, named: bool) -> str:
    """``running: 120/236 documents (51 %), 1 failed, 1840 chunks, 14 s left, 8.1 documents a second, at embed``."""
    name = f"{safe(each.name)}: " if named else ""
    if each.progress is None:
        return f"{name}{each.status}" + (f" for {clock(each.begins)}" if each.begins else "")
    stage = each.progress.current_stage if each.status == "running" else None
    return f"{name}{each.status}: {_progress_words(each)}" + (f", at {safe(stage)}" if stage else "")


def picture(moment: Moment) -> list[RenderableType]:
    """What the terminal shows: the home and its engine, then each batch."""
    parts: list[RenderableType] = [
        pairs([("home", moment.home), ("engine", engine_text(moment.engine))]),
    ]
    if moment.engine is not None and moment.engine.hint:
        parts.append(Text.assemble(("hint: ", "bold cyan"), safe(moment.engine.hint)))
    for each in moment.batches:
        parts += ["", *_batch(each)]
        if each.status == "running" and moment.engine is None:
            parts.append(Text.assemble(("no engine is at it; go on: ", "yellow"), f"docmill resume {each.batch_id}"))
    if not moment.batches:
        parts += ["", Text("no batches yet", style="dim")]
    return parts


def _batch(each: BatchMoment) -> list[RenderableType]:
    head = Text.assemble((safe(each.name), "bold"), (f"  batch {each.batch_id}  ", "dim"), status_text(each.status))
    if each.begins:
        head.append(f" for {clock(each.begins)}", style="dim")
    if each.running_seconds is not None:
        head.append(f" for {duration(each.running_seconds)}", style="dim")
    parts: list[RenderableType] = [head]
    if each.progress is not None:
        parts += [Text(_progress_words(each)), _bars(each.progress)]
    counts = each.outcomes
    failed = Text(in_short(counts.failed), "red") if counts.failed_documents else None
    degraded = Text(in_short(counts.degraded), "yellow") if counts.degraded_documents else None
    if failed or degraded:
        parts.append(pairs([("failed", failed), ("degraded", degraded)]))
    return parts


def _progress_words(each: BatchMoment) -> str:
    """As ``sync`` tells it, and the speed of documents and of chunks."""
    assert each.progress is not None
    words = progress_line(each.progress)
    if each.documents_per_second is None:
        return words
    speeds = [f"{_brief(each.documents_per_second)} documents"]
    speeds += [f"{_brief(each.chunks_per_second)} chunks"] if each.chunks_per_second else []
    return f"{words}, {' and '.join(speeds)} a second"


def _brief(speed: float) -> str:
    return f"{speed:.1f}" if speed < 10 else f"{speed:,.0f}"


def _bars(event: ProgressEvent) -> RenderableType:
    made = table("", "", "", "")
    made.show_header = False
    for stage in event.stages:
        passed = stage.done + stage.failed
        bar = ProgressBar(total=max(stage.total, 1), completed=passed, width=BAR_WIDTH)
        failed = Text(f"{stage.failed:,} failed", style="red") if stage.failed else Text("")
        name = Text(safe(stage.name), style="green" if passed >= stage.total else "")
        made.add_row(name, bar, Text(f"{passed:,}/{stage.total:,}", style="dim"), failed)
    return made
