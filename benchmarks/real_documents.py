"""The real files that benchmarks read: folders named by DOCMILL_BENCH_DOCUMENTS, and the sets that are taken from them.

A document may lie there in several formats, with the same text in each. docmill embeds a text once, however often it
occurs, and others do not; so the sets here hold each document once.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections import defaultdict
from pathlib import Path

VARIABLE = "DOCMILL_BENCH_DOCUMENTS"
FORMATS = (".md", ".html", ".docx", ".pptx", ".pdf")


def folders() -> list[Path]:
    """Exits 2 where there are none."""
    found = [Path(each).expanduser() for each in os.environ.get(VARIABLE, "").split(os.pathsep) if each]
    if not found or not all(folder.is_dir() for folder in found):
        print(
            f"this needs real documents: name their folders in {VARIABLE}, separated by {os.pathsep!r}", file=sys.stderr
        )
        raise SystemExit(2)
    return found


def markdown(to: Path, *, every: int = 1) -> int:
    """Copy the markdown files; of them each ``every``th. Gives their number."""
    paths = [(folder, path) for folder in folders() for path in sorted(folder.rglob("*.md"))][::every]
    for folder, path in paths:
        _copy(folder, path, to)
    return len(paths)


def mixed(to: Path, *, every: int = 1) -> int:
    """Copy each document in one of its formats, taking turns, so that all formats come and no text comes twice.

    Documents are alike where the first folder below the root, and the name without its suffix, are.
    """
    documents: dict[tuple[Path, str, str], dict[str, Path]] = defaultdict(dict)
    for folder in folders():
        for path in sorted(folder.rglob("*")):
            if path.suffix in FORMATS:
                documents[folder, path.relative_to(folder).parts[0], path.stem.strip()][path.suffix] = path
    chosen = list(documents.items())[::every]
    for number, ((folder, _, _), paths) in enumerate(chosen):
        _copy(folder, paths.get(FORMATS[number % len(FORMATS)]) or next(iter(paths.values())), to)
    return len(chosen)


def _copy(folder: Path, path: Path, to: Path) -> None:
    target = to / folder.name / path.relative_to(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)
