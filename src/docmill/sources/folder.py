"""Looks through a folder and hashes files. One pass of ``os.scandir``; nothing is opened unless it must be hashed."""

from __future__ import annotations

import fnmatch
import os
import re
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from docmill import filetypes
from docmill.domain import uris
from docmill.domain.changes import FileStat, FoundFile, HashedFile
from docmill.domain.identity import CONTENT_PREFIX
from docmill.errors import FileChanged, SourceFileDenied, SourceFileMissing
from docmill.sources import digests, ignoring
from docmill.sources.ignoring import IgnoreRules

PARTIAL_SUFFIXES = frozenset({".part", ".partial", ".crdownload", ".download", ".tmp", ".swp", ".opdownload"})


@dataclass(frozen=True, slots=True)
class Rules:
    """Which files of a folder count. A shell glob with a ``/`` is held against the URI, another against the name.

    ``images``: whether an image of that URI counts.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    home: Path | None = None
    images: Callable[[str], bool] = lambda _uri: False


class _Patterns:
    """Several globs as one question."""

    def __init__(self, globs: Sequence[str]) -> None:
        self._names = _any_of([glob for glob in globs if "/" not in glob])
        self._uris = _any_of([glob.lstrip("/") for glob in globs if "/" in glob])

    def __bool__(self) -> bool:
        return self._names is not None or self._uris is not None

    def match(self, name: str, uri: str) -> bool:
        return bool((self._names and self._names.match(name)) or (self._uris and self._uris.match(uri)))


@dataclass(slots=True)
class Scan:
    """files:      what may be read, in no particular order.
    ignored:    URIs passed over, by the rule that did it.
    unreadable: URIs of folders (ending in ``/``) and files that could not be looked at, with the reason.
    """

    files: list[FoundFile] = field(default_factory=list)
    ignored: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    unreadable: dict[str, str] = field(default_factory=dict)

    def leave_out(self, unwanted: Collection[str], rule: str) -> None:
        """Pass over files by their URI."""
        if unwanted:
            self.ignored[rule] += [file.uri for file in self.files if file.uri in unwanted]
            self.files = [file for file in self.files if file.uri not in unwanted]

    def covers(self, uri: str) -> bool:
        """Whether a file of that URI would have been seen if it were there."""
        return uri not in self.unreadable and not any(
            each == "/" or uri.startswith(f"{each.rstrip('/')}/")
            for each in self.unreadable  # it may be a folder
        )


def scan(folder: Path, rules: Rules) -> Scan:
    """Every file under ``folder``. Symbolic links are followed; a folder reached twice is entered once."""
    result = Scan()
    files = _FileRules(_Patterns(rules.include), _Patterns(rules.exclude), rules.images)
    home = _identity(rules.home)
    start = _identity(folder)
    entered = {start} if start else set()
    pending: list[tuple[str, str, str, IgnoreRules]] = [(os.fspath(folder), "", "", IgnoreRules())]
    while pending:
        path, prefix, raw, rules_here = pending.pop()
        entries = _entries(path, prefix, result)
        if ignoring.NAME in [entry.name for entry in entries]:
            rules_here = rules_here.below(path, raw)
        ruled = bool(rules_here)
        for entry in entries:
            name = prefix + uris.encode(entry.name)
            try:
                stat = entry.stat()
            except OSError as error:
                result.unreadable[name] = error.strerror or str(error)
                continue
            if S_ISDIR(stat.st_mode):
                identity = (stat.st_dev, stat.st_ino)
                rule = _folder_rule(entry.name, name, files.exclude, again=identity in entered, home=identity == home)
                if not rule and rules_here.leave_out(raw + entry.name, folder=True):
                    rule = ignoring.NAME
                if rule:
                    result.ignored[rule].append(f"{name}/")
                    continue
                entered.add(identity)
                pending.append((entry.path, f"{name}/", f"{raw}{entry.name}/", rules_here))
                continue
            suffix = _suffix(entry.name)
            rule = files.rule(entry.name, name, suffix, stat.st_mode)
            if ruled and not rule and rules_here.leave_out(raw + entry.name, folder=False):
                rule = ignoring.NAME
            if rule:
                result.ignored[rule].append(name)
                continue
            result.files.append(FoundFile(name, entry.path, suffix, _file_stat(stat)))
    return result


def hash_file(file: FoundFile) -> HashedFile:
    """The content hash, and the file's state while it was read. Raises FileChanged where it would not stand still."""
    try:
        with open(file.path, "rb", buffering=0) as stream:  # noqa: PTH123 - the path may hold bytes that are not UTF-8
            for _attempt in range(3):
                before = _file_stat(os.fstat(stream.fileno()))
                digest = digests.of_file(stream.fileno(), before.size)
                hashed_at_ns = time.time_ns()
                if _file_stat(os.fstat(stream.fileno())) == before:
                    found = FoundFile(file.uri, file.path, file.suffix, before)
                    return HashedFile(found, CONTENT_PREFIX + digest, hashed_at_ns)
    except FileNotFoundError:
        raise SourceFileMissing("the file was gone when it was to be read") from None
    except OSError as error:
        raise SourceFileDenied(f"the file cannot be read: {error.strerror}", hint="check its permissions") from error
    raise FileChanged("the file changed each time it was read", hint="it will be read when it stands still")


