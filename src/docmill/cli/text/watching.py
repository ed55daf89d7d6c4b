"""What a ``watch`` has done, as text."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from docmill.cli.console import safe
from docmill.cli.text.dispatch import View, render
from docmill.cli.text.pieces import count
from docmill.domain.results import FolderWatched, WatchResult

_CHANGES = ("new", "changed", "renamed", "deleted")


@render.register
def _(result: WatchResult, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    documents, chunks = result.documents, result.chunks
    done = f"{count(documents.completed, 'document')}, {count(chunks.embedded, 'chunk')} embedded"
    line = Text.assemble(safe(result.message), (f"  {done}", "dim"))
    if documents.failed:
        line.append(f"  {documents.failed:,} failed", style="red")
    return [line, *(_folder(each) for each in result.folders)]


def _folder(each: FolderWatched) -> Text:
    counts = {name: getattr(each, name) for name in _CHANGES}
    told = ", ".join(f"{number:,} {name}" for name, number in counts.items() if number) or "nothing changed"
    return Text.assemble("  ", (safe(each.source or each.folder), "bold"), f"  {told}", (_how(each), "dim"))


def _how(each: FolderWatched) -> str:
    return f"  {count(each.syncs, 'sync')}{', polled' if each.polled else ''}"
