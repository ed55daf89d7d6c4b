"""``sync``: the folder is the truth. Scan, compare, write down what changed, run what is due, report.

A sync that finds nothing to do reads SQLite, looks at the folder, and is done: it writes nothing, loads nothing heavy.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from docmill.domain.events import MessageEvent, Reporter
from docmill.domain.planning import Selection
from docmill.domain.results import SkippedSource, SourceSync, SyncResult
from docmill.domain.sources import Wishes
from docmill.engine.head_start import HeadStart
from docmill.engine.pipelines import CompiledPipeline
from docmill.engine.stopping import StopFlag
from docmill.errors import (
    DefinitionError,
    DocmillError,
    ModelMissing,
    ModelRefused,
    ModelUnreachable,
    NotAllowedError,
    NotFoundError,
    Overtaken,
    StoppedError,
    UsageError,
)
from docmill.service import passwords, shapes, sources, sync_manifest
from docmill.service.home import init
from docmill.service.looking import Looked, look, refuse_mass_deletion, require_folder
from docmill.service.pipelines import prepare
from docmill.service.recovery import recover_lost_database
from docmill.service.sync_manifest import Planned
from docmill.settings import HOME_NAME, Settings, find_home
from docmill.stores.queries import reading

Target = tuple[Path, str | None]  # a folder, and its source's name where that is known
_MODEL_AWAY = (ModelMissing, ModelUnreachable, ModelRefused)


def sync(
    settings: Settings,
    reporter: Reporter,
    paths: list[Path],
    *,
    source: str | None = None,
    workflow: str | None = None,
    params: str | None = None,
    overrides: list[str] | None = None,
    password_file: str | None = None,
    include: list[str] | None = None,
    exclude: list[str] | None = None,
    allow_mass_delete: bool = False,
    prune: bool = True,
    checksum: bool = False,
    manifest: Path | None = None,
    still: float = 0.0,
    stop: StopFlag | None = None,
) -> SyncResult:
    """Make the index follow the folders, or without any all sources that there are; by what is named of definitions and
    patterns, which a source remembers, else by those of the last time.

    ``prune`` False: documents whose files are gone stay. ``checksum``: every file is read, whatever its times say.
    ``manifest``: do what a plan has written there, exactly, and nothing else. ``still``: a file that was written within
    so many seconds is left for the next time, as FILE_CHANGED. ``stop``: of a caller that hears the signals itself.

    Raises NotFoundError for a folder that is not there, InvalidState where the source's batch is paused,
    NotAllowedError where most of a source would be deleted, Interrupted after Ctrl-C. Where all sources are synced, one
    of which that is so is passed over, and named in the result.
    """
    if source is not None and len(paths) > 1:
        raise UsageError("--source names one source, so it takes one folder")
    home = find_or_make_home(settings, reporter) if paths else find_home(settings)
    wishes = Wishes(workflow, params, overrides or None, include or None, exclude or None, password_file=password_file)
    for path in paths:
        require_folder(path.expanduser().absolute())
    targets: Sequence[Target | Planned]
    if manifest is not None:
        targets = _planned(manifest, paths, source, wishes)
    else:
        targets = [(path, source) for path in paths] or followed(home, source)
    one_by_one = not paths and manifest is None and len(targets) > 1
    with HeadStart(home, settings) as head_start:
        how = _How(wishes, allow_mass_delete, prune, checksum, still, stop, head_start)
        synced, skipped = _begin_all(home, settings, reporter, targets, how, skip=one_by_one)
        groups = [group_id for one, _pipeline in synced for group_id in one.group_ids]
        if groups:
            from docmill.service.engines import work_until_done

            work_until_done(home, settings, reporter, groups, stop, head_start)
    results = [_result(home, pipeline, one) for one, pipeline in synced]
    return SyncResult(**results[0].model_dump(), sources=results, skipped=skipped)


@dataclass(frozen=True, slots=True)
class _How:
    """What holds for all folders of one call."""

    wishes: Wishes
    allow_mass_delete: bool
    prune: bool
    checksum: bool
    still: float
    stop: StopFlag | None
    head_start: HeadStart

    def obey(self) -> None:
        if self.stop is not None and self.stop.reason:
            raise StoppedError(f"stopped by {self.stop.reason}; what was done is kept")


def _begin_all(
    home: Path,
    settings: Settings,
    reporter: Reporter,
    targets: Sequence[Target | Planned],
    how: _How,
    *,
    skip: bool,
) -> tuple[list[tuple[Looked, CompiledPipeline]], list[SkippedSource]]:
    """``skip``: one that cannot be synced is passed over, unless all are so: then NotAllowedError is raised."""
    begun: list[tuple[Looked, CompiledPipeline]] = []
    skipped: list[SkippedSource] = []
    for target in targets:
        try:
            one, pipeline = _look_and_begin(home, settings, reporter, target, how)
            one.let_go()
            begun.append((one, pipeline))
        except (NotFoundError, NotAllowedError, DefinitionError, *_MODEL_AWAY) as error:
            if not skip or isinstance(target, Planned):
                raise
            path, name = target
            skipped.append(_skipped(path, name, error))
    if not begun:
        raise NotAllowedError(
            f"none of the {len(skipped)} sources can be synced; the first: {skipped[0].error_message}",
            hint=skipped[0].hint,
            skipped=[each.model_dump() for each in skipped],
        )
    return begun, skipped


def _planned(manifest: Path, paths: list[Path], source: str | None, wishes: Wishes) -> list[Planned]:
    if paths or source is not None or wishes != Wishes():
        raise UsageError("--manifest says what is to be done: it takes no folder, source, definitions or patterns")
    found = sync_manifest.read(manifest)
    if not found:
        raise DefinitionError(f"{manifest} plans nothing for any source")
    return found


def followed(home: Path, name: str | None = None) -> list[Target]:
    """The folders that sources follow, by name; or the one of that name. Raises UsageError, NotFoundError for none."""
    with reading(home) as queries:
        rows = queries.rows(
            "SELECT name, folder FROM source WHERE folder IS NOT NULL AND (?1 IS NULL OR name = ?1) ORDER BY name",
            [name],
        )
    if not rows and name is not None:
        raise NotFoundError(f"no source {name!r} that follows a folder", hint="`docmill source list` shows them")
    if not rows:
        raise UsageError("no folder to sync, and no source yet", hint="docmill sync FOLDER")
    return [(Path(sources.folder_path(row["folder"]) or "/"), row["name"]) for row in rows]


def find_or_make_home(settings: Settings, reporter: Reporter) -> Path:
    """The home; where none is named and none is found, one is made here, so that one command is enough."""
    try:
        return find_home(settings)
    except NotFoundError:
        if settings.home is not None:
            raise
        made = init(settings)
        reporter.emit(MessageEvent("info", f"created {HOME_NAME} here, as there was no home"))
        return Path(made.home)


def _skipped(path: Path, name: str | None, error: DocmillError) -> SkippedSource:
    return SkippedSource(
        source=name or "", folder=str(path), error_code=error.code, error_message=error.message, hint=error.hint
    )


def _look_and_begin(
    home: Path, settings: Settings, reporter: Reporter, target: Target | Planned, how: _How
) -> tuple[Looked, CompiledPipeline]:
    planned = target if isinstance(target, Planned) else None
    path, name = (target.folder, target.source) if isinstance(target, Planned) else target
    wishes = planned.wishes if planned else how.wishes
    while True:
        one = look(
            home,
            path,
            name,
            wishes,
            prune=how.prune,
            checksum=how.checksum,
            meanwhile=how.obey,
            still=how.still,
            found=how.head_start.found,
        )
        used = one.settings
        pipeline = prepare(home, reporter, used.workflow, used.params, used.overrides, one.profiles)
        if planned is not None:
            sync_manifest.hold(home, one, planned, pipeline)
        if not how.allow_mass_delete:
            refuse_mass_deletion(one)
        recover_lost_database(home, reporter, pipeline.database)
        try:
            _begin(home, settings, pipeline, one, planned)
        except Overtaken:  # another shell was faster: what it wrote is known by now
            continue
        return one, pipeline


def _begin(home: Path, settings: Settings, pipeline: CompiledPipeline, one: Looked, plan: Planned | None) -> None:
    """Write down what changed and create the run group, in one transaction; nothing at all where nothing is to do.

    Raises Overtaken where that is not the change from what is known any more.
    """
    told_anew = one.settings != one.before
    locked_before = passwords.due_before(pipeline, told_anew=told_anew)
    if plan is None and one.batch_id and one.changes.nothing and not told_anew:
        with reading(home) as queries:
            locked = passwords.would_release(queries, one.source, locked_before)
            asked = queries.asking(pipeline.database, pipeline.model.fingerprint) == pipeline.asking
            if not locked and asked and queries.source_is_clean(one.source, pipeline.rows_keys, pipeline.database):
                return
    from docmill.service.controlling import supersede
    from docmill.stores.state import State, catalogue, groups, ruling

    if one.batch_id:
        supersede(home, settings, one.batch_id, pipeline)
    state = State(home)
    try:
        with state.transaction() as tx:
            if not one.batch_id:
                if tx.value("SELECT 1 FROM source WHERE name = ?", [one.source]):
                    raise Overtaken(f"another shell has just made a source {one.source!r}")
                one.batch_id = groups.create_batch(tx, sources.batch_row(one.source, "incremental"))
            catalogue.add_source(tx, one.source, sources.folder_text(one.folder), one.batch_id)
            catalogue.remember(tx, one.source, one.settings)
            catalogue.record_changes(tx, one.source, one.batch_id, one.changes)
            ruling.apply(tx, one.source, one.before, one.settings)
            passwords.release(tx, one.source, locked_before)
            planned = pipeline.planned_group(one.batch_id)
            most = settings.max_running_batches
            wanted = catalogue.ids_of(tx, one.source, plan.documents) if plan is not None else None
            selection = Selection(source=one.source, document_ids=wanted)
            groups.create_group(tx, planned, selection, most_running=most)
            # With the new group, unfinished ones of earlier calls: theirs is the rest of the work.
            sql = "SELECT id FROM run_group WHERE batch_id = ? AND status = 'running' ORDER BY id"
            one.group_ids = [row.id for row in tx.rows(sql, [one.batch_id])]
    finally:
        state.close()


def _result(home: Path, pipeline: CompiledPipeline, one: Looked) -> SourceSync:
    with reading(home) as queries, queries.snapshot():
        group = queries.group(one.group_id) if one.group_id is not None else None
        endings = shapes.endings(queries, "d.source = ?", [one.source], one.errors)
        return SourceSync(
            batch_id=one.batch_id,
            run_group_id=one.group_id,
            source=one.source,
            folder=str(one.folder),
            database=pipeline.database,
            status=group["status"] if group else "completed",
            scan=one.counts,
            ignored=one.ignored,
            documents=shapes.document_counts(queries, one.group_id),
            chunks=shapes.chunk_counts(group),
            seconds=round(time.perf_counter() - one.started, 3),
            reason=shapes.reason(group, endings["outcomes"].failed_documents),
            **endings,
        )
