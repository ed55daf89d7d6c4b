"""What a home still needs of what was computed: the outputs of the steps that its documents have now."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from docmill.domain import identity
from docmill.domain.documents import ChunkedDocument
from docmill.domain.events import SilentReporter
from docmill.engine import pipelines
from docmill.engine.pipelines import CompiledPipeline, compile_pipeline
from docmill.engine.recorded import find_recorded
from docmill.errors import DamagedArtifact, DefinitionError, DefinitionNotFound, ModelMissing
from docmill.service import definitions, sources
from docmill.service.pipelines import resolved
from docmill.stores import forecasts
from docmill.stores.artifacts import ArtifactStore
from docmill.stores.queries import Queries

_PART = 500

# What a batch was last run by: its newest group that has begun, and the newest that was completed, for each database.
LAST_GROUPS = (
    "SELECT MAX(id) FROM run_group WHERE status != 'scheduled' GROUP BY batch_id, database"
    " UNION SELECT MAX(id) FROM run_group WHERE status = 'completed' GROUP BY batch_id, database"
)


@dataclass(slots=True)
class References:
    """Step keys that documents lead to by the pipelines of their batches: each one's last, and those still at work.

    ``chunked``: of those, the chunk steps' keys, with the fingerprint of the model that their texts are embedded by.
    ``kept_for``: why more is kept than is known to be needed; the texts of such outputs are not known.
    """

    keys: set[str] = field(default_factory=set)
    chunked: dict[str, str] = field(default_factory=dict)
    kept_for: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, home: Path, queries: Queries) -> References:
        found = cls()
        by_batch = found._pipelines(home, queries)
        batches = _batches_of_sources(queries)
        cursor = queries.rows(
            "SELECT source, batch_id, content_hash, suffix, meta, profile FROM document WHERE state = 'active'"
        )
        for row in cursor:
            meta = json.loads(row["meta"])
            for pipeline in {
                each.record: each
                for batch_id in {row["batch_id"], *batches[row["source"]]}
                for each in by_batch[batch_id]
            }.values():
                variant = pipeline.variant(row["profile"])
                keys = variant.step_keys(row["content_hash"], row["suffix"], meta)
                kept = [key for name, key in keys.items() if name in variant.stored]
                found.keys.update(kept, map(identity.assets_key, kept))
                found.chunked[keys[variant.chunk_name]] = variant.model.fingerprint
        return found

    def text_keys(self, home: Path, queries: Queries) -> Iterator[bytes]:
        """Of every passage of the chunk outputs that are there. One output at a time is held in memory."""
        store, keys = ArtifactStore(home), sorted(self.chunked)
        for start in range(0, len(keys), _PART):
            for key, ref in forecasts.artifacts(queries, keys[start : start + _PART]).items():
                try:
                    content = ChunkedDocument.from_json(store.read(ref))
                except (DamagedArtifact, ValueError, KeyError, TypeError):
                    continue  # it is computed anew when it is needed, and its vectors with it
                for chunk in content.chunks:
                    yield identity.text_key(self.chunked[key], chunk.embedded_text)

    def _pipelines(self, home: Path, queries: Queries) -> dict[int, list[CompiledPipeline]]:
        """By batch."""
        found: dict[int, list[CompiledPipeline]] = defaultdict(list)
        groups = queries.rows(
            "SELECT id, batch_id, pipeline FROM run_group WHERE status IN ('created', 'running', 'paused', 'scheduled')"  # noqa: S608 - a constant
            f" OR id IN ({LAST_GROUPS})"
        )
        for row in groups:
            ways = found[row["batch_id"]]
            # Both: until its next run, what the group has made goes by the versions that its plug-ins had then.
            recorded = find_recorded(row["pipeline"])
            if recorded is not None:
                ways.append(recorded)
            try:
                compiled = pipelines.load(row["pipeline"])
            except (DefinitionError, ModelMissing) as error:
                self._keep_all_of(queries, row["batch_id"], error.message)
            else:
                if recorded is None or compiled.rows_keys != recorded.rows_keys:
                    ways.append(compiled)
        for batch in queries.rows("SELECT * FROM batch WHERE id IN (SELECT batch_id FROM source)"):
            told = sources.definitions_of(queries, batch)
            profiles = sources.profiles_of(queries, batch["id"])
            try:  # compiled first: preparing would install a model that is missing
                compile_pipeline(definitions.resolve(home, told.workflow, told.params, list(told.overrides)))
                used = resolved(home, SilentReporter(), told.workflow, told.params, told.overrides, profiles)
                found[batch["id"]].append(used)
            except (DefinitionError, DefinitionNotFound, ModelMissing) as error:
                self._keep_all_of(queries, batch["id"], error.message)
        return found

    def _keep_all_of(self, queries: Queries, batch_id: int, why: str) -> None:
        """What its runs have left is all that is known, where its pipeline cannot be made ready any more."""
        self.kept_for.append(f"batch {batch_id}: {why}")
        sql = "SELECT DISTINCT s.step_key FROM run_step s JOIN run r ON r.id = s.run_id WHERE r.batch_id = ?"
        self.keys.update(row["step_key"] for row in queries.rows(sql, [batch_id]) if row["step_key"])


def _batches_of_sources(queries: Queries) -> dict[str, set[int]]:
    """The batches that process a source's documents, beside those that the documents are of."""
    found: dict[str, set[int]] = defaultdict(set)
    for row in queries.rows(
        "SELECT name AS source, batch_id FROM source WHERE batch_id IS NOT NULL"
        " UNION SELECT source, id FROM batch WHERE source IS NOT NULL"
    ):
        found[row["source"]].add(row["batch_id"])
    return found
