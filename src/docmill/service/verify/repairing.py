"""Does what the diagnosis says: marks what is wrong as not done, and has the engine do it again.

All that is changed here is such that a kill in between leaves a home which the next repair finds its way in: files go
before nobody asks for them, marks and run groups come in one transaction, and an engine goes on with a group that was
cut short.
"""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from docmill.domain.events import MessageEvent, Reporter
from docmill.domain.places import document_path
from docmill.domain.planning import PlannedGroup, Selection
from docmill.engine import pipelines
from docmill.errors import DefinitionError, StorageError
from docmill.service import sources
from docmill.service.controlling import writing
from docmill.service.engines import exclusively, work_until_done
from docmill.service.home import free_name
from docmill.service.removing import open_store, remove_here
from docmill.service.syncing import sync
from docmill.service.verify import rebuilding, records
from docmill.service.verify.diagnosis import Diagnosis
from docmill.service.verify.expected import Pipelines, is_id
from docmill.service.verify.refilling import refill
from docmill.settings import Settings
from docmill.stores.artifacts import ArtifactStore
from docmill.stores.embedding_cache import EmbeddingCache
from docmill.stores.queries import Queries, reading
from docmill.stores.state import State, groups, settling, strays
from docmill.stores.state.database import Transaction

Look = Callable[[], Diagnosis]


@dataclass(slots=True)
class Repair:
    """One home under repair. ``aside``: what was moved out of the way for good, ``old``: databases that others take the
    place of, and that go once all of that is well.
    """

    home: Path
    settings: Settings
    reporter: Reporter
    aside: list[Path] = field(default_factory=list)
    old: list[Path] = field(default_factory=list)

    def mend(self, look: Look) -> None:
        """One round: see under the lock what is wrong, put it right as far as files and records go, and have an engine
        do the rest. Raises EngineBusy, and whatever ends a sync.
        """
        with exclusively(self.home, self.settings):
            folders = self._mend_state()
            found = look()
            self._mend_cache(found)
            self._remove_files(found)
            self._move_databases(found)
            group_ids = self._mark(found)
            remove_here(self.home)
            self._index(found)
        for name, folder in {**folders, **found.sync}.items():
            if folder.is_dir():
                sync(self.settings, self.reporter, [folder], source=name)
        if wanted := [*group_ids, *found.unfinished]:
            work_until_done(self.home, self.settings, self.reporter, wanted)

    def discard_old(self) -> None:
        for folder in self.old:
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):
                folder.parent.rmdir()
        self.old.clear()

    # ---- what lies on the disk ---------------------------------------------------------------------------------------

    def _mend_state(self) -> dict[str, Path]:
        """Folders to be synced, where all that was known has gone."""
        if (self.home / records.STATE).is_file():
            found = Diagnosis()
            if records.check_file(self.home, found, quick=False):
                return {}
            if rebuilding.mend_indexes(self.home) and records.check_file(self.home, found, quick=False):
                return {}
        aside, folders = rebuilding.rebuild(self.home, self.reporter)
        self.aside += aside
        return folders

    def _mend_cache(self, found: Diagnosis) -> None:
        cache = EmbeddingCache(self.home)
        try:
            if found.has("CACHE_DAMAGED"):
                cache.set_aside()
            cache.remove(found.vectors)
            for database in sorted(found.refill - found.rebuild) + sorted(found.refill & found.rebuild):
                try:
                    refill(self.home, cache, database, leave_out=found.again[database])
                except StorageError as error:  # then they are embedded again, where they are needed
                    self.reporter.emit(MessageEvent("debug", error.message))
        finally:
            cache.close()

    def _remove_files(self, found: Diagnosis) -> None:
        """What is known of an output goes first: killed in between, a file is left that nothing knows."""
        store, keys = ArtifactStore(self.home), sorted(found.outputs)
        with writing(self.home) as state, state.transaction() as tx:
            tx.many("DELETE FROM artifact WHERE step_key = ?", [(key,) for key in keys])
        for path in (*map(store.path, keys), *found.files):
            path.unlink(missing_ok=True)

    def _move_databases(self, found: Diagnosis) -> None:
        for names, kept in ((found.rebuild, self.old), (found.aside, self.aside)):
            there = [name for name in sorted(names) if (self.home / "lancedb" / name).exists()]
            if there:
                folder = free_name(self.home / "lancedb.old")
                folder.mkdir(mode=0o700)
                for name in there:
                    (self.home / "lancedb" / name).rename(folder / name)
                    kept.append(folder / name)

    def _index(self, found: Diagnosis) -> None:
        for name in sorted(found.index - found.rebuild):
            open_store(self.home, name).finish(vector_rows=self.settings.vector_index_rows)

    # ---- what state.db says ------------------------------------------------------------------------------------------

    def _mark(self, found: Diagnosis) -> list[int]:
        """Make due what is to be stored again, and let go what does not belong there. Returns the new run groups."""
        with reading(self.home) as queries:
            again = {
                name: found.again[name] | found.strays[name] | self._whose_file_is_there(queries, found.remake[name])
                for name in {*found.again, *found.strays, *found.remake}
            }
            for name in found.rebuild:
                sql = "SELECT document_id FROM placement WHERE database = ? AND state = 'stored'"
                again[name] = {row[0] for row in queries.rows(sql, [name])}
            planned = [each for name in sorted(again) for each in self._planned(queries, name, again[name])]
        with writing(self.home) as state:
            return _write(state, found, planned)

    def _whose_file_is_there(self, queries: Queries, ids: Iterable[str]) -> set[str]:
        """Of the others an output is forgotten, and nothing else: their rows are as good as they were."""
        rows = queries.rows(
            "SELECT d.id, s.folder, d.uri, d.content_hash, d.suffix, d.parent_id FROM document d"
            " LEFT JOIN source s ON s.name = d.source WHERE d.id IN (SELECT value FROM json_each(?))",
            [json.dumps(list(ids))],
        )
        return {row[0] for row in rows if document_path(self.home, *row[1:]).is_file()}

    def _planned(self, queries: Queries, database: str, ids: Iterable[str]) -> list[_Planned]:
        """By pipeline and batch, as they were settled; where that is not known any more, as their batch was last stored
        there. Documents that are not known, or never were to lie there, are left out.
        """
        known = Pipelines(queries)
        parts: dict[tuple[str, int], list[str]] = defaultdict(list)
        rows = queries.rows(
            "SELECT d.id, d.batch_id, p.settled_key FROM document d LEFT JOIN placement p ON p.document_id = d.id"
            " AND p.database = ? WHERE d.state = 'active' AND d.id IN (SELECT value FROM json_each(?))",
            [database, json.dumps(list(ids))],
        )
        for row in rows:
            text = known.text(row["settled_key"]) or _newest_pipeline(queries, row["batch_id"], database)
            if text is not None:
                parts[text, row["batch_id"]].append(row["id"])
        planned = []
        for (text, batch_id), documents in parts.items():
            try:
                planned.append(_Planned(database, tuple(documents), pipelines.load(text).planned_group(batch_id)))
            except DefinitionError as error:
                said = f"{len(documents)} documents of {database} cannot be stored again: {error.message}"
                self.reporter.emit(MessageEvent("warning", said))
        return planned


