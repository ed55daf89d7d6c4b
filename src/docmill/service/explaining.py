"""``why``: why a document was processed, each time, and whether it would be now. Reads, and hashes one file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import Any

from docmill.domain.differences import Difference, differences
from docmill.domain.documents import ChunkedDocument
from docmill.domain.events import Reporter
from docmill.domain.places import document_path
from docmill.domain.results import ChunkDifference, DefinitionChange, RunReason, StepReason, WhyResult
from docmill.engine.pipelines import CompiledPipeline
from docmill.errors import DamagedArtifact, DocumentError
from docmill.service import sources
from docmill.service.pipelines import resolved
from docmill.service.planning import told
from docmill.settings import Settings, find_home
from docmill.sources import folder as folders
from docmill.stores import document_queries, forecasts
from docmill.stores.artifacts import ArtifactStore
from docmill.stores.queries import Queries, Row, reading

_RUNS = 10  # the newest
_WORDS = 12


def why(settings: Settings, reporter: Reporter, named: str, *, source: str | None = None) -> WhyResult:
    """Why a document, by URI or id, was processed, and whether the next ``sync`` would. Nothing is written.

    Raises DocumentNotFound, UsageError where several sources have the URI, DefinitionError where what it is processed
    by cannot be used any more.
    """
    home = find_home(settings)
    with reading(home) as queries, queries.snapshot():
        row = document_queries.document(queries, named, source, ("active", "deleted", "removed"))
        batch = _batch(queries, row)
        told_ = sources.definitions_of(queries, batch)
        pipeline = resolved(home, reporter, told_.workflow, told_.params, told_.overrides, [row["profile"]])
        runs = _runs(queries, row["id"])
        last = next((run for run in runs if run["status"] in ("completed", "failed")), None)
        changes = _changes(last["pipeline"], pipeline.record, row["profile"]) if last is not None else []
        would, reason = _would(home, queries, row, pipeline, changes)
        variant = pipeline.variant(row["profile"])
        return WhyResult(
            document_id=row["id"],
            uri=row["uri"],
            source=row["source"],
            type=row["type"],
            status=row["status"] if row["state"] == "active" else row["state"],
            version=row["version"],
            would=would,
            why=reason,
            definition_changes=[DefinitionChange(**each._asdict()) for each in changes],
            model=f"{pipeline.model.name} {pipeline.model.fingerprint[:12]}",
            parameters={
                step.name: {"method": step.method, "version": step.version, **step.params.key_fields()}
                for step in variant.definition.steps
            },
            runs=[
                _reason(queries, row, run, earlier)
                for run, earlier in zip_longest(runs[:_RUNS], runs[1 : _RUNS + 1])
                if run is not None
            ],
            chunks=_chunk_differences(home, queries, runs),
        )


def _batch(queries: Queries, row: Row) -> Row:
    """The batch by whose definitions it is processed: its source's, else its own."""
    sql = "SELECT b.* FROM batch b WHERE b.id = COALESCE((SELECT batch_id FROM source WHERE name = ?), ?)"
    found = queries.row(sql, [row["source"], row["batch_id"]])
    assert found is not None
    return found


def _runs(queries: Queries, document_id: str) -> list[Row]:
    """Newest first, one more than are told of, with how each was started."""
    return queries.rows(
        "SELECT r.*, g.pipeline, g.no_cache FROM run r JOIN run_group g ON g.id = r.run_group_id"
        " WHERE r.document_id = ? ORDER BY r.id DESC LIMIT ?",
        [document_id, _RUNS + 1],
    )


def _changes(before: str, after: str, profile: str) -> list[Difference]:
    return differences(json.loads(before), json.loads(after), was=profile, now=profile)


