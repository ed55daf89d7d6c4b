"""Checks the folders of the sources: whether their files are those that were synced last."""

from __future__ import annotations

from pathlib import Path

from docmill.domain.sources import Wishes
from docmill.errors import DocmillError, NotAllowedError
from docmill.service import sources
from docmill.service.looking import look, refuse_mass_deletion
from docmill.service.verify.diagnosis import Diagnosis
from docmill.stores.queries import Queries


def check_folders(home: Path, queries: Queries, found: Diagnosis, *, checksum: bool, in_use: bool) -> None:
    """``checksum``: every file is read, whatever its times say. ``in_use``: an engine may be about to see a change."""
    sql = (
        "SELECT s.name, s.folder, b.status FROM source s JOIN batch b ON b.id = s.batch_id"
        " WHERE s.folder IS NOT NULL ORDER BY s.name"
    )
    for row in queries.rows(sql):
        folder = sources.folder_path(row["folder"])
        assert folder is not None
        if not folder.is_dir():
            gone = f"docmill documents cleanup-orphans --source {row['name']}"
            hint = f"mount it; where it is gone for good, `{gone}` takes its documents out"
            found.add("FOLDER_MISSING", row["name"], str(folder), hint=hint)
        elif row["status"] != "paused":  # what is paused is left as it is
            _check(home, folder, row["name"], found, checksum=checksum, in_use=in_use)


def _check(home: Path, folder: Path, name: str, found: Diagnosis, *, checksum: bool, in_use: bool) -> None:
    try:
        one = look(home, folder, name, Wishes(), checksum=checksum, though_paused=True)
    except DocmillError as error:
        found.add("FOLDER_MISSING", name, error.message, hint=error.hint)
        return
    found.counts["folder_files"] += len(one.scan.files)
    changes = one.changes
    told = [
        *(f"new: {each.file.uri}" for each in changes.new),
        *(f"changed: {document.uri}" for document, _hashed in changes.changed),
        *(f"renamed: {document.uri} to {hashed.file.uri}" for document, hashed in changes.renamed),
        *(f"gone: {each.uri}" for each in changes.deleted),
    ]
    if not told or in_use:
        return
    try:
        refuse_mass_deletion(one)
    except NotAllowedError as error:
        found.add("FOLDER_EMPTIED", name, told[0], count=len(told), hint=error.hint)
        return
    for each in told:
        found.add("FOLDER_CHANGED", name, each)
    found.sync[name] = folder
