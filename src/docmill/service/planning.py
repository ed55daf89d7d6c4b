"""``plan``: what a ``sync`` would do, why, and how long it would take. Computes nothing of it, and changes nothing."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docmill.domain import identity
from docmill.domain.differences import Difference, differences
from docmill.domain.documents import ChunkedDocument
from docmill.domain.events import Reporter
from docmill.domain.jobs import ArtifactRef
from docmill.domain.places import outermost_uris
from docmill.domain.results import (
    ChunkCounts,
    DefinitionChange,
    PlannedDocument,
    PlannedSteps,
    PlanResult,
    SourcePlan,
)
from docmill.domain.sources import Wishes
from docmill.domain.workflow import StepType
from docmill.engine.pipelines import CompiledPipeline
from docmill.errors import DamagedArtifact, NotAllowedError, UsageError
from docmill.service import passwords, predicting, sync_manifest
from docmill.service.looking import Looked, look, refuse_mass_deletion
from docmill.service.pipelines import prepare
from docmill.service.syncing import followed
from docmill.settings import Settings, find_home
from docmill.stores import forecasts
from docmill.stores.artifacts import ArtifactStore
from docmill.stores.queries import Queries, reading

_BYTES_PER_CHUNK = 1000.0  # of plain text, where nothing of its kind has been cut yet


def plan(
    settings: Settings,
    reporter: Reporter,
    paths: list[Path],
    *,
    source: str | None = None,
    wishes: Wishes | None = None,
    prune: bool = True,
    checksum: bool = False,
    budget_minutes: float | None = None,
    manifest: Path | None = None,
) -> PlanResult:
    """What ``sync`` would do with these folders, or with all sources, and how long it would take.

    manifest: is written, for :func:`syncing.sync` to do exactly this. Raises as ``sync`` does, but for a mass deletion.
    """
    started = time.perf_counter()
    if source is not None and len(paths) > 1:
        raise UsageError("--source names one source, so it takes one folder")
    home = find_home(settings)
    targets = [(path, source) for path in paths] or followed(home, source)
    plans: list[SourcePlan] = []
    entries: list[dict[str, Any]] = []
    kept: list[tuple[int, int, float]] = []
    with reading(home) as queries:
        for path, name in targets:
            one = look(home, path, name, wishes or Wishes(), prune=prune, checksum=checksum)
            used = one.settings
            pipeline = prepare(home, reporter, used.workflow, used.params, used.overrides, one.profiles)
            planned = _Plan(home, queries, one, pipeline).result()
            plans.append(planned)
            entries.append(sync_manifest.entry(one, pipeline, planned))
            work = sum(1 for each in planned.documents if each.change != "deleted")
            kept.append((one.batch_id, work, planned.prediction.seconds))
        predicting.keep(home, queries, kept)
    if manifest is not None:
        sync_manifest.write(manifest, entries, home)
    total = round(sum(each.prediction.seconds for each in plans), 1)
    return PlanResult(
        sources=plans,
        predicted_seconds=total,
        budget_minutes=budget_minutes,
        over_budget=budget_minutes is not None and total > budget_minutes * 60,
        manifest=str(manifest) if manifest is not None else None,
        seconds=round(time.perf_counter() - started, 3),
    )


@dataclass(slots=True)
class _Item:
    """A document that would be processed."""

    uri: str
    change: str
    why: str
    content_hash: str
    suffix: str
    size: int
    meta: dict[str, Any]
    from_uri: str | None = None
    keys: dict[str, str] = field(default_factory=dict)


class _Plan:
    """One source."""

    def __init__(self, home: Path, queries: Queries, one: Looked, pipeline: CompiledPipeline) -> None:
        self.home = home
        self.queries = queries
        self.one = one
        self.pipeline = pipeline
        self.changes: Counter[Difference] = Counter()
        self.released: list[str] = []
        self.files: dict[str, str] = {}  # of what lies in others: the file that it lies in at last
        self.embedded = self.total = 0
        self.exact = True
        self.steps: dict[str, Counter[bool]] = {step.type.value: Counter() for step in pipeline.definition.steps}

    def result(self) -> SourcePlan:
        one = self.one
        items = self._items()
        planned = self._resolve(items)
        deleted = [self._deletion(document) for document in one.changes.deleted]
        prediction = predicting.predict(self.queries, len(items), self.embedded)
        return SourcePlan(
            source=one.source,
            folder=str(one.folder),
            database=self.pipeline.database,
            workflow=one.settings.workflow,
            params=one.settings.params,
            scan=one.counts,
            ignored=one.ignored,
            documents=sorted([*planned, *deleted], key=lambda each: each.uri),
            definition_changes=[DefinitionChange(**each._asdict()) for each in self.changes],
            steps=[PlannedSteps(type=name, run=count[False], reused=count[True]) for name, count in self.steps.items()],
            chunks=ChunkCounts(total=self.total, embedded=self.embedded, reused=self.total - self.embedded),
            exact=self.exact,
            prediction=prediction,
            errors=one.errors,
            refused=_refused(one),
        )

    # ---- which documents ---------------------------------------------------------------------------------------------

    def _items(self) -> list[_Item]:
        one = self.one
        sql = "SELECT id, uri, parent_id, meta FROM document WHERE source = ? AND state = 'active'"
        rows = self.queries.rows(sql, [one.source])
        metas = {row["id"]: json.loads(row["meta"]) for row in rows}
        files = outermost_uris({row["id"]: (row["uri"], row["parent_id"]) for row in rows})
        self.files = {row["uri"]: files[row["id"]] for row in rows if row["parent_id"] is not None}
        items = [
            _Item(
                each.file.uri, "new", "it was not there", each.content_hash, each.file.suffix, each.file.stat.size, {}
            )
            for each in one.changes.new
        ]
        for document, hashed in one.changes.changed:
            why = f"its bytes changed since version {document.version}"
            file, meta = hashed.file, metas.get(document.id, {})
            items.append(_Item(file.uri, "changed", why, hashed.content_hash, file.suffix, file.stat.size, meta))
        for document, hashed in one.changes.renamed:
            file, meta = hashed.file, metas.get(document.id, {})
            why = f"the same bytes were {document.uri}"
            item = _Item(file.uri, "renamed", why, hashed.content_hash, file.suffix, file.stat.size, meta)
            item.from_uri = document.uri
            items.append(item)
        seen = {item.uri for item in items} | {item.from_uri for item in items}
        seen |= {document.uri for document in one.changes.deleted}
        locked_before = passwords.due_before(self.pipeline, told_anew=one.settings != one.before)
        self.released = passwords.would_release(self.queries, one.source, locked_before)
        keys, database = self.pipeline.rows_keys, self.pipeline.database
        rows = forecasts.due_documents(self.queries, one.source, keys, database, self.released)
        items += [self._due(row) for row in rows if row["uri"] not in seen]
        for item in items:
            item.meta = item.meta | self.one.settings.metadata(self._file(item.uri))
        return items

    def _file(self, uri: str) -> str:
        """What the rules of the source speak of."""
        return self.files.get(uri, uri)

    def _due(self, row: Any) -> _Item:
        meta, content = json.loads(row["meta"]), row["content_hash"]
        return _Item(row["uri"], "due", self._why_due(row), content, row["suffix"], row["size_bytes"], meta)

    def _why_due(self, row: Any) -> str:
        if row["pipeline"] is None:
            return "it was never processed to the end"
        found = differences(
            json.loads(row["pipeline"]),
            json.loads(self.pipeline.record),
            was=row["profile"],
            now=self.one.settings.profile(self._file(row["uri"])),
        )
        self.changes.update(found)
        if found:
            return "; ".join(told(each) for each in found[:3])
        if row["id"] in self.released:
            return "it failed for want of a password, and there may be one now"
        if row["outcome"] == "failed":
            return f"it failed with {row['error_code']}, which may pass"
        return "its passages are not all in the database" if row["placed"] else "the database does not hold it"

    # ---- what of it is there already ---------------------------------------------------------------------------------

    def _resolve(self, items: Sequence[_Item]) -> list[PlannedDocument]:
        for item in items:
            pipeline = self.pipeline.variant(self.one.settings.profile(self._file(item.uri)))
            item.keys = pipeline.step_keys(item.content_hash, item.suffix, item.meta)
        stored = self.pipeline.stored
        wanted = sorted({key for item in items for name, key in item.keys.items() if name in stored})
        there = forecasts.artifacts(self.queries, wanted)
        texts: dict[str, list[bytes]] = {}
        for item in items:
            ref = there.get(item.keys[self.pipeline.chunk_name])
            if ref is not None:
                self._read(ref, texts)
        known = forecasts.known_texts(self.home, {key for keys in texts.values() for key in keys})
        self._count(items, texts, known)
        parse = {step.name for step in self.pipeline.leg if step.type is StepType.PARSE}
        done: set[str] = {f"{name} {key}" for name in parse for key in there}
        planned = []
        for item in items:
            chunked = texts.get(item.keys[self.pipeline.chunk_name])
            if chunked is not None:
                done |= {f"{step.name} {item.keys[step.name]}" for step in self.pipeline.leg}
                if known.issuperset(chunked):
                    done.add(f"{self.pipeline.embed.name} {item.keys[self.pipeline.embed.name]}")
            planned.append(self._planned(item, done))
            # Another document of the same bytes finds all of it there.
            done |= {f"{step.name} {item.keys[step.name]}" for step in (*self.pipeline.leg, self.pipeline.embed)}
        return planned

    def _planned(self, item: _Item, done: set[str]) -> PlannedDocument:
        run: list[str] = []
        reused: list[str] = []
        for step in self.pipeline.definition.steps:
            there = f"{step.name} {item.keys[step.name]}" in done
            (reused if there else run).append(step.name)
            self.steps[step.type.value][there] += 1
        return PlannedDocument(
            uri=item.uri,
            change=item.change,
            why=item.why,
            from_uri=item.from_uri,
            content_hash=item.content_hash,
            size_bytes=item.size,
            steps=run,
            reused=reused,
        )

    def _read(self, ref: ArtifactRef, texts: dict[str, list[bytes]]) -> None:
        """What a document was cut into; nothing where that is damaged, so that it is cut again."""
        if ref.step_key in texts:
            return
        try:
            content = ChunkedDocument.from_json(ArtifactStore(self.home).read(ref))
        except (DamagedArtifact, ValueError, KeyError, TypeError):
            return
        fingerprint = self.pipeline.model.fingerprint
        texts[ref.step_key] = [identity.text_key(fingerprint, chunk.embedded_text) for chunk in content.chunks]

    def _count(self, items: Sequence[_Item], texts: dict[str, list[bytes]], known: set[bytes]) -> None:
        """How many chunks there will be, and of how many distinct texts a vector must be computed."""
        chunk = self.pipeline.chunk_name
        self.embedded = len({key for keys in texts.values() for key in keys} - known)
        self.total = sum(len(texts.get(item.keys[chunk], ())) for item in items)
        unread = [item for item in items if item.keys[chunk] not in texts]
        self.exact = not unread
        if unread:
            self._estimate(unread)

    def _estimate(self, items: Sequence[_Item]) -> None:
        by_suffix = forecasts.chunks_by_suffix(self.queries)
        everything = sum(chunks for chunks, _ in by_suffix.values()), sum(size for _, size in by_suffix.values())
        fresh, anew = (forecasts.embedded_share(self.queries, changed=changed) for changed in (False, True))
        chunk, seen = self.pipeline.chunk_name, set[str]()
        for item in items:
            chunks, size = by_suffix.get(item.suffix, everything)
            per_byte = chunks / size if chunks and size else 1 / _BYTES_PER_CHUNK
            expected = max(round(item.size * per_byte), 1)
            self.total += expected
            if item.keys[chunk] not in seen:  # the same bytes are embedded once
                seen.add(item.keys[chunk])
                share = anew if item.change == "changed" else fresh
                self.embedded += round(expected * (share if share is not None else 1.0))

    def _deletion(self, document: Any) -> PlannedDocument:
        return PlannedDocument(
            uri=document.uri,
            change="deleted",
            why="its file is gone",
            from_uri=None,
            content_hash=document.content_hash,
            size_bytes=document.stat.size,
            steps=[],
            reused=[],
        )


def told(each: Difference) -> str:
    """A difference in words."""
    if each.what == "step":
        return f"step {each.step} {'is new' if each.before is None else 'is gone'}"
    if each.what == "model":
        return f"the model is {str(each.after).split()[0]}, and was {str(each.before).split()[0]}"
    return f"{each.step}.{each.what} is {each.after}, and was {each.before}"


def _refused(one: Looked) -> str | None:
    try:
        refuse_mass_deletion(one)
    except NotAllowedError as error:
        return f"{error.message}; {error.hint}"
    return None
