"""Where the bytes of a document lie: the one rule, for files that people keep and for copies of what was fetched. Pure.

The URI of a file is a path, relative to its source's folder or absolute, and never begins with ``http://``: no path
that a scan or an ``ingest`` makes holds two slashes in a row. The URI of what came from the web is its address, and its
bytes lie under the home, so that a home can be moved. So do those of what lies in another document, whose URI goes on
behind that one's with ``!/``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from docmill.domain import uris
from docmill.domain.identity import CONTENT_PREFIX

DOWNLOADS = "downloads"
_WEB = ("http://", "https://")


def is_address(uri: str) -> bool:
    """Whether it names something on the web, rather than a file."""
    return uri.startswith(_WEB)


def member_uri(container: str, name: str) -> str:
    """Of what lies in another document."""
    return f"{container}!/{name}"


def outermost_uris(documents: Mapping[str, tuple[str, str | None]]) -> dict[str, str]:
    """Of each document, by its id, the URI of the file that it lies in at last; a file's own. ``documents``: URI and
    parent by id. Rules of a source speak of files.
    """
    found: dict[str, str] = {}
    for document_id, (uri, parent_id) in documents.items():
        while parent_id is not None and parent_id in documents:
            uri, parent_id = documents[parent_id]
        found[document_id] = uri
    return found


def copy_path(home: Path, content_hash: str, suffix: str) -> Path:
    """Where a copy with these bytes lies. The same bytes under two addresses are kept once.

    A new content is another file, so that the copy of what state.db still tells of is there until state.db tells of the
    new one. The suffix is part of the name, as it decides between kinds of text.
    """
    digest = content_hash.removeprefix(CONTENT_PREFIX)
    return home / DOWNLOADS / digest[:2] / f"{digest}{suffix}"


def document_path(
    home: Path, folder: str | None, uri: str, content_hash: str, suffix: str, parent_id: str | None
) -> Path:
    """The file that a document's steps read. ``folder`` is that of its source, as state.db holds it."""
    if parent_id is not None or is_address(uri):
        return copy_path(home, content_hash, suffix)
    return Path(uris.decode(folder or "/")) / uris.decode(uri)
