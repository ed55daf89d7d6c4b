"""Checks the copies of what was fetched from the web, or lies in other documents: each is named by its content."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

from docmill.domain.identity import CONTENT_PREFIX
from docmill.domain.places import DOWNLOADS, copy_path
from docmill.service.verify.diagnosis import Diagnosis
from docmill.stores.queries import Queries

_COPIED = (
    "SELECT d.uri, d.content_hash, d.suffix, d.parent_id, p.database FROM document d"
    " LEFT JOIN placement p ON p.document_id = d.parent_id AND p.state = 'stored' WHERE d.state = 'active'"
    " AND (d.parent_id IS NOT NULL OR d.uri GLOB 'http://*' OR d.uri GLOB 'https://*')"
)
_SETTLES_S = 60.0


def check_copies(home: Path, queries: Queries, found: Diagnosis, *, quick: bool, in_use: bool) -> None:
    """What lies in a document is unpacked again by reading that; what was fetched can only be fetched again."""
    faults: dict[Path, str | None] = {}
    for row in queries.rows(_COPIED):
        path = copy_path(home, row["content_hash"], row["suffix"])
        if path not in faults:
            faults[path] = _fault(path, row["content_hash"], quick=quick, in_use=in_use)
        code = faults[path]
        if code is None:
            continue
        if row["parent_id"] is None:
            found.add(f"FETCHED_{code}", DOWNLOADS, row["uri"], hint=f"docmill ingest {row['uri']}")
        else:
            found.add(f"MEMBER_{code}", DOWNLOADS, row["uri"])
            if code == "DAMAGED":
                found.files.add(path)
            if row["database"] is not None:
                found.remake[row["database"]].add(row["parent_id"])


def _fault(path: Path, content_hash: str, *, quick: bool, in_use: bool) -> str | None:
    try:
        if in_use and time.time() - path.stat().st_mtime < _SETTLES_S:
            return None
        if quick:
            return None if path.is_file() else "MISSING"
        with path.open("rb") as file:
            same = hashlib.file_digest(file, "sha256").hexdigest() == content_hash.removeprefix(CONTENT_PREFIX)
    except FileNotFoundError:
        return None if in_use else "MISSING"
    except OSError:
        return "DAMAGED"
    return None if same else "DAMAGED"
