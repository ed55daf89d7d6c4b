"""Writes what a source's rules give its documents: parameters and metadata of their own."""

from __future__ import annotations

import json

from docmill.domain.events import now
from docmill.domain.places import outermost_uris
from docmill.domain.sources import SourceSettings
from docmill.stores.state.database import Transaction


def apply(tx: Transaction, source: str, before: SourceSettings | None, settings: SourceSettings) -> None:
    """Bring every document of a source to what the rules say of its URI. ``before``: what was said until now.

    What lies in a file has what the rules say of that. Metadata that no rule gave stays. Other metadata makes a new
    version of a document, unless nothing has been made of it yet.
    """
    earlier = before or SourceSettings()
    if not settings.rules and not earlier.rules:
        return
    rows = tx.rows(
        "SELECT id, uri, parent_id, profile, meta, EXISTS (SELECT 1 FROM run WHERE document_id = d.id)"
        " OR EXISTS (SELECT 1 FROM placement WHERE document_id = d.id) AS begun FROM document d"
        " WHERE source = ? AND state = 'active'",
        [source],
    )
    at = now()
    profiles: list[tuple[str, str]] = []
    first: list[tuple[str, str]] = []
    described: list[tuple[str, str, str]] = []
    files = outermost_uris({row.id: (row.uri, row.parent_id) for row in rows})
    for row in rows:
        uri = files[row.id]
        profile = settings.profile(uri)
        if profile != row.profile:
            profiles.append((profile, row.id))
        old, given = json.loads(row.meta), settings.metadata(uri)
        if row.parent_id is not None:
            given.pop("title", None)  # that of the file
        taken = {key for key, value in earlier.metadata(uri).items() if old.get(key) == value}
        new = {key: value for key, value in old.items() if key not in taken} | given
        if new != old:
            text = json.dumps(new, ensure_ascii=False)
            if row.begun:
                described.append((text, at, row.id))
            else:
                first.append((text, row.id))
    tx.many("UPDATE document SET profile = ? WHERE id = ?", profiles)
    tx.many(
        "UPDATE document SET meta = ?, updated_at = ?, version = version + 1, failed_key = NULL, outcome = NULL"
        " WHERE id = ?",
        described,
    )
    tx.many("UPDATE document SET meta = ? WHERE id = ?", first)
    tx.many("UPDATE placement SET settled_key = NULL WHERE document_id = ?", [(each,) for *_, each in described])
    tx.many(
        "INSERT INTO document_version (document_id, version, event, uri, content_hash, size_bytes, batch_id, at)"
        " SELECT id, version, 'described', uri, content_hash, size_bytes, batch_id, ? FROM document WHERE id = ?",
        [(at, each) for *_, each in described],
    )
