"""What ``verify`` found, as text."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from docmill.cli.console import safe
from docmill.cli.text.dispatch import View, render
from docmill.cli.text.pieces import count, pairs
from docmill.domain.results import VerifyCounts, VerifyFinding, VerifyResult

_SHOWN = 3


@render.register
def _(result: VerifyResult, view: View) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for each in result.findings:
        parts += _finding(each, view)
    told = {(each.code, each.where) for each in result.findings}
    for each in result.remaining:
        if (each.code, each.where) not in told:
            parts += [Text("found by the repair, and left:", style="yellow"), *_finding(each, view)]
    if parts:
        parts.append(Text(""))
    parts.append(_verdict(result))
    if result.repaired:
        work = f"{count(result.documents_stored, 'document')} stored, {count(result.chunks_embedded, 'text')} embedded"
        parts.append(pairs([("repair", work)]))
    parts.append(pairs([*_checked(result.checked, quick=result.quick), ("time", f"{result.seconds:.1f} s")]))
    if result.in_use:
        parts.append(Text("an engine was at work meanwhile: what it has in its hands was passed over", style="yellow"))
    parts += [Text(f"moved out of the way, can be deleted: {safe(each)}", style="dim") for each in result.set_aside]
    return parts


def _verdict(result: VerifyResult) -> Text:
    if result.clean:
        return Text("repaired: all agrees now" if result.repaired else "all agrees", style="green")
    if result.repaired:
        return Text("some of it could not be repaired", style="bold red")
    if not any(each.repair for each in result.findings):
        return Text("not all agrees", style="bold red")
    return Text("not all agrees; `docmill verify --repair` does what is said above", style="bold red")


def _finding(each: VerifyFinding, view: View) -> list[RenderableType]:
    parts: list[RenderableType] = [
        Text.assemble(
            (f"{each.code} ", "green" if each.repaired else "bold red"),
            (f"{safe(each.where)}: ", "bold"),
            safe(each.message),
            f" ({each.count:,})" if each.count > 1 else "",
        )
    ]
    shown = each.examples if view.verbose else each.examples[:_SHOWN]
    parts += [Text(f"    {safe(example)}", style="dim") for example in shown]
    if each.count > len(shown) and shown:
        parts.append(Text(f"    and {each.count - len(shown):,} more", style="dim"))
    if each.repaired:
        parts.append(Text("  repaired", style="green"))
    elif each.repair:
        parts.append(Text(f"  --repair {safe(each.repair)}"))
    if each.hint and not each.repaired:
        parts.append(Text(f"  hint: {safe(each.hint)}", style="cyan"))
    return parts


def _checked(checked: VerifyCounts, *, quick: bool) -> list[tuple[str, str | None]]:
    files = count(checked.folder_files, "file")
    due = f", {checked.documents_due:,} of them due and not compared" if checked.documents_due else ""
    rows = f"{count(checked.rows, 'row')} in {count(checked.databases, 'database')}"
    compared = f", {checked.rows_compared:,} compared with their outputs" if not quick else ""
    contents = f", {count(checked.files_checked, 'file')} by checksum" if checked.files_checked else ""
    return [
        ("folders", f"{count(checked.sources, 'source')}, {files}"),
        ("documents", f"{checked.documents:,}{due}"),
        ("artifacts", f"{checked.artifacts:,}"),
        ("databases", f"{rows}{compared}{contents}"),
        ("vectors", f"{checked.cached_vectors:,} in the cache" if not quick else None),
    ]
