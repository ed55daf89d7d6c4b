"""Progress on a terminal: a line that sums up, and a bar for each stage. It leaves nothing behind when it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID
from rich.text import Text

from docmill.cli.console import safe
from docmill.cli.reporting import progress_line
from docmill.domain.events import DocumentEvent, ErrorEvent, Event, MessageEvent, ProgressEvent
from docmill.domain.redaction import redacted

DELAY_SECONDS = 0.4  # what is over sooner shows no bars
_STYLES = {"warning": "yellow", "error": "red", "debug": "dim"}


class BarReporter:
    """Bars come with the first progress that is worth showing; messages scroll past above them."""

    def __init__(self, console: Console, *, verbose: bool) -> None:
        self.console = console
        self.verbose = verbose
        self._lock = threading.Lock()
        self._bars: _StageBars | None = None
        self._first_at: float | None = None

    def emit(self, event: Event) -> None:
        with self._lock:
            if isinstance(event, ProgressEvent):
                self._progress(event)
            elif isinstance(event, MessageEvent) and (self.verbose or event.level != "debug"):
                self._print(Text(safe(redacted(event.message)), style=_STYLES.get(event.level, "")))
            elif self.verbose and isinstance(event, ErrorEvent):
                what = f"{safe(event.uri)}  {event.stage}: {event.error_code}: {safe(redacted(event.error_message))}"
                self._print(Text.assemble(("failed  ", "red"), what))
            elif self.verbose and isinstance(event, DocumentEvent) and event.status != "failed":
                self._print(Text.assemble(("done    ", "green"), f"{safe(event.uri)}  {event.chunks} chunks"))

    def close(self) -> None:
        with self._lock:
            if self._bars is not None:
                self._bars.stop()
                self._bars = None

    def _progress(self, event: ProgressEvent) -> None:
        now = time.monotonic()
        self._first_at = self._first_at or now
        if self._bars is None:
            if now - self._first_at < DELAY_SECONDS:
                return
            self._bars = _StageBars(self.console)
            self._bars.start()
        self._bars.show(event)

    def _print(self, line: Text) -> None:
        (self._bars.console if self._bars is not None else self.console).print(line)


class _Counted(ProgressColumn):
    """``120/236``, and how many of them failed."""

    def render(self, task: Task) -> Text:
        total = int(task.total or 0)
        text = Text(f"{int(task.completed):>{len(str(total))}}/{total}", style="dim")
        if task.fields.get("failed"):
            text.append(f"  {task.fields['failed']} failed", style="red")
        return text


class _Name(ProgressColumn):
    def render(self, task: Task) -> Text:
        ended = task.total is not None and task.completed >= task.total
        return Text(safe(task.description), style="green" if ended else "")


class _StageBars(Progress):
    """One run group's stages at a time: the one that was heard of last."""

    def __init__(self, console: Console) -> None:
        self._summary = Text()
        self._group: int | None = None
        self._tasks_of: dict[str, TaskID] = {}
        super().__init__(_Name(), BarColumn(bar_width=32), _Counted(), console=console, transient=True)

    def show(self, event: ProgressEvent) -> None:
        if event.run_group_id != self._group:
            for task in self._tasks_of.values():
                self.remove_task(task)
            self._group, self._tasks_of = event.run_group_id, {}
        self._summary = Text(progress_line(event), style="bold")
        for stage in event.stages:
            if stage.name not in self._tasks_of:
                self._tasks_of[stage.name] = self.add_task(stage.name, total=stage.total)
            done = stage.done + stage.failed
            self.update(self._tasks_of[stage.name], completed=done, total=stage.total, failed=stage.failed)

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self._summary
        yield self.make_tasks_table(self.tasks)
