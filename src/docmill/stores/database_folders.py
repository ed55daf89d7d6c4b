"""What folders and files alone tell of a home's databases. It does without LanceDB, whose import is felt."""

from __future__ import annotations

import os
from pathlib import Path

from docmill.stores.schemas import CHUNKS, DOCUMENTS, SETTINGS

PUBLISHED = "published"  # the tag that readers are sent to


def databases(home: Path) -> list[str]:
    """Names of the databases of a home."""
    folder = home / "lancedb"
    if not folder.is_dir():
        return []
    found = (each for each in folder.iterdir() if not each.name.startswith("."))
    return sorted(each.name for each in found if (each / f"{SETTINGS}.lance").is_dir())


def is_whole(home: Path, name: str) -> bool:
    """Whether all tables of a database have their folders."""
    return all((home / "lancedb" / name / f"{table}.lance").is_dir() for table in (SETTINGS, DOCUMENTS, CHUNKS))


def is_published(home: Path, name: str) -> bool:
    """Whether readers have been sent to a version of each table that holds documents."""
    tables = (home / "lancedb" / name / f"{table}.lance" for table in (DOCUMENTS, CHUNKS))
    return all((table / "_refs" / "tags" / f"{PUBLISHED}.json").is_file() for table in tables)


def size_and_files(folder: Path) -> tuple[int, int]:
    """Bytes and number of all files below; files that vanish meanwhile count nothing."""
    total = files = 0
    for path, _folders, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_size  # noqa: PTH118 - called for thousands of files
            except FileNotFoundError:
                continue
            files += 1
    return total, files


def size_bytes(folder: Path) -> int:
    return size_and_files(folder)[0]