def _would(
    home: Path,
    queries: Queries,
    row: Row,
    pipeline: CompiledPipeline,
    changes: Sequence[Difference],
) -> tuple[bool, str]:
    if row["state"] == "removed":
        return False, "it was taken out by `documents delete`; `documents restore` lets it come back"
    path = Path(document_path(home, row["folder"], row["uri"], row["content_hash"], row["suffix"], row["parent_id"]))
    if row["state"] == "deleted" and row["parent_id"]:
        return False, "it is not found in the document that it lay in, or that is gone"
    if row["state"] == "deleted":
        return path.is_file(), "its file is back" if path.is_file() else "its file is gone, and its passages with it"
    try:
        found = folders.found_file(path, row["uri"])
        known = queries.known_documents(row["source"]).get(row["uri"])  # none of what lies in another document
        if known is None or not known.matches(found.stat):
            content = folders.hash_file(found).content_hash
            if content != row["content_hash"]:
                return True, f"its bytes are others than those of version {row['version']}"
    except DocumentError as error:
        return True, f"its file is not as it was: {error.message}"
    due = forecasts.due_documents(queries, row["source"], pipeline.rows_keys, pipeline.database)
    if all(each["id"] != row["id"] for each in due):
        if row["outcome"] == "failed":
            return False, f"this content has failed for good with {row['error_code']}, by these definitions"
        return False, f"database {pipeline.database} holds this content by these very definitions"
    if changes:
        return True, "; ".join(told(each) for each in changes)
    if row["outcome"] == "failed":
        return True, f"it failed with {row['error_code']}, which may pass"
    return True, "it has not been processed to the end"


def _reason(queries: Queries, row: Row, run: Row, earlier: Row | None) -> RunReason:
    changes = _changes(earlier["pipeline"], run["pipeline"], row["profile"]) if earlier is not None else []
    if earlier is None:
        text = "it was new" if run["version"] == 1 else f"version {run['version']} was the first that is on record"
    elif run["content_hash"] != earlier["content_hash"]:
        text = f"its bytes changed: version {run['version']} after {earlier['version']}"
    elif run["version"] != earlier["version"]:
        text = f"what is said of it changed, or it came back: version {run['version']} after {earlier['version']}"
    elif changes:
        text = "; ".join(told(each) for each in changes)
    elif json.loads(run["no_cache"]):
        text = f"it was forced, without what was there of {', '.join(json.loads(run['no_cache']))}"
    elif earlier["status"] != "completed":
        text = f"the run before it had {earlier['status']}"
    else:
        text = "it was renamed, or its rows in the database were gone"
    return RunReason(
        run_id=run["id"],
        run_group_id=run["run_group_id"],
        at=run["started_at"] or run["created_at"],
        status=run["status"],
        reason=text,
        version=run["version"],
        content_hash=run["content_hash"],
        definition_changes=[DefinitionChange(**each._asdict()) for each in changes],
        steps=_steps(queries, row, run),
    )


def _steps(queries: Queries, row: Row, run: Row) -> list[StepReason]:
    record = json.loads(run["pipeline"])
    made = {step["name"]: step for step in record.get("variants", {}).get(row["profile"], record["steps"])}
    return [
        StepReason(
            step=step["name"],
            type=step["type"],
            method=made[step["name"]]["method"],
            version=made[step["name"]].get("version"),
            reused=bool(step["reused"]),
            status=step["status"],
            key=step["step_key"],
        )
        for step in queries.rows("SELECT * FROM run_step WHERE run_id = ? ORDER BY number", [run["id"]])
    ]


# ---- passages --------------------------------------------------------------------------------------------------------


def _chunk_differences(home: Path, queries: Queries, runs: Sequence[Row]) -> list[ChunkDifference]:
    """Of each version's first run against the last of the version before it, newest first.

    Where what one of them was cut into is not there any more, nothing can be said.
    """
    done = [run for run in runs if run["status"] == "completed"]
    found = []
    for run, earlier in pairwise(done):
        if run["version"] != earlier["version"]:
            new, old = _texts(home, queries, run["id"]), _texts(home, queries, earlier["id"])
            if new is not None and old is not None:
                found.append(_difference(run["version"], earlier["version"], new, old))
    return found


def _texts(home: Path, queries: Queries, run_id: int) -> list[str] | None:
    key = queries.value("SELECT step_key FROM run_step WHERE run_id = ? AND type = 'chunk'", [run_id])
    ref = forecasts.artifacts(queries, [key]).get(key) if key else None
    if ref is None:
        return None
    try:
        content = ChunkedDocument.from_json(ArtifactStore(home).read(ref))
    except (DamagedArtifact, ValueError, KeyError, TypeError):
        return None
    return [chunk.embedded_text for chunk in content.chunks]


def _difference(version: int, previous: int, new: list[str], old: list[str]) -> ChunkDifference:
    now_, then = Counter(new), Counter(old)
    return ChunkDifference(
        version=version,
        previous=previous,
        kept=(now_ & then).total(),
        added=_first_words((now_ - then).elements()),
        removed=_first_words((then - now_).elements()),
    )


def _first_words(texts: Iterable[Any]) -> list[str]:
    return [" ".join(text.split()[:_WORDS]) for text in texts]
