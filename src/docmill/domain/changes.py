"""What a scan found, and what that means against what is known. Pure: it compares, it never looks at a disk.

The records are named tuples: a scan makes one or two for each file, and they cost a third of a dataclass.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

# A file written within this time of its hashing may have changed again without its times showing it: kernels take
# file times from a clock that ticks every 4 to 10 ms. Such a file is hashed anew at the next scan.
CLOCK_GRANULARITY_NS = 20_000_000


class FileStat(NamedTuple):
    """What tells a file that was not touched from one that was. Times in nanoseconds."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


class FoundFile(NamedTuple):
    """``path`` is absolute; ``suffix`` lower case with its dot, or empty."""

    uri: str
    path: str
    suffix: str
    stat: FileStat


class HashedFile(NamedTuple):
    file: FoundFile
    content_hash: str
    hashed_at_ns: int


class KnownDocument(NamedTuple):
    """A document as SQLite holds it."""

    id: str
    uri: str
    suffix: str
    content_hash: str
    version: int
    stat: FileStat
    hashed_at_ns: int

    def matches(self, stat: FileStat) -> bool:
        """Surely the same bytes: nothing about the file moved, and it was quiet when it was hashed."""
        return self.stat == stat and self.hashed_at_ns - max(stat.mtime_ns, stat.ctime_ns) > CLOCK_GRANULARITY_NS


@dataclass(slots=True)
class Changes:
    """A scan held against the known documents of its source."""

    new: list[HashedFile] = field(default_factory=list)
    changed: list[tuple[KnownDocument, HashedFile]] = field(default_factory=list)
    renamed: list[tuple[KnownDocument, HashedFile]] = field(default_factory=list)
    touched: list[tuple[KnownDocument, HashedFile]] = field(default_factory=list)
    deleted: list[KnownDocument] = field(default_factory=list)
    unchanged: int = 0

    @property
    def nothing(self) -> bool:
        return not (self.new or self.changed or self.renamed or self.touched or self.deleted)

    def spare(self, keep: Callable[[KnownDocument], bool]) -> None:
        """Leave documents as they are that seem to be deleted."""
        kept = [document for document in self.deleted if keep(document)]
        self.deleted = [document for document in self.deleted if not keep(document)]
        self.unchanged += len(kept)


def compare(
    known: dict[str, KnownDocument],
    found: Iterable[FoundFile],
    hash_file: Callable[[FoundFile], HashedFile | None],
    *,
    is_gone: Callable[[KnownDocument], bool],
    checksum: bool = False,
) -> Changes:
    """Hash what is suspect, and nothing else; with ``checksum``, every file.

    known:     by URI.
    hash_file: gives None for a file that cannot be hashed now; such a file is neither changed nor deleted.
    is_gone:   False where a missing file must not be taken for deleted, because its folder could not be read.
    """
    changes = Changes()
    missing = dict(known)
    arrived: list[HashedFile] = []
    for file in found:
        document = missing.pop(file.uri, None)
        if document is not None and not checksum and document.matches(file.stat):
            changes.unchanged += 1
        elif (hashed := hash_file(file)) is None:
            changes.unchanged += document is not None
        elif document is None:
            arrived.append(hashed)
        elif hashed.content_hash == document.content_hash:
            changes.touched.append((document, hashed))
            changes.unchanged += 1
        else:
            changes.changed.append((document, hashed))
    gone = {uri: document for uri, document in missing.items() if is_gone(document)}
    changes.unchanged += len(missing) - len(gone)
    _pair_renames(changes, arrived, gone)
    changes.deleted.extend(gone.values())
    return changes


def _pair_renames(changes: Changes, arrived: list[HashedFile], gone: dict[str, KnownDocument]) -> None:
    """A new URI with the bytes of one that is gone is that document, moved. Takes what it pairs out of ``gone``."""
    by_content: dict[str, list[KnownDocument]] = defaultdict(list)
    for document in sorted(gone.values(), key=lambda document: document.uri, reverse=True):
        by_content[document.content_hash].append(document)
    for hashed in arrived:
        candidates = by_content.get(hashed.content_hash)
        if candidates:
            same_inode = [d for d in candidates if d.stat.inode == hashed.file.stat.inode]
            document = same_inode[0] if same_inode else candidates[-1]
            candidates.remove(document)
            changes.renamed.append((document, hashed))
            del gone[document.uri]
        else:
            changes.new.append(hashed)
