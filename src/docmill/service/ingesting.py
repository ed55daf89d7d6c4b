"""``ingest``: makes files and addresses known, as documents of a batch, without processing them.

What it is given may be long, so it is taken in windows: each is read, or fetched, and then written down in one
transaction. What an interrupted ingest has written stays, and is found unchanged by the next one.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from docmill.domain import places
from docmill.domain.changes import FileStat, FoundFile, HashedFile
from docmill.domain.events import Reporter, SilentReporter
from docmill.domain.results import IngestedFile, IngestResult
from docmill.errors import AddressRefused, DocumentError, Overtaken, UsageError
from docmill.service import naming
from docmill.service.fetching import Fetcher, Got, Wanted
from docmill.service.gathering import Candidate, Gatherer
from docmill.service.ingest_tally import Tally
from docmill.service.ingest_targets import Target, Targets
from docmill.service.inputs import PRIORITIES, one_of
from docmill.service.naming import Manifest
from docmill.settings import Settings, find_home
from docmill.sources import folder as folders
from docmill.sources.url import Fetched
from docmill.stores.downloads import Copy, DownloadStore
from docmill.stores.state import State, arrivals
from docmill.stores.state.arrivals import Arrival, Present

_MOST_FILES, _MOST_ADDRESSES = 500, 32  # of a window: what is in one and not yet written is done again after a crash


def ingest(
    settings: Settings,
    inputs: list[str],
    *,
    batch: str | None = None,
    source: str | None = None,
    meta: list[str] | None = None,
    priority: str | None = None,
    stdin: Iterable[str] | None = None,
    manifest: Manifest | None = None,
    reporter: Reporter | None = None,
) -> IngestResult:
    """Make files and addresses known, as documents of a batch. Nothing is processed; ``start`` does that.

    A folder's files have URIs relative to it; files that are named one by one have their absolute path, unless they lie
    in the folder of the source that is named. The URI of an address is itself, and a copy of what it gives is kept.
    Nothing is ever deleted: a document whose file or address is gone stays as it is, with an error in the answer.

    Raises UsageError, BatchNotFound, NotFoundError for a manifest that is not there, StorageError for a full disk.
    """
    home = find_home(settings)
    if not inputs and manifest is None:
        raise UsageError("nothing to ingest", hint="name files, folders or addresses, or `-` for a list on stdin")
    if manifest is not None and manifest.file == "-" and "-" in inputs:
        raise UsageError("stdin is one list: `-` or `--manifest -`")
    if priority is not None:
        one_of("priority", priority, PRIORITIES)
    metadata = _metadata(meta or [])
    named = list(naming.from_texts(inputs, stdin))
    if not named and manifest is None:
        raise UsageError("nothing to ingest", hint="the list on stdin is empty")
    only = named[0].path if len(named) == 1 and manifest is None else None
    state = State(home)
    try:
        targets = Targets(home, state, batch, source, only if only and only.is_dir() else None, priority)
        tally = Tally(reporter or SilentReporter())
        gatherer = Gatherer(targets.folder, targets.rules, targets.filters, metadata, tally)
        ingestion = _Ingestion(home, settings, state, targets, gatherer, tally)
        # The manifest first: one whose columns do not fit is refused before anything is written.
        ingestion.run(gatherer.candidates(chain(naming.from_manifest(manifest) if manifest else (), named)))
        targets.apply_rules()
        return tally.result(targets.known)
    finally:
        state.close()


class _Ingestion:
    """One ``ingest``: read or fetch, compare, write down, a window at a time."""

    def __init__(
        self, home: Path, settings: Settings, state: State, targets: Targets, gatherer: Gatherer, tally: Tally
    ) -> None:
        self._state = state
        self._targets = targets
        self._gatherer = gatherer
        self._tally = tally
        self._downloads = DownloadStore(home)
        self._fetcher = Fetcher(home, settings)

    def run(self, candidates: Iterable[Candidate]) -> None:
        for window in _windows(candidates):
            self._each_until_written([each for each in window if each.file is not None], "files")
            self._each_until_written([each for each in window if each.file is None], "web")
            self._tally.tell()

    def _each_until_written(self, window: Sequence[Candidate], kind: Literal["files", "web"]) -> None:
        while window:
            try:
                target = self._targets.files() if kind == "files" else self._targets.web()
            except AddressRefused as error:
                for each in window:
                    self._tally.problem(each.uri, error, each.line)
                return
            write = self._files if kind == "files" else self._addresses
            try:
                write(target, window)
                return
            except Overtaken:  # another shell was faster: what it wrote is known by now
                continue

    def _files(self, target: Target, window: Sequence[Candidate]) -> None:
        known = self._targets.present(target, [each.uri for each in window])
        arrived: list[Arrival] = []
        problems: list[tuple[Candidate, DocumentError]] = []
        for each in window:
            assert each.file is not None
            before = known.get(each.uri)
            if before is not None and before.document.matches(each.file.stat):
                arrived.append(Arrival(_as_known(before), each.meta, seen=before.document))
                continue
            try:
                arrived.append(Arrival(folders.hash_file(each.file), each.meta))
            except DocumentError as error:
                problems.append((each, error))
        self._write(target, arrived)
        self._tell_problems(problems)

    def _addresses(self, target: Target, window: Sequence[Candidate]) -> None:
        """Each is asked once, however often it is named."""
        known = self._targets.present(target, [each.uri for each in window])
        wanted = [Wanted(uri, self._origin(known.get(uri))) for uri in dict.fromkeys(each.uri for each in window)]
        got = dict(zip((each.uri for each in wanted), self._fetcher.fetch(wanted), strict=True))
        arrived: list[Arrival] = []
        problems: list[tuple[Candidate, DocumentError]] = []
        ignored = 0
        for each in window:
            answer = got[each.uri]
            if isinstance(answer, DocumentError):
                problems.append((each, answer))
            elif (arrival := self._arrival(each, answer, known.get(each.uri))) is None:
                ignored += 1
            else:
                arrived.append(arrival)
        try:
            self._write(target, arrived)
        finally:  # what was fetched and is nobody's, and what was a document's until now
            old = [_copy(each.document.content_hash, each.document.suffix) for each in known.values()]
            self._discard([*old, *_copies(got.values())], kept=arrived)
        self._tally.ignore(ignored)
        self._tell_problems(problems)

    def _origin(self, before: Present | None) -> dict[str, str]:
        """What to ask with; nothing where the copy is gone, so that it is fetched again."""
        if before is None or not self._downloads.has(_copy(before.document.content_hash, before.document.suffix)):
            return {}
        return before.origin

    def _arrival(self, each: Candidate, answer: Fetched | None, before: Present | None) -> Arrival | None:
        """None where the batch does not want it."""
        if answer is None:
            assert before is not None
            return Arrival(_as_known(before), each.meta, seen=before.document)
        path = self._downloads.path((answer.content_hash, answer.suffix))
        try:
            found = folders.found_file(path, each.uri)
        except DocumentError as error:
            raise Overtaken(f"the copy of {each.uri} has just been removed") from error
        if not self._gatherer.passes(found):
            return None
        return Arrival(HashedFile(found, answer.content_hash, time.time_ns()), each.meta, answer.origin)

    def _write(self, target: Target, arrived: Sequence[Arrival]) -> None:
        """One transaction. Raises Overtaken."""
        if not arrived:
            return
        with self._state.transaction() as tx:
            for each in arrived:
                file = each.hashed.file
                if places.is_address(file.uri) and not self._downloads.has(
                    _copy(each.hashed.content_hash, file.suffix)
                ):
                    raise Overtaken(f"the copy of {file.uri} has just been removed")
            accepted = arrivals.accept(tx, target.source, target.batch_id, arrived)
        for arrival, one in zip(arrived, accepted, strict=True):
            self._tally.add(
                IngestedFile(
                    document_id=one.document_id,
                    document_hash=arrival.hashed.content_hash,
                    uri=arrival.hashed.file.uri,
                    source=target.source,
                    batch_id=one.batch_id,
                    outcome=one.outcome,
                )
            )

    def _discard(self, copies: Sequence[Copy], kept: Sequence[Arrival]) -> None:
        used = {_copy(each.hashed.content_hash, each.hashed.file.suffix) for each in kept}
        unused = [copy for copy in dict.fromkeys(copies) if copy not in used]
        if unused:
            with self._state.transaction() as tx:
                self._downloads.discard(tx, unused)

    def _tell_problems(self, problems: Sequence[tuple[Candidate, DocumentError]]) -> None:
        for each, error in problems:
            self._tally.problem(each.uri, error, each.line)


def _windows(candidates: Iterable[Candidate]) -> Iterator[list[Candidate]]:
    window: list[Candidate] = []
    sizes = Counter[bool]()
    for each in candidates:
        window.append(each)
        sizes[each.file is None] += 1
        if sizes[True] >= _MOST_ADDRESSES or sizes[False] >= _MOST_FILES:
            yield window
            window, sizes = [], Counter[bool]()
    if window:
        yield window


def _as_known(before: Present) -> HashedFile:
    document = before.document
    found = FoundFile(document.uri, "", document.suffix, FileStat(*document.stat))
    return HashedFile(found, document.content_hash, document.hashed_at_ns)


def _copy(content_hash: str, suffix: str) -> Copy:
    return content_hash, suffix


def _copies(answers: Iterable[Got]) -> list[Copy]:
    return [(each.content_hash, each.suffix) for each in answers if isinstance(each, Fetched)]


def _metadata(pairs: list[str]) -> dict[str, Any]:
    result = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key.strip():
            raise UsageError(f"--meta takes key=value, not {pair!r}")
        result[key.strip()] = value
    return result