@dataclass(frozen=True, slots=True)
class _Planned:
    database: str
    documents: tuple[str, ...]
    group: PlannedGroup


def _newest_pipeline(queries: Queries, batch_id: int, database: str) -> str | None:
    sql = "SELECT pipeline FROM run_group WHERE batch_id = ? AND database = ? ORDER BY id DESC LIMIT 1"
    text: str | None = queries.value(sql, [batch_id, database])
    return text


def _write(state: State, found: Diagnosis, planned: list[_Planned]) -> list[int]:
    group_ids = []
    with state.transaction() as tx:
        if found.has("REFERENCE_BROKEN"):
            _mend_references(tx)
        for name in sorted(found.rebuild):
            settling.forget_database(tx, name)
        for each in planned:
            strays.mark_due(tx, each.database, each.documents)
        for name, ids in found.strays.items():  # a mark that has just been made holds
            strays.mark_strays(tx, name, filter(is_id, ids))
        strays.release_marks(tx)
        for each in planned:
            group_id = groups.create_group(tx, each.group, Selection(document_ids=each.documents))
            if group_id is not None:
                group_ids.append(group_id)
        if not found.clean:
            counts = {finding.code: finding.count for finding in found.findings}
            settling.log(tx, "warning", "verify has found faults and repairs them", **counts)
    return group_ids


def _mend_references(tx: Transaction) -> None:
    """Records of work whose group or run has gone go too; a batch that documents need is made again, by its number."""
    for table, batch_id, name in (
        *(("document", row[0], row[1]) for row in tx.rows("SELECT batch_id, source FROM document GROUP BY batch_id")),
        *(("source", row[0], row[1]) for row in tx.rows("SELECT batch_id, name FROM source")),
        *(("run_group", row[0], "") for row in tx.rows("SELECT DISTINCT batch_id FROM run_group")),
    ):
        if batch_id is not None and not tx.value("SELECT 1 FROM batch WHERE id = ?", [batch_id]):
            if table == "run_group":
                tx.run("DELETE FROM run_group WHERE batch_id = ?", [batch_id])
            else:
                groups.create_batch(tx, {**sources.batch_row(name, "incremental"), "id": batch_id})
    tx.run("DELETE FROM run WHERE run_group_id NOT IN (SELECT id FROM run_group)")
    tx.run("DELETE FROM run_step WHERE run_id NOT IN (SELECT id FROM run)")
