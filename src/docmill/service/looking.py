"""Looks at a folder and holds it against the documents that are known of it. Reads only."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from docmill.domain.changes import Changes, FoundFile, HashedFile, KnownDocument, compare
from docmill.domain.results import DocumentProblem, IgnoredFiles, ScanCounts
from docmill.domain.sources import SourceSettings, Wishes
from docmill.errors import (
    DocumentError,
    FileChanged,
    InvalidState,
    NotAllowedError,
    NotFoundError,
    SourceFileDenied,
)
from docmill.service import images, sources
from docmill.sources import folder as folders
from docmill.stores.queries import Queries, Row, reading

MOST_UNASKED_DELETIONS = 20
KEPT_OUT = "deleted by `documents delete`"


@dataclass(slots=True)
class Looked:
    """One folder, between its scan and its report. ``settings``: what holds now; ``before``: what it remembered.

    ``known``: how many documents were known.
    """

    source: str
    folder: Path
    settings: SourceSettings
    before: SourceSettings | None
    scan: folders.Scan
    changes: Changes
    errors: list[DocumentProblem]
    known: int
    started: float
    batch_id: int = 0
    group_ids: list[int] = field(default_factory=list)
    _figures: tuple[ScanCounts, list[IgnoredFiles]] | None = None

    def let_go(self) -> None:
        """Keep the figures, and no file: what follows may take hours, and needs none of them."""
        self._figures = self.counts, self.ignored
        self.scan, self.changes = folders.Scan(), Changes()

    @property
    def counts(self) -> ScanCounts:
        if self._figures:
            return self._figures[0]
        changes = self.changes
        return ScanCounts(
            files=len(self.scan.files),
            new=len(changes.new),
            changed=len(changes.changed),
            renamed=len(changes.renamed),
            deleted=len(changes.deleted),
            unchanged=changes.unchanged,
            ignored=sum(map(len, self.scan.ignored.values())),
        )

    @property
    def ignored(self) -> list[IgnoredFiles]:
        if self._figures:
            return self._figures[1]
        return [
            IgnoredFiles(rule=rule, count=count, examples=examples)
            for rule, count, examples in folders.ignored_examples(self.scan.ignored)
        ]

    @property
    def profiles(self) -> set[str]:
        """Of its files."""
        return {self.settings.profile(file.uri) for file in self.scan.files} if self.settings.rules else set()

    @property
    def group_id(self) -> int | None:
        """The group that the figures are of."""
        return self.group_ids[-1] if self.group_ids else None


def require_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise NotFoundError(f"there is no folder {folder}", hint="name a folder that is there, and mounted")


def look(
    home: Path,
    path: Path,
    named: str | None,
    wishes: Wishes,
    *,
    prune: bool = True,
    checksum: bool = False,
    though_paused: bool = False,
    meanwhile: Callable[[], None] = lambda: None,
    still: float = 0.0,
    found: Callable[[], None] = lambda: None,
) -> Looked:
    """Scan one folder and hold it against the documents that are known.

    ``prune`` False: documents whose files are gone stay. ``checksum``: every file is read, whatever its times say.
    ``meanwhile`` is called before each file that is read; whatever it raises ends the look. ``still``: a file that was
    written within so many seconds is left for the next look. ``found`` is called for each file that is new or has
    changed, as soon as that is known.

    Raises NotFoundError for a folder that is not there, InvalidState where the source's batch is paused, unless
    ``though_paused``.
    """
    started = time.perf_counter()
    folder = path.expanduser().absolute()
    require_folder(folder)
    with reading(home) as queries, queries.snapshot(), _without_collector():
        row = _source(queries, folder, named)
        name = named or (row["name"] if row else sources.free_name(queries, folder))
        quiet = {} if checksum else queries.quiet_files(name)
        kept_out = queries.kept_out(name)
        batch = queries.row("SELECT * FROM batch WHERE id = ?", [row["batch_id"]]) if row else None
    before = SourceSettings.of(row, batch) if row and batch else None
    if batch is not None and not though_paused:
        _require_not_paused(name, batch)
    settings = (before or SourceSettings()).told(wishes)
    rules = folders.Rules(settings.include, settings.exclude, home, images.wanted(home, settings))
    with _without_collector():
        scan = folders.scan(folder, rules)
    scan.leave_out(kept_out, KEPT_OUT)
    with _without_collector():
        doubtful = [file for file in scan.files if quiet.pop(file.uri, None) != file.stat]
    with reading(home) as queries:  # nothing of those that stand as they stood, which may be all
        among = None if checksum else {*quiet, *(file.uri for file in doubtful)}
        known = queries.known_documents(name, among)
    unchanged = len(scan.files) - len(doubtful)
    hashing = _Hashing(known, meanwhile=meanwhile, found=found, still=still)
    hashing.errors += [
        sources.unread(uri, SourceFileDenied(f"it cannot be looked at: {why}")) for uri, why in scan.unreadable.items()
    ]
    changes = compare(known, doubtful, hashing.hash, is_gone=lambda each: scan.covers(each.uri), checksum=checksum)
    changes.unchanged += unchanged
    if hashing.moving:  # what seems deleted may be such a file, under a name that is not known yet
        changes.spare(lambda each: (each.stat.device, each.stat.inode) in hashing.moving)
    if not prune:
        changes.unchanged += len(changes.deleted)
        changes.deleted.clear()
    batch_id = batch["id"] if batch is not None else 0
    known_count = unchanged + len(known)
    return Looked(name, folder, settings, before, scan, changes, hashing.errors, known_count, started, batch_id)


class _Hashing:
    """Reads files, and notes which could not be read and which are still being written."""

    def __init__(
        self,
        known: Mapping[str, KnownDocument],
        *,
        meanwhile: Callable[[], None],
        found: Callable[[], None],
        still: float,
    ) -> None:
        self._known = known
        self._meanwhile = meanwhile
        self._found = found
        self._still = still
        self.errors: list[DocumentProblem] = []
        self.moving: set[tuple[int, int]] = set()  # device and inode

    def hash(self, file: FoundFile) -> HashedFile | None:
        self._meanwhile()
        document = self._known.get(file.uri)
        if document is None:
            self._found()
        try:
            if self._still and folders.is_moving(file, self._still):
                self.moving.add((file.stat.device, file.stat.inode))
                raise FileChanged("the file is being written", hint="it will be read when it stands still")
            hashed = folders.hash_file(file)
        except DocumentError as error:
            self.errors.append(sources.unread(file.uri, error))
            return None
        if document is not None and hashed.content_hash != document.content_hash:
            self._found()
        return hashed


@contextmanager
def _without_collector() -> Iterator[None]:
    """Python looks for cycles the more often, the more there is; records of files have none, and are many."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def refuse_mass_deletion(one: Looked) -> None:
    """A folder that is suddenly empty is more often an unmounted disk than a wish. Raises NotAllowedError."""
    gone, known = len(one.changes.deleted), one.known
    empty = gone == known and not one.scan.files
    if gone and (empty or (gone > MOST_UNASKED_DELETIONS and gone * 2 > known)):
        raise NotAllowedError(
            f"{gone} of the {known} documents of source {one.source!r} are gone from {one.folder}",
            hint="check that the disk is mounted; if they were meant to go, --allow-mass-delete",
            would_delete=[document.uri for document in one.changes.deleted[:100]],
        )


def _source(queries: Queries, folder: Path, named: str | None) -> Row | None:
    row = queries.source(named) if named else queries.source_of_folder(sources.folder_text(folder))
    other = sources.folder_path(row["folder"]) if row else None
    if other is not None and other != folder and other.is_dir():
        raise NotAllowedError(f"source {named!r} is the folder {other}", hint="give this folder another --source")
    if row is not None and other is None and queries.known_documents(row["name"]):
        raise NotAllowedError(  # none of them lies in the folder, so that this would delete them
            f"the documents of source {named!r} were named one by one", hint="give this folder another --source"
        )
    return row


def _require_not_paused(source: str, batch: Row) -> None:
    if batch["status"] == "paused":
        raise InvalidState(
            f"the batch of source {source!r} is paused",
            hint=f"docmill resume {batch['id']}",
            current_status="paused",
            valid_statuses=["created", "running", "completed", "failed", "cancelled"],
        )