def is_moving(file: FoundFile, seconds: float) -> bool:
    """Whether it was written, or came to its place, within the last ``seconds``. A time to come, by a clock that is
    wrong, tells nothing.
    """
    now = time.time_ns()
    return any(0 <= now - at < seconds * 1e9 for at in (file.stat.mtime_ns, file.stat.ctime_ns))


def found_file(path: Path, uri: str) -> FoundFile:
    """One file that was named, not scanned. Raises SourceFileMissing or SourceFileDenied."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        raise SourceFileMissing(f"there is no file {path}") from None
    except OSError as error:
        raise SourceFileDenied(f"{path} cannot be looked at: {error.strerror}") from error
    return FoundFile(uri, os.fspath(path), _suffix(path.name), _file_stat(stat))


def _entries(path: str, prefix: str, result: Scan) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except OSError as error:
        result.unreadable[prefix or "/"] = error.strerror or str(error)
        return []


def _folder_rule(name: str, uri: str, exclude: _Patterns, *, again: bool, home: bool) -> str | None:
    if home:
        return "docmill's own home"
    if name.startswith("."):
        return "hidden"
    if again:
        return "folder already entered through another path"
    return "excluded by pattern" if exclude.match(name, uri) or exclude.match(name, f"{uri}/") else None


class _FileRules:
    """Why a file is passed over. What follows from a suffix alone is found out once."""

    def __init__(self, include: _Patterns, exclude: _Patterns, images: Callable[[str], bool]) -> None:
        self.include = include
        self.exclude = exclude
        self._patterned = bool(include or exclude)
        self._images = images
        self._by_suffix: dict[str, str | None] = {}

    def rule(self, name: str, uri: str, suffix: str, mode: int) -> str | None:
        if name[0] in ".~":
            if name[0] == ".":
                return "hidden"
            if name.startswith("~$"):
                return "lock file of an office program"
        if not S_ISREG(mode):
            return "not a regular file"
        if suffix in PARTIAL_SUFFIXES:
            return "unfinished download or temporary file"
        if self._patterned:
            if self.include and not self.include.match(name, uri):
                return "not included by pattern"
            if self.exclude.match(name, uri):
                return "excluded by pattern"
        if not suffix:
            return filetypes.ignore_reason(name)
        if suffix not in self._by_suffix:
            self._by_suffix[suffix] = filetypes.ignore_reason(name)
        reason = self._by_suffix[suffix]
        return None if reason and filetypes.is_image(name) and self._images(uri) else reason


def _any_of(patterns: Sequence[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns)) if patterns else None


def _suffix(name: str) -> str:
    stem, dot, end = name.rpartition(".")
    return _encoded_suffix(end) if dot and stem.strip(".") else ""


@lru_cache(maxsize=1024)
def _encoded_suffix(end: str) -> str:
    return uris.encode(f".{end.lower()}")


def _file_stat(stat: os.stat_result) -> FileStat:
    return FileStat(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def _identity(folder: Path | None) -> tuple[int, int] | None:
    try:
        stat = folder.stat() if folder else None
    except OSError:
        return None
    return (stat.st_dev, stat.st_ino) if stat else None


def ignored_examples(ignored: dict[str, list[str]], most: int = 5) -> Iterable[tuple[str, int, list[str]]]:
    """Rule, count and first URIs, the most frequent rule first."""
    for rule, found in sorted(ignored.items(), key=lambda item: (-len(item[1]), item[0])):
        yield rule, len(found), sorted(found)[:most]
