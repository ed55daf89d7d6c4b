"""The files of a batch as text."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from docmill.cli.console import safe
from docmill.cli.text.dispatch import View, render
from docmill.cli.text.outcomes import endings
from docmill.cli.text.pieces import more, size, status_text, table
from docmill.domain.results import DegradedDocument, DocumentProblem, FileList, FileRecord


@render.register
def _(result: FileList, view: View) -> list[RenderableType]:
    """Those with errors under their codes; else a table, in which verbose says below a name why it ended so."""
    if not result.total:
        return [Text("no files with errors" if result.has_errors else "no files")]
    if result.has_errors:
        return [*_grouped(result, view), *more(result, len(result.files), "file")]
    made = table("file", "type", "status", "pages", "chunks", "size", right=("pages", "chunks", "size"))
    for each in result.files:
        name = Text(safe(each.uri), style="bold")
        said = [each.error_message] if each.error_message else each.reasons
        made.add_row(
            name.append(f"\n{safe(', '.join(said))}", style="not bold dim") if said and view.verbose else name,
            safe(each.type or ""),
            _file_status(each),
            f"{each.pages:,}" if each.pages is not None else "",
            f"{each.chunk_count:,}" if each.status == "completed" else "",
            size(each.size_bytes),
        )
    parts: list[RenderableType] = [made, *more(result, len(result.files), "file")]
    counts = result.outcomes
    bad = [f"{counts.failed_documents:,} failed"] if counts.failed_documents else []
    bad += [f"{counts.degraded_documents:,} degraded"] if counts.degraded_documents else []
    if bad and view.terminal:
        why = f"docmill files list {result.batch_id} --has-errors"
        parts.append(Text.assemble((f"{', '.join(bad)}; by their codes: ", "dim"), why))
    return parts


def _grouped(result: FileList, view: View) -> list[RenderableType]:
    """Every file of the page, as a list leaves nothing out."""
    errors = [
        DocumentProblem(
            stage=each.stage or "",
            error_message=each.error_message or "",
            occurred_at=each.occurred_at or "",
            permanent=bool(each.permanent),
            error_code=each.error_code,
            **each.model_dump(include={"document_id", "uri", "filename", "retry_count", "hint"}),
        )
        for each in result.files
        if each.error_code is not None
    ]
    degraded = [
        DegradedDocument(**each.model_dump(include=set(DegradedDocument.model_fields)))
        for each in result.files
        if each.degraded
    ]
    parts = endings(errors, degraded, result.outcomes, verbose=view.verbose, most=None)
    return parts[1:]  # without the empty line in front


def _file_status(each: FileRecord) -> Text:
    if each.degraded:
        return Text("degraded", style="yellow")
    return Text(safe(each.error_code), style="red") if each.error_code else status_text(each.status)
