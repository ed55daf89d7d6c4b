"""Embedding models as text."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from docmill.cli.console import safe
from docmill.cli.text.dispatch import View, render
from docmill.cli.text.pieces import count, more, size, table
from docmill.domain.results import ModelEntry, ModelInstalled, ModelList, ModelServed, ModelVerified


@render.register
def _(result: ModelList, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    made = table("model", "", "dimension", "tokens", "size", "note", right=("dimension", "tokens", "size"))
    for each in result.models:
        made.add_row(
            Text(safe(each.name), style="bold" if each.installed else ""),
            _state(each),
            str(each.dimension),
            str(each.max_tokens),
            size(each.size_bytes),
            safe(each.note or ""),
        )
    cache = Text(f"cache: {safe(result.cache)}", style="dim")
    return [made, *more(result, len(result.models), "model"), cache]


@render.register
def _(result: ModelInstalled, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    return [Text.assemble(safe(result.message), (f"  {size(result.size_bytes)} in {safe(result.path)}", "dim"))]


@render.register
def _(result: ModelVerified, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    parts: list[RenderableType] = [
        Text.assemble(("damaged  ", "red"), (safe(each.name), "bold"), f"  {safe(each.file)}: {safe(each.problem)}")
        for each in result.findings
    ]
    checked = count(len(result.checked), "model")
    if result.clean:
        return [Text.assemble((f"{checked} checked", "bold green"), ", all whole")]
    parts.append(Text(f"{checked} checked, {count(len(result.findings), 'finding')}", style="bold red"))
    parts.append(Text.assemble(("mend it: ", "dim"), f"docmill models install {safe(result.findings[0].name)}"))
    return parts


@render.register
def _(result: ModelServed, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    """The address alone on its line, for scripts; then what clients want to know."""
    lines = {
        "OpenAI": result.openai_url,
        "Ollama": result.ollama_url,
        "model": f"{safe(result.model)}{'' if result.quantization == 'fp32' else f' as {result.quantization}'}, "
        f"{result.dimension} dimensions, {result.max_tokens} tokens",
    }
    rows = [Text.assemble((f"  {name:<8}", "dim"), value) for name, value in lines.items()]
    return [Text(result.address, style="bold"), *rows]


def _state(entry: ModelEntry) -> Text:
    if entry.installed:
        return Text("installed", style="green")
    return Text("available", style="cyan") if entry.available else Text("to download", style="dim")
