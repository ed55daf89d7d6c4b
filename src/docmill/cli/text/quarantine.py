"""The quarantine as text."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from docmill.cli.console import safe
from docmill.cli.text.dispatch import View, render
from docmill.cli.text.following import log_line
from docmill.cli.text.pieces import count, moment, more, pairs, size, table
from docmill.domain.results import (
    LogRecord,
    QuarantineList,
    QuarantineReleased,
    QuarantineShown,
    WorkerDeath,
)


@render.register
def _(result: QuarantineList, view: View) -> list[RenderableType]:
    if not result.total:
        return [Text("nothing is in quarantine")]
    made = table("document", "code", "", "deaths", "by", "since", right=("deaths",))
    for each in result.documents:
        made.add_row(
            Text(safe(each.uri), style="bold"),
            Text(safe(each.error_code), style="red"),
            "held" if each.held else Text("due", style="cyan"),
            f"{each.worker_deaths:,}" if each.worker_deaths else "",
            safe(_cause(each.signal, each.exit_code)),
            moment(each.occurred_at),
        )
    parts: list[RenderableType] = [made, *more(result, len(result.documents), "document")]
    if view.terminal and result.held:
        parts.append(Text.assemble(("try them again: ", "dim"), "docmill quarantine release --all && docmill sync"))
    return parts


@render.register
def _(result: QuarantineShown, view: View) -> list[RenderableType]:
    each = result.document
    held = "held until it is released" if each.held else "due: the next sync or start tries it"
    deaths = count(each.worker_deaths, "worker") if each.worker_deaths else None
    parts: list[RenderableType] = [
        pairs(
            [
                ("document", Text(safe(each.uri), style="bold")),
                ("source", f"{each.source}, batch {each.batch_id}"),
                ("id", each.document_id),
                ("type", f"{each.type or 'unknown'}, {size(each.size_bytes)}"),
                ("status", held),
                ("error", f"{each.error_code} at {each.stage}: {each.error_message}"),
                ("hint", each.hint),
                ("since", moment(each.occurred_at)),
                ("took down", deaths),
                *(("died" if n == 0 else "", _death(death)) for n, death in enumerate(result.deaths)),
            ]
        )
    ]
    if result.logs:
        parts += ["", *(log_line(_about_itself(entry)) for entry in result.logs)]
    if view.terminal and each.held:
        parts.append(Text.assemble(("try it again: ", "dim"), f"docmill quarantine release {each.document_id}"))
    return parts


@render.register
def _(result: QuarantineReleased, view: View) -> list[RenderableType]:
    parts: list[RenderableType] = [Text(safe(result.message))]
    if result.dry_run or view.verbose:
        parts += [
            Text.assemble("  ", safe(each.uri), (f"  {safe(each.error_code)}", "dim")) for each in result.documents
        ]
    return parts


def _about_itself(entry: LogRecord) -> LogRecord:
    """Without what all of these lines say."""
    said = {name: value for name, value in entry.context.items() if name not in ("uri", "document_id")}
    return entry.model_copy(update={"context": said})


def _cause(signal: str | None, exit_code: int | None) -> str:
    return signal or ("" if exit_code is None else f"exit code {exit_code}")


def _death(death: WorkerDeath) -> str:
    said = f": {death.last_words}" if death.last_words else ""
    return f"{moment(death.at)}  {_cause(death.signal, death.exit_code)}{said}"
