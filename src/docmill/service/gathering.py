"""From what an ``ingest`` was given to what may become documents: folders opened, URIs made, filters applied.

Reads folders and file times, never a file. What cannot be used is told to the tally, and the rest goes on.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from docmill.domain import uris
from docmill.domain.changes import FoundFile
from docmill.errors import BadRow, DocumentError, UnsupportedType
from docmill.service.ingest_tally import Tally
from docmill.service.naming import Named
from docmill.sources import folder as folders


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that is there, or an address that is to be asked (``file`` None). ``meta``: None takes a key away."""

    uri: str
    file: FoundFile | None
    line: int | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


class Gatherer:
    """``folder``: of the source that files go to; those that lie in it have URIs relative to it.

    ``rules``: which files of that folder count.
    """

    def __init__(
        self,
        folder: Path | None,
        rules: folders.Rules,
        filters: Mapping[str, Any],
        meta: Mapping[str, Any],
        tally: Tally,
    ) -> None:
        self._folder = folder
        self._rules = rules
        self._filters = filters
        self._meta = meta
        self._tally = tally

    def candidates(self, named: Iterable[Named]) -> Iterator[Candidate]:
        """In their order. A row's metadata wins over that of the command."""
        rows: set[int] = set()
        for each in named:
            meta = {**self._meta, **each.meta}
            if each.error is not None:
                self._tally.problem(each.text, each.error, each.line)
                continue
            if each.address is not None:
                found: Iterable[Candidate] = [Candidate(each.address, None, each.line, meta)]
            else:
                found = self._files(each, meta)
            for candidate in found:
                if each.line is not None:
                    self._note_again(candidate.uri, each.line, rows)
                yield candidate

    def passes(self, file: FoundFile) -> bool:
        """Whether a batch's filters let it in: by its type, and by when it was changed."""
        types = self._filters.get("document_type") or []
        if types and file.suffix.lstrip(".") not in types:
            return False
        after = self._filters.get("created_after")
        return not after or file.stat.mtime_ns >= datetime.fromisoformat(after).timestamp() * 1e9

    def _files(self, named: Named, meta: Mapping[str, Any]) -> Iterator[Candidate]:
        path = named.path
        assert path is not None
        if not path.is_dir():
            found = self._file(path, named.line)
        elif named.line is None:
            found = self._in_folder(path)
        else:
            self._tally.problem(self._uri(path), BadRow(f"line {named.line}: it is a folder, not a file"), named.line)
            return
        for file in found:
            if self.passes(file):
                yield Candidate(file.uri, file, named.line, meta)
            else:
                self._tally.ignore(1)

    def _file(self, path: Path, line: int | None) -> Iterator[FoundFile]:
        uri = self._uri(path)
        try:
            found = folders.found_file(path, uri)
            if not stat.S_ISREG(path.stat().st_mode):  # reading it might never end
                raise UnsupportedType("it is not a regular file")
        except DocumentError as error:
            self._tally.problem(uri, error, line)
        else:
            yield found

    def _in_folder(self, path: Path) -> Iterator[FoundFile]:
        """Of a followed folder, or one in it, what a sync would take."""
        inside = self._folder is not None and path.is_relative_to(self._folder)
        if self._folder is not None and inside:
            scan, below, prefix = folders.scan(self._folder, self._rules), self._uri(path), ""
        else:
            rules = replace(self._rules, include=(), exclude=())
            scan, below, prefix = folders.scan(path, rules), "", f"{self._uri(path)}/"
        start = f"{below}/" if below else ""
        self._tally.ignore(sum(uri.startswith(start) for found in scan.ignored.values() for uri in found))
        for uri, reason in scan.unreadable.items():
            if uri == "/" or uri.startswith(start):
                self._tally.problem(uri, DocumentError(reason))
        for file in scan.files:
            if file.uri.startswith(start):
                yield file._replace(uri=prefix + file.uri)

    def _uri(self, path: Path) -> str:
        if self._folder is not None and path.is_relative_to(self._folder):
            relative = str(path.relative_to(self._folder))
            return "" if relative == "." else uris.encode(relative)
        return uris.encode(str(path))

    def _note_again(self, uri: str, line: int, rows: set[int]) -> None:
        """Of a million rows no more is kept than a number each."""
        number = hash(uri)
        if number in rows:
            self._tally.warn(f"line {line} names {uri} again: what it says of it goes over the earlier line")
        rows.add(number)
