"""The quarantine: documents that took workers down, or had to be ended, and that are not tried again by themselves.

Nothing is kept apart for it: such a document has failed for good, with one of a few codes. To release it is to forget
that it has, so that it is due again.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterable
from pathlib import Path

from docmill.domain.outcomes import QUARANTINED
from docmill.domain.results import (
    QuarantinedDocument,
    QuarantineList,
    QuarantineReleased,
    QuarantineShown,
    ReleasedDocument,
    WorkerDeath,
)
from docmill.errors import InvalidState, UsageError
from docmill.filetypes import type_by_name
from docmill.service import recording, shapes
from docmill.settings import Settings, find_home
from docmill.stores import document_queries, history
from docmill.stores.document_queries import ChosenDocuments
from docmill.stores.queries import Queries, Row, reading

_EVERY = -1  # SQLite's word for no limit


def list_quarantine(settings: Settings, *, limit: int, offset: int, batch: str | None = None) -> QuarantineList:
    """By source and URI. Raises BatchNotFound."""
    with reading(find_home(settings)) as queries, queries.snapshot():
        chosen = _chosen(queries, batch, limit, offset)
        total, rows = document_queries.list_documents(queries, chosen)
        where, values = chosen.where(queries)
        held = queries.value(f"SELECT COUNT(*) FROM document d WHERE {where} AND failed_key IS NOT NULL", values)  # noqa: S608 - our own terms
        deaths = _deaths(history.worker_deaths(queries))
        documents = [_record(queries, row, deaths.get(row["id"], [])) for row in rows]
    return QuarantineList(documents=documents, held=held, total=total, limit=limit, offset=offset)


def show(settings: Settings, named: str, *, source: str | None = None) -> QuarantineShown:
    """One of them, with how its workers died and what was logged of it.

    Raises DocumentNotFound, UsageError where several sources have the URI, InvalidState where it is not in quarantine.
    """
    with reading(find_home(settings)) as queries, queries.snapshot():
        row = _quarantined(document_queries.document(queries, named, source))
        deaths = _deaths(history.worker_deaths(queries, row["id"])).get(row["id"], [])
        logs = history.log_entries_of_document(queries, row["id"])
        return QuarantineShown(
            document=_record(queries, row, deaths), deaths=deaths, logs=[recording.log_entry(each) for each in logs]
        )


def release(
    settings: Settings,
    names: Iterable[str],
    *,
    every: bool = False,
    source: str | None = None,
    batch: str | None = None,
    dry_run: bool = False,
) -> QuarantineReleased:
    """Let documents be tried again by the next sync, start or worker: those that are named, or all of them.

    Raises UsageError, BatchNotFound, and as :func:`show`; then nothing is released.
    """
    names = list(dict.fromkeys(names))
    if bool(names) == every:
        raise UsageError("name documents by their URI or id, or say --all", hint="`docmill quarantine list` shows them")
    if batch is not None and not every:
        raise UsageError("--batch narrows --all; a document is named by its URI or id")
    home = find_home(settings)
    with reading(home) as queries, queries.snapshot():
        if every:
            _total, rows = document_queries.list_documents(queries, _chosen(queries, batch, _EVERY, 0, source))
        else:
            rows = [_quarantined(document_queries.document(queries, each, source)) for each in names]
    held = [row for row in rows if row["failed_key"] is not None]
    if held and not dry_run:
        _write(home, held)
    return QuarantineReleased(
        dry_run=dry_run,
        message=_message(len(held), len(rows), dry_run=dry_run),
        total=len(held),
        documents=[
            ReleasedDocument(
                document_id=row["id"],
                uri=row["uri"],
                source=row["source"],
                batch_id=row["batch_id"],
                error_code=row["error_code"],
            )
            for row in held
        ],
    )


def _chosen(queries: Queries, batch: str | None, limit: int, offset: int, source: str | None = None) -> ChosenDocuments:
    batch_id = queries.batch(batch)["id"] if batch is not None else None
    return ChosenDocuments(source, batch_id, codes=QUARANTINED, limit=limit, offset=offset)


def _quarantined(row: Row) -> Row:
    if row["outcome"] != "failed" or row["error_code"] not in QUARANTINED:
        is_ = f"failed with {row['error_code']}" if row["outcome"] == "failed" else row["status"]
        raise InvalidState(
            f"{row['uri']} is not in quarantine: it is {is_}",
            hint="`docmill quarantine list` shows what is",
            uri=row["uri"],
            current_status=row["status"],
        )
    return row


def _write(home: Path, rows: list[Row]) -> None:
    from docmill.service.controlling import writing
    from docmill.stores.state import quarantine

    with writing(home) as state, state.transaction() as tx:
        for row in rows:
            quarantine.release(tx, row["id"], row["version"])


def _message(held: int, named: int, *, dry_run: bool) -> str:
    if not named:
        return "nothing is in quarantine"
    if not held:
        return "nothing to release: the next sync or start tries them again as it is"
    what = f"{held:,} document{'' if held == 1 else 's'}"
    return f"{what} would be released" if dry_run else f"released {what}: the next sync or start tries again"


def _deaths(rows: Iterable[Row]) -> dict[str, list[WorkerDeath]]:
    """By document, oldest first."""
    found: dict[str, list[WorkerDeath]] = {}
    for row in rows:
        context = json.loads(row["context"])
        death = WorkerDeath(
            at=row["at"],
            run_group_id=row["run_group_id"],
            exit_code=context["exit_code"],
            signal=_signal(context["exit_code"]),
            last_words=context.get("last_words"),
        )
        found.setdefault(context["document_id"], []).append(death)
    return found


def _signal(exit_code: int) -> str | None:
    """The name of the signal behind a negative exit code."""
    if exit_code >= 0:
        return None
    try:
        return signal.Signals(-exit_code).name
    except ValueError:  # a real-time signal has no name of its own
        return f"signal {-exit_code}"


def _record(queries: Queries, row: Row, deaths: list[WorkerDeath]) -> QuarantinedDocument:
    last = deaths[-1] if deaths else None
    return QuarantinedDocument(
        **shapes.problem(row).model_dump(),
        source=row["source"],
        batch_id=row["batch_id"],
        type=row["type"] or type_by_name(f"x{row['suffix']}"),
        size_bytes=row["size_bytes"],
        held=row["failed_key"] is not None,
        worker_deaths=history.crashes(queries, row["id"]),
        exit_code=last.exit_code if last else None,
        signal=last.signal if last else None,
        last_words=last.last_words if last else None,
    )
