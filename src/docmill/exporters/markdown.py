"""A folder of readable files: of each document its text as Markdown, and beside it what is known of it, as JSON.

``<source>/<uri>.md`` and ``<source>/<uri>.json``. Parts of names that are too long for a file system are cut, and end
in a piece of the document's id.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any, Literal

from docmill.domain.contracts import Export, ExportedDocument
from docmill.domain.terminal import json_text

_LONGEST_BYTES = 200  # of a file's name; most file systems take 255, endings included


class MarkdownExporter:
    suffix = ""
    folder: Literal[True] = True
    needs: tuple[str, ...] = ("text",)

    def write(self, export: Export, folder: Path) -> int:
        count = 0
        for document in export.documents():
            place = folder / _place(document)
            place.parent.mkdir(parents=True, exist_ok=True)
            _beside(place, ".md").write_text(export.markdown(document), "utf-8", newline="")
            _beside(place, ".json").write_text(json_text(_known(document), indent=1) + "\n", "utf-8")
            count += len(document.passages)
        return count


def _place(document: ExportedDocument) -> PurePosixPath:
    """Below the folder, whatever the URI says: addresses have empty parts, and nothing keeps ``..`` out of a name."""
    parts = [document.source, *document.uri.split("/")]
    return PurePosixPath(*(_fitting(part, document.document_id) for part in parts if part not in ("", ".", "..")))


def _fitting(part: str, document_id: str) -> str:
    encoded = part.replace("\0", "").encode("utf-8", "surrogateescape")
    if len(encoded) <= _LONGEST_BYTES:
        return part.replace("\0", "")
    return f"{encoded[:_LONGEST_BYTES].decode('utf-8', 'ignore')}~{document_id[:8]}"


def _beside(place: Path, ending: str) -> Path:
    return place.with_name(place.name + ending)


def _known(document: ExportedDocument) -> dict[str, Any]:
    """Without what the Markdown says."""
    names = ("document_id", "uri", "source", "title", "type", "version", "content_hash", "created_at", "updated_at")
    repeated = {*names, "text", "metadata"}
    return {
        **{name: getattr(document, name) for name in names},
        "metadata": document.metadata,
        "passages": [{name: value for name, value in row.items() if name not in repeated} for row in document.passages],
    }


PLUGIN = MarkdownExporter()
