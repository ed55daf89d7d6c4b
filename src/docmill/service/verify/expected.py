"""What should lie where, by state.db: the documents of each database, and the outputs that they were made of."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property

from docmill.domain import identity
from docmill.domain.jobs import ArtifactRef
from docmill.engine.pipelines import CompiledPipeline
from docmill.engine.recorded import find_recorded
from docmill.stores.queries import Queries

_SETTLED = (
    "SELECT d.id, d.source, d.uri, d.version, d.content_hash, d.suffix, d.meta, d.profile, d.first_seen_at,"
    " d.batch_id, p.chunk_count, p.settled_key, p.updated_at FROM placement p JOIN document d ON d.id = p.document_id"
    " WHERE p.database = ? AND p.state = 'stored' AND p.settled_key IS NOT NULL AND d.state = 'active'"
)


@dataclass(frozen=True, slots=True)
class Settled:
    """A document whose rows of its current content lie whole in a database, as its mark there says."""

    id: str
    source: str
    uri: str
    version: int
    content_hash: str
    suffix: str
    meta: str
    profile: str
    first_seen_at: str
    batch_id: int
    chunk_count: int
    settled_key: str
    updated_at: str


class Pipelines:
    """The pipelines that run groups wrote down, by the key that they settle documents with."""

    def __init__(self, queries: Queries) -> None:
        self._texts: dict[str, str] = {}
        self._ways: dict[str, CompiledPipeline] = {}
        rows = queries.rows("SELECT pipeline FROM run_group GROUP BY pipeline ORDER BY MAX(id)")
        for row in rows:
            recorded = find_recorded(row["pipeline"])
            if recorded is None:
                continue
            for key, profile in [
                (recorded.rows_keys.base, ""),
                *((key, profile) for profile, key in recorded.rows_keys.by_profile.items()),
            ]:
                self._texts[key], self._ways[key] = row["pipeline"], recorded.variant(profile)

    def text(self, settled_key: str) -> str | None:
        """As JSON, to be made ready again."""
        return self._texts.get(settled_key)

    def outputs(self, document: Settled) -> dict[str, str]:
        """Step keys by step name, of the steps whose output is kept; empty where the pipeline is not known any more."""
        way = self._ways.get(document.settled_key)
        if way is None:
            return {}
        keys = way.step_keys(document.content_hash, document.suffix, json.loads(document.meta))
        return {name: key for name, key in keys.items() if name in way.stored}

    def chunk_key(self, document: Settled) -> str | None:
        way = self._ways.get(document.settled_key)
        return self.outputs(document)[way.chunk_name] if way is not None else None


class Expected:
    """One look at state.db. A later look tells what has moved meanwhile: :meth:`steady`."""

    def __init__(self, queries: Queries) -> None:
        with queries.snapshot():
            self.models = {row["name"]: row["fingerprint"] for row in queries.rows("SELECT * FROM database")}
            sql = "SELECT DISTINCT database FROM placement WHERE state != 'leaving'"
            self.databases = sorted({*self.models, *(row[0] for row in queries.rows(sql))})
            self.settled = {name: _settled(queries, name) for name in self.databases}
            self.marked = {name: _marked(queries, name) for name in self.databases}
            self.pipelines = Pipelines(queries)
            self.artifacts = {
                row["step_key"]: ArtifactRef(row["step_key"], row["digest"], row["size_bytes"], row["created_at"])
                for row in queries.rows("SELECT * FROM artifact")
            }

    def steady(self, later: Expected, database: str) -> set[str]:
        """Documents that were settled all the time between two looks: whatever is wrong of them is not on its way."""
        then, now = self.settled.get(database, {}), later.settled.get(database, {})
        return {key for key, document in then.items() if now.get(key) == document}

    @cached_property
    def users(self) -> dict[str, list[tuple[str, Settled]]]:
        """By step key: the documents that are made of that output, with their database. Assets belong to parsing."""
        found: dict[str, list[tuple[str, Settled]]] = {}
        for database, documents in self.settled.items():
            for document in documents.values():
                for key in self.pipelines.outputs(document).values():
                    found.setdefault(key, []).append((database, document))
                    found.setdefault(identity.assets_key(key), []).append((database, document))
        return found


def _settled(queries: Queries, database: str) -> dict[str, Settled]:
    return {row["id"]: Settled(*row) for row in queries.rows(_SETTLED, [database])}


def _marked(queries: Queries, database: str) -> set[str]:
    """Documents that may have rows there, whatever state they are in."""
    return {row[0] for row in queries.rows("SELECT document_id FROM placement WHERE database = ?", [database])}


def is_id(text: str) -> bool:
    """Whether it can be a document's id. What cannot is rubble of a damaged file."""
    return len(text) == 32 and all(letter in "0123456789abcdef" for letter in text)
