"""Sources: the named folders that a home follows."""

from __future__ import annotations

from docmill.domain.results.shared import Page, Result


class SourceRule(Result):
    """What holds for files that ``glob`` matches."""

    glob: str
    set: list[str]
    meta: dict[str, str]


class SourceRecord(Result):
    """``folder`` None: its documents were named one by one, or fetched. ``there``: whether its folder is."""

    name: str
    folder: str | None
    there: bool
    batch_id: int | None
    workflow: str
    params: str
    set: list[str]
    include: list[str]
    exclude: list[str]
    rules: list[SourceRule]
    documents: int
    failed: int
    created_at: str


class SourceList(Page):
    sources: list[SourceRecord]


class SourceChanged(Result):
    """What ``source add`` and ``source relocate`` answer."""

    source: SourceRecord
    message: str


class SourceRemoved(Result):
    """``leaving``: databases whose rows of it go with their next window, as an engine was at work."""

    name: str
    dry_run: bool
    message: str
    deleted_documents: int
    leaving: list[str]


class SourceStatus(Result):
    """URIs by how they stand against what is known: of the folder as it is, or of hashes that were given.

    ``renamed``: new URIs of known content whose own URI is gone; they are in neither ``new`` nor ``deleted``.
    """

    source: str
    folder: str | None
    compared_with: str
    new: list[str]
    changed: list[str]
    renamed: list[str]
    deleted: list[str]
    matched: list[str]
    unreadable: list[str]
