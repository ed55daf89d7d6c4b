"""``source``: the named folders that a home follows. Adding one, moving it, taking it out, and how it stands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from docmill.domain import uris
from docmill.domain.identity import CONTENT_PREFIX
from docmill.domain.results import (
    SourceChanged,
    SourceList,
    SourceRecord,
    SourceRemoved,
    SourceRule,
    SourceStatus,
)
from docmill.domain.sources import Rule, SourceSettings, Wishes
from docmill.errors import AlreadyExists, DefinitionError, InvalidState, NotAllowedError, NotFoundError, UsageError
from docmill.service import completion_reports, sources
from docmill.service.looking import look, require_folder
from docmill.settings import Settings, find_home
from docmill.stores.queries import Queries, Row, reading

_COUNTS = (
    "SELECT s.*, (SELECT COUNT(*) FROM document d WHERE d.source = s.name AND d.state = 'active') AS documents,"
    " (SELECT COUNT(*) FROM document d WHERE d.source = s.name AND d.state = 'active' AND d.outcome = 'failed')"
    " AS failed FROM source s"
)
_HASH = re.compile(r"(?:sha256[:-])?([0-9a-f]{64})\Z")
_NAME = re.compile(r"[^\s/\\][^/\\\n]{0,99}\Z")


def add(
    settings: Settings, name: str, folder: Path, wishes: Wishes, *, reports: Mapping[str, object] | None = None
) -> SourceChanged:
    """Make a source known; its next ``sync`` reads it. One of that name and folder is told anew what holds for it.

    ``reports``: what ``completion_reports.configuration`` gives.

    Raises NotFoundError for a folder that is not there, AlreadyExists where the name or the folder is another source's,
    DefinitionError where the definitions cannot be used together.
    """
    if not _NAME.match(name):
        raise UsageError(f"{name!r} cannot be a source's name", hint="letters, digits and dashes, for example")
    home = find_home(settings)
    folder = folder.expanduser().absolute()
    require_folder(folder)
    wanted = SourceSettings().told(wishes)
    _require_usable(home, wanted)
    with reading(home) as queries:
        known, there = queries.source(name), queries.source_of_folder(sources.folder_text(folder))
        batch = queries.row("SELECT * FROM batch WHERE id = ?", [known["batch_id"]]) if known else None
    if known is not None and known["folder"] != sources.folder_text(folder):
        raise AlreadyExists(
            f"source {name!r} is {known['folder'] or 'not a folder'}",
            hint=f"docmill source relocate {name} FOLDER, if it has moved",
        )
    if there is not None and there["name"] != name:
        raise AlreadyExists(f"{folder} is followed as source {there['name']!r} already")
    from docmill.service.controlling import writing
    from docmill.stores.state import catalogue, groups, ruling

    with writing(home) as state, state.transaction() as tx:
        batch_id = tx.value("SELECT batch_id FROM source WHERE name = ?", [name])
        if batch_id is None:
            batch_id = groups.create_batch(tx, sources.batch_row(name, "incremental"))
        catalogue.add_source(tx, name, sources.folder_text(folder), batch_id)
        catalogue.remember(tx, name, wanted)
        completion_reports.set_for(tx, batch_id, reports or {})
        ruling.apply(tx, name, SourceSettings.of(known, batch) if known and batch else None, wanted)
    told = "is told anew what holds for it" if known else "is known"
    return SourceChanged(source=show(settings, name), message=f"source {name} {told}; its next sync reads it")


def list_sources(settings: Settings, *, limit: int, offset: int) -> SourceList:
    with reading(find_home(settings)) as queries, queries.snapshot():
        total = int(queries.value("SELECT COUNT(*) FROM source"))
        rows = queries.rows(f"{_COUNTS} ORDER BY s.name LIMIT ? OFFSET ?", [limit, offset])
        return SourceList(sources=[_record(queries, row) for row in rows], total=total, limit=limit, offset=offset)


def show(settings: Settings, name: str) -> SourceRecord:
    """Raises NotFoundError."""
    with reading(find_home(settings)) as queries, queries.snapshot():
        return _record(queries, _row(queries, name))


def relocate(settings: Settings, name: str, folder: Path) -> SourceChanged:
    """Point a source to where its folder lies now. Documents, versions and passages stay: URIs are relative to it.

    Raises NotFoundError, AlreadyExists where another source is that folder, NotAllowedError where no file of the source
    lies there.
    """
    home = find_home(settings)
    folder = folder.expanduser().absolute()
    require_folder(folder)
    text = sources.folder_text(folder)
    with reading(home) as queries:
        row = _row(queries, name)
        there = queries.source_of_folder(text)
        known = queries.known_documents(name)
    if row["folder"] is None:
        raise NotAllowedError(f"source {name!r} is not a folder: its documents were named one by one")
    if there is not None and there["name"] != name:
        raise AlreadyExists(f"{folder} is followed as source {there['name']!r} already")
    found = sum(1 for uri in known if (folder / uris.decode(uri)).exists())
    if known and not found:
        raise NotAllowedError(
            f"none of the {len(known)} documents of source {name!r} lies in {folder}",
            hint="name the folder that they have moved to; for another one, `docmill source add`",
        )
    from docmill.service.controlling import writing

    with writing(home) as state, state.transaction() as tx:
        tx.run("UPDATE source SET folder = ? WHERE name = ?", [text, name])
    message = f"source {name} is {folder} now; of its documents lie there: {found} of {len(known)}"
    return SourceChanged(source=show(settings, name), message=message)


def remove(settings: Settings, name: str, *, dry_run: bool = False) -> SourceRemoved:
    """Forget a source: its documents leave the index, its files stay. Its batch and its history stay too.

    Raises NotFoundError, InvalidState while its batch is at work, is held, or a schedule waits to read it.
    """
    home = find_home(settings)
    with reading(home) as queries:
        _row(queries, name)
        _require_idle(queries, name)
        known = list(queries.known_documents(name).values())
    leaving: list[str] = []
    if not dry_run:
        from docmill.service.controlling import writing
        from docmill.service.removing import remove_leaving
        from docmill.stores import downloads
        from docmill.stores.state import catalogue

        with writing(home) as state, state.transaction() as tx:
            batch_id = tx.value("SELECT batch_id FROM source WHERE name = ?", [name])
            catalogue.delete_documents(tx, known, batch_id)
            tx.run("DELETE FROM source WHERE name = ?", [name])
        with writing(home) as state:
            downloads.sweep(home, state)
        leaving = remove_leaving(home)
    would = "would remove" if dry_run else "removed"
    return SourceRemoved(
        name=name,
        dry_run=dry_run,
        message=f"{would} source {name}; documents that leave the index: {len(known)}",
        deleted_documents=len(known),
        leaving=leaving,
    )


def status(settings: Settings, name: str, hashes: str | None = None) -> SourceStatus:
    """How a source stands against its folder, or against ``hashes``: a JSON map of URI to SHA-256. Nothing is written.

    Raises NotFoundError, UsageError where that is no such map.
    """
    home = find_home(settings)
    with reading(home) as queries:
        row = _row(queries, name)
        known = queries.known_documents(name)
    if hashes is not None:
        given = _hashes(hashes)
        return SourceStatus(
            source=name,
            folder=row["folder"],
            compared_with="hashes",
            new=sorted(given.keys() - known.keys()),
            changed=sorted(uri for uri in given.keys() & known.keys() if given[uri] != known[uri].content_hash),
            renamed=[],
            deleted=sorted(known.keys() - given.keys()),
            matched=sorted(uri for uri in given.keys() & known.keys() if given[uri] == known[uri].content_hash),
            unreadable=[],
        )
    folder = sources.folder_path(row["folder"])
    if folder is None:
        raise UsageError(f"source {name!r} is not a folder", hint="give the hashes of its documents: --hashes FILE")
    one = look(home, folder, name, Wishes(), though_paused=True)
    changes = one.changes
    changed = {document.uri for document, _hashed in changes.changed}
    gone = {document.uri for document in changes.deleted}
    moved = {document.uri for document, _hashed in changes.renamed}
    return SourceStatus(
        source=name,
        folder=row["folder"],
        compared_with="folder",
        new=sorted(each.file.uri for each in changes.new),
        changed=sorted(changed),
        renamed=sorted(hashed.file.uri for _document, hashed in changes.renamed),
        deleted=sorted(gone),
        matched=sorted(known.keys() - changed - gone - moved),
        unreadable=sorted(error.uri for error in one.errors),
    )


def rules(overrides: Iterable[str], metadata: Iterable[str]) -> list[Rule]:
    """From texts ``GLOB:TYPE.NAME=VALUE`` and ``GLOB:KEY=VALUE``, in their order. Raises UsageError."""
    found: dict[str, tuple[list[str], dict[str, str]]] = {}
    for text in overrides:
        glob, key, value = _for_files(text, "--set-for", "TYPE.NAME=VALUE")
        found.setdefault(glob, ([], {}))[0].append(f"{key}={value}")
    for text in metadata:
        glob, key, value = _for_files(text, "--meta-for", "KEY=VALUE")
        found.setdefault(glob, ([], {}))[1][key] = value
    return [Rule(glob, tuple(texts), meta) for glob, (texts, meta) in found.items()]


def _for_files(text: str, option: str, form: str) -> tuple[str, str, str]:
    left, separator, value = text.partition("=")
    glob, colon, key = left.rpartition(":")
    if not separator or not colon or not glob or not key.strip():
        raise UsageError(f"{option} takes PATTERN:{form}, not {text!r}", hint=f"{option} '*.md:{form}'")
    return glob, key.strip(), value


def _require_usable(home: Path, wanted: SourceSettings) -> None:
    from docmill.service import definitions

    definitions.resolve(home, wanted.workflow, wanted.params, list(wanted.overrides))
    for rule in wanted.rules:  # each alone; how they come together is seen when a file is matched by several
        definitions.resolve(home, wanted.workflow, wanted.params, [*wanted.overrides, *rule.overrides])
        shared = [text for text in rule.overrides if text.startswith(("embed.", "store."))]
        if shared:
            raise DefinitionError(
                f"a rule for files cannot set {shared[0]}: all documents of a source have one model and one database",
                hint="give it to the source, with --set",
            )


def _row(queries: Queries, name: str) -> Row:
    found = queries.row(f"{_COUNTS} WHERE s.name = ?", [name])
    if found is None:
        raise NotFoundError(f"no source {name!r}", hint="`docmill source list` shows them")
    return found


def _record(queries: Queries, row: Row) -> SourceRecord:
    batch = queries.row("SELECT workflow, params FROM batch WHERE id = ?", [row["batch_id"]])
    told = SourceSettings.of(row, batch) if batch is not None else SourceSettings()
    folder = sources.folder_path(row["folder"])
    return SourceRecord(
        name=row["name"],
        folder=row["folder"],
        there=folder is None or folder.is_dir(),
        batch_id=row["batch_id"],
        workflow=told.workflow,
        params=told.params,
        set=list(told.overrides),
        include=list(told.include),
        exclude=list(told.exclude),
        rules=[SourceRule(glob=rule.glob, set=list(rule.overrides), meta=dict(rule.meta)) for rule in told.rules],
        documents=row["documents"],
        failed=row["failed"],
        created_at=row["created_at"],
    )


def _require_idle(queries: Queries, name: str) -> None:
    found = queries.row(
        "SELECT b.id, g.status FROM batch b JOIN run_group g ON g.batch_id = b.id"
        " WHERE (b.source = ?1 OR b.id = (SELECT batch_id FROM source WHERE name = ?1))"
        " AND g.status IN ('running', 'paused', 'scheduled') LIMIT 1",
        [name],
    )
    if found is not None:
        raise InvalidState(
            f"batch {found['id']} of source {name!r} is {found['status']}",
            hint=f"docmill cancel {found['id']}",
            current_status=found["status"],
            valid_statuses=["created", "completed", "failed", "cancelled"],
        )


def _hashes(text: str) -> dict[str, str]:
    try:
        given: Any = json.loads(text)
    except ValueError as error:
        raise UsageError(f"the hashes are no JSON: {error}", hint='as {"notes/a.md": "sha256-…"}') from None
    if not isinstance(given, dict):
        raise UsageError("the hashes must be one JSON object", hint='as {"notes/a.md": "sha256-…"}')
    found = {}
    for uri, value in given.items():
        match = _HASH.match(value.lower()) if isinstance(value, str) else None
        if match is None:
            raise UsageError(
                f"the hash of {uri!r} is no SHA-256: {value!r}", hint="64 hex digits, after sha256- or not"
            )
        found[uri] = CONTENT_PREFIX + match[1]
    return found
