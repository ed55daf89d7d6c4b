"""``sync``: the folder is the truth. Scan, compare, write down what changed, run what is due, report.

A sync that finds nothing to do reads SQLite, looks at the folder, and is done: it writes nothing, loads nothing heavy.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from docmill.domain.changes import Changes, FoundFile, HashedFile, compare
from docmill.domain.events import MessageEvent, Reporter
from docmill.domain.planning import Selection
from docmill.domain.results import DocumentProblem, IgnoredFiles, ScanCounts, SourceSync, SyncResult
from docmill.engine.pipelines import CompiledPipeline
from docmill.errors import DocumentError, InvalidState, NotAllowedError, NotFoundError, Overtaken, UsageError
from docmill.service import shapes, sources
from docmill.service.home import init
from docmill.service.pipelines import prepare
from docmill.service.recovery import recover_lost_database
from docmill.settings import HOME_NAME, Settings, find_home
from docmill.sources import folder as folders
from docmill.stores.queries import Row, reading

MOST_UNASKED_DELETIONS = 20
KEPT_OUT = "deleted by `documents delete`"


@dataclass(slots=True)
class Looked:
    """One folder, between its scan and its report."""

    source: str
    folder: Path
    scan: folders.Scan
    changes: Changes
    errors: list[DocumentProblem]
    started: float
    batch: Row | None
    batch_id: int = 0
    group_ids: list[int] = field(default_factory=list)

    @property
    def group_id(self) -> int | None:
        """The group that the figures are of."""
        return self.group_ids[-1] if self.group_ids else None


def sync(
    settings: Settings,
    reporter: Reporter,
    paths: list[Path],
    *,
    source: str | None = None,
    workflow: str | None = None,
    params: str | None = None,
    overrides: list[str] | None = None,
    include: list[str] | None = None,
    exclude: list[str] | None = None,
    allow_mass_delete: bool = False,
    prune: bool = True,
    checksum: bool = False,
) -> SyncResult:
    """Make the index follow the folders, by the definitions that are named, else by those of the last time.

    ``prune`` False: documents whose files are gone stay. ``checksum``: every file is read, whatever its times say.

    Raises NotFoundError for a folder that is not there, InvalidState where the source's batch is paused,
    NotAllowedError where most of a source would be deleted, Interrupted after Ctrl-C.
    """
    if not paths:
        raise UsageError("no folder to sync", hint="docmill sync FOLDER")
    if source is not None and len(paths) > 1:
        raise UsageError("--source names one source, so it takes one folder")
    home = _home(settings, reporter)
    rules = folders.Rules(tuple(include or ()), tuple(exclude or ()), home)
    for path in paths:
        require_folder(path.expanduser().absolute())
    synced = []
    for path in paths:
        while True:
            one, known = look(home, path, source, rules, prune=prune, checksum=checksum)
            if not allow_mass_delete:
                refuse_mass_deletion(one, known)
            used = (workflow or (one.batch["workflow"] if one.batch else "batch"),
                    params or (one.batch["params"] if one.batch else "default"))  # fmt: skip
            pipeline = prepare(home, reporter, *used, overrides or [])
            recover_lost_database(home, reporter, pipeline.database)
            try:
                _begin(home, settings, pipeline, one)
                break
            except Overtaken:  # another shell was faster: what it wrote is known by now
                continue
        synced.append((one, pipeline))
    groups = [group_id for one, _pipeline in synced for group_id in one.group_ids]
    if groups:
        from docmill.service.engines import work_until_done

        work_until_done(home, settings, reporter, groups)
    results = [_result(home, pipeline, one) for one, pipeline in synced]
    return SyncResult(**results[0].model_dump(), sources=results)


def _home(settings: Settings, reporter: Reporter) -> Path:
    """The home; where none is named and none is found, one is made here, so that one command is enough."""
    try:
        return find_home(settings)
    except NotFoundError:
        if settings.home is not None:
            raise
        made = init(settings)
        reporter.emit(MessageEvent("info", f"created {HOME_NAME} here, as there was no home"))
        return Path(made.home)


def require_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise NotFoundError(f"there is no folder {folder}", hint="name a folder that is there, and mounted")


def look(
    home: Path,
    path: Path,
    named: str | None,
    rules: folders.Rules,
    *,
    prune: bool = True,
    checksum: bool = False,
    meanwhile: Callable[[], None] = lambda: None,
) -> tuple[Looked, int]:
    """Scan one folder and hold it against the documents that are known, and count those. Reads only.

    ``prune`` and ``checksum``: as :func:`sync` has them. ``meanwhile`` is called before each file that is read;
    whatever it raises ends the look.
    """
    started = time.perf_counter()
    folder = path.expanduser().absolute()
    with reading(home) as queries:
        known_as = queries.source(named) if named else queries.source_of_folder(sources.folder_text(folder))
        name = named or (known_as["name"] if known_as else sources.free_name(queries, folder))
        other = sources.folder_path(known_as["folder"]) if known_as else None
        if other is not None and other != folder and other.is_dir():
            raise NotAllowedError(f"source {name!r} is the folder {other}", hint="give this folder another --source")
        known = queries.known_documents(name)
        kept_out = queries.kept_out(name)
        batch = queries.row("SELECT * FROM batch WHERE id = ?", [known_as["batch_id"]]) if known_as else None
    if batch is not None and batch["status"] == "paused":
        raise InvalidState(
            f"the batch of source {name!r} is paused",
            hint=f"docmill resume {batch['id']}",
            current_status="paused",
            valid_statuses=["created", "running", "completed", "failed", "cancelled"],
        )
    scan = folders.scan(folder, rules)
    scan.leave_out(kept_out, KEPT_OUT)
    errors = [
        sources.unread(uri, DocumentError(f"it cannot be looked at: {why}")) for uri, why in scan.unreadable.items()
    ]

    def hash_file(file: FoundFile) -> HashedFile | None:
        meanwhile()
        try:
            return folders.hash_file(file)
        except DocumentError as error:
            errors.append(sources.unread(file.uri, error))
            return None

    changes = compare(known, scan.files, hash_file, is_gone=lambda each: scan.covers(each.uri), checksum=checksum)
    if not prune:
        changes.unchanged += len(changes.deleted)
        changes.deleted.clear()
    one = Looked(name, folder, scan, changes, errors, started, batch, batch["id"] if batch is not None else 0)
    return one, len(known)


def refuse_mass_deletion(one: Looked, known: int) -> None:
    """A folder that is suddenly empty is more often an unmounted disk than a wish."""
    gone = len(one.changes.deleted)
    empty = gone == known and not one.scan.files
    if gone and (empty or (gone > MOST_UNASKED_DELETIONS and gone * 2 > known)):
        raise NotAllowedError(
            f"{gone} of the {known} documents of source {one.source!r} are gone from {one.folder}",
            hint="check that the disk is mounted; if they were meant to go, --allow-mass-delete",
            would_delete=[document.uri for document in one.changes.deleted[:100]],
        )


def _begin(home: Path, settings: Settings, pipeline: CompiledPipeline, one: Looked) -> None:
    """Write down what changed and create the run group, in one transaction; nothing at all where nothing is to do.

    Raises Overtaken where that is not the change from what is known any more.
    """
    if one.batch_id and one.changes.nothing:
        with reading(home) as queries:
            if queries.source_is_clean(one.source, pipeline.key, pipeline.database):
                return
    from docmill.service.controlling import supersede
    from docmill.stores.state import State, catalogue, groups

    if one.batch_id:
        supersede(home, settings, one.batch_id, pipeline)
    state = State(home)
    try:
        with state.transaction() as tx:
            used = (pipeline.definition.workflow, pipeline.definition.params)
            if not one.batch_id:
                if tx.value("SELECT 1 FROM source WHERE name = ?", [one.source]):
                    raise Overtaken(f"another shell has just made a source {one.source!r}")
                row = sources.batch_row(one.source, "incremental")
                one.batch_id = groups.create_batch(tx, {**row, "workflow": used[0], "params": used[1]})
            tx.run("UPDATE batch SET workflow = ?, params = ? WHERE id = ?", [*used, one.batch_id])
            catalogue.add_source(tx, one.source, sources.folder_text(one.folder), one.batch_id)
            catalogue.record_changes(tx, one.source, one.batch_id, one.changes)
            planned = pipeline.planned_group(one.batch_id)
            most = settings.max_running_batches
            groups.create_group(tx, planned, Selection(source=one.source), most_running=most)
            # With the new group, unfinished ones of earlier calls: theirs is the rest of the work.
            sql = "SELECT id FROM run_group WHERE batch_id = ? AND status = 'running' ORDER BY id"
            one.group_ids = [row.id for row in tx.rows(sql, [one.batch_id])]
    finally:
        state.close()


def _result(home: Path, pipeline: CompiledPipeline, one: Looked) -> SourceSync:
    changes = one.changes
    with reading(home) as queries, queries.snapshot():
        group = queries.group(one.group_id) if one.group_id is not None else None
        errors = [*one.errors, *shapes.problems_of_source(queries, one.source)]
        return SourceSync(
            batch_id=one.batch_id,
            run_group_id=one.group_id,
            source=one.source,
            folder=str(one.folder),
            database=pipeline.database,
            status=group["status"] if group else "completed",
            scan=ScanCounts(
                files=len(one.scan.files),
                new=len(changes.new),
                changed=len(changes.changed),
                renamed=len(changes.renamed),
                deleted=len(changes.deleted),
                unchanged=changes.unchanged,
                ignored=sum(map(len, one.scan.ignored.values())),
            ),
            ignored=[
                IgnoredFiles(rule=rule, count=count, examples=examples)
                for rule, count, examples in folders.ignored_examples(one.scan.ignored)
            ],
            documents=shapes.document_counts(queries, one.group_id),
            chunks=shapes.chunk_counts(group),
            seconds=round(time.perf_counter() - one.started, 3),
            errors=errors,
            reason=shapes.reason(group, errors),
        )
