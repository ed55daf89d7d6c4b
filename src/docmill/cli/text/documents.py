"""Documents as text."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from docmill.cli.console import safe
from docmill.cli.text.dispatch import View, render
from docmill.cli.text.outcomes import page_words, silent_pages
from docmill.cli.text.pieces import count, moment, more, pairs, size, status_text, table
from docmill.domain.results import (
    DocumentDeleted,
    DocumentHistory,
    DocumentList,
    DocumentPlacement,
    DocumentRecord,
    DocumentRestored,
    DocumentShown,
    ReasonShown,
)


@render.register
def _(result: DocumentList, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    if not result.total:
        return [Text("no documents")]
    made = table("uri", "source", "type", "status", "chunks", "version", "size", right=("chunks", "version", "size"))
    for each in result.documents:
        made.add_row(
            Text(safe(each.uri), style="bold"),
            safe(each.source),
            safe(each.type or ""),
            _status(each),
            f"{each.chunk_count:,}",
            str(each.version),
            size(each.size_bytes),
        )
    return [made, *more(result, len(result.documents), "document")]


@render.register
def _(result: DocumentShown, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    each, error = result.document, result.error
    state = "" if each.state == "active" else f", {each.state}"
    return [
        pairs(
            [
                ("document", Text(safe(each.uri), style="bold")),
                ("source", f"{each.source}, batch {each.batch_id}"),
                ("id", each.document_id),
                ("copy" if result.origin else "file", result.path),
                ("fetched", _origin(result.origin) if result.origin else None),
                ("type", f"{each.type or 'unknown'}, {size(each.size_bytes)}"),
                ("status", f"{each.status}{', degraded' if each.degraded else ''}{state}"),
                ("error", f"{error.error_code} at {error.stage}: {error.error_message}" if error else None),
                ("hint", error.hint if error else None),
                *(row for reason in result.reasons for row in (("degraded", _reason(reason)), ("hint", reason.hint))),
                *(("warning", each) for each in result.warnings),
                ("text", page_words(result.text_yield) if result.text_yield else None),
                ("no text on", silent_pages(result.text_yield)),
                ("version", f"{each.version}, since {moment(each.updated_at)}"),
                ("content", each.content_hash),
                *(("metadata" if n == 0 else "", f"{key}: {value}") for n, (key, value) in _numbered(result.metadata)),
                *(("database" if n == 0 else "", _place(place)) for n, place in enumerate(result.databases)),
            ]
        )
    ]


@render.register
def _(result: DocumentHistory, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    made = table("time", "event", "version", "size", "content", "uri", right=("version", "size"))
    for each in result.events:
        made.add_row(
            moment(each.at),
            Text(safe(each.event), style="bold"),
            str(each.version),
            size(each.size_bytes),
            safe(each.content_hash.removeprefix("sha256-")[:12]),
            safe(each.uri),
        )
    return [made, *more(result, len(result.events), "event")]


@render.register
def _(result: DocumentDeleted, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    freed = f", {size(result.bytes_freed)} freed" if result.bytes_freed else ""
    parts = [
        Text.assemble(safe(result.message), (f"  {count(result.statistics.total_deleted, 'record')}{freed}", "dim"))
    ]
    if result.leaving:
        names = safe(", ".join(result.leaving))
        parts.append(Text(f"its passages leave {names} with the next window there", style="yellow"))
    return list(parts)


@render.register
def _(result: DocumentRestored, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    return [Text(safe(result.message))]


def _status(each: DocumentRecord) -> Text:
    if each.degraded:
        return Text("degraded", style="yellow")
    failed = each.status == "failed" and each.error_code
    return Text(safe(each.error_code), style="red") if failed else status_text(each.status)


def _reason(reason: ReasonShown) -> str:
    said = "; ".join(reason.messages) or reason.meaning
    return f"{reason.code}: {said}" if said else reason.code


def _numbered(metadata: dict[str, object]) -> list[tuple[int, tuple[str, object]]]:
    return list(enumerate(sorted(metadata.items())))


def _origin(origin: dict[str, str]) -> str:
    stated = origin.get("last_modified")
    return moment(origin.get("fetched_at")) + (f", changed {safe(stated)}" if stated else "")


def _place(place: DocumentPlacement) -> str:
    standing = "" if place.current else ", leaving" if place.state == "leaving" else ", not yet current"
    return f"{place.database}: {count(place.chunk_count, 'chunk')}{standing}"
