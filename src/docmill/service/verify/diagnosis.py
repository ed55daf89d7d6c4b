"""What the checks find: faults by code and place, and what is to be done about them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from docmill.domain.results import VerifyCounts, VerifyFinding

_EXAMPLES = 10

# By code: what is wrong, and what repair does about it; None where it can do nothing.
FAULTS: dict[str, tuple[str, str | None]] = {
    "STATE_LOST": (
        "state.db is gone: nothing knows what lies in this home",
        "makes it anew, takes up outputs and vectors that are there, and syncs the folders of sources.json",
    ),
    "STATE_DAMAGED": ("state.db is damaged", "rebuilds its indexes; where that does not help, makes it anew"),
    "REFERENCE_BROKEN": ("records of state.db lead to others that are gone", "removes them, or makes what they need"),
    "MARK_ORPHANED": ("marks of documents that are not known any more", "removes them, and rows that they stand for"),
    "REMOVAL_UNFINISHED": ("deleted documents still have rows", "takes the rows out"),
    "WORK_UNFINISHED": ("work was cut short, and no engine is at it", "goes on with it"),
    "ARTIFACT_MISSING": ("outputs of steps are gone", "computes those that are needed again"),
    "ARTIFACT_DAMAGED": (
        "outputs of steps are not the bytes that were written",
        "computes those that are needed again",
    ),
    "ARTIFACT_ORPHANED": ("files among the outputs that nothing knows", "removes them"),
    "MEMBER_MISSING": ("copies of what lies in other documents are gone", "reads those documents again"),
    "MEMBER_DAMAGED": ("copies of what lies in other documents have other bytes", "reads those documents again"),
    "FETCHED_MISSING": ("copies of what was fetched from the web are gone", None),
    "FETCHED_DAMAGED": ("copies of what was fetched from the web have other bytes", None),
    "CACHE_DAMAGED": ("cache.db is damaged", "sets it aside, and fills a new one from the databases' rows"),
    "CACHED_VECTOR_DAMAGED": (
        "cached vectors that are no unit vectors of the right size",
        "takes them from the rows, else embeds their texts again",
    ),
    "VECTOR_NOT_CACHED": ("vectors of stored passages are not in the cache", "copies them from the rows"),
    "DATABASE_LOST": ("the database, or its published version, is gone", "fills a new one"),
    "DATABASE_UNREADABLE": ("the database cannot be read", "fills a new one"),
    "DATABASE_ORPHANED": ("a database that nothing knows", "moves it out of the way"),
    "DATABASE_FILE_DAMAGED": ("files of the database are not the bytes that were written", "fills a new one"),
    "WRONG_MODEL": ("the database is not of the model that its documents are embedded by", "fills a new one"),
    "DOCUMENT_MISSING": ("documents without their row in table documents", "stores them again"),
    "DOCUMENT_DOUBLED": ("documents with more than one row in table documents", "stores them again"),
    "DOCUMENT_DIFFERS": ("rows of documents that do not say what is known of them", "stores them again"),
    "CHUNK_MISSING": ("passages without a row", "stores their documents again"),
    "CHUNK_DOUBLED": ("passages with more than one row", "stores their documents again"),
    "CHUNK_EXTRA": ("rows of passages that their documents do not have", "stores their documents again"),
    "CHUNK_DIFFERS": ("passages whose row is not what their document's output says", "stores their documents again"),
    "VECTOR_DAMAGED": ("rows whose vector has no length of 1", "stores their documents again"),
    "VECTOR_DIFFERS": (
        "rows whose vector is not the cached one of their text",
        "stores their documents again; embeds the text again where both look sound",
    ),
    "ROW_ORPHANED": ("rows of documents that do not belong there", "takes them out"),
    "INDEX_STALE": ("an index is missing, or leaves many rows out", "makes it, or extends it"),
    "FOLDER_CHANGED": ("files are not as they were at the last sync", "syncs the folder"),
    "FOLDER_EMPTIED": ("most files of the source are gone from its folder", None),
    "FOLDER_MISSING": ("the folder of a source is not there", None),
}


@dataclass(slots=True)
class _Fault:
    count: int = 0
    examples: list[str] = field(default_factory=list)
    hint: str | None = None


@dataclass(slots=True)
class Diagnosis:
    """``again``: documents to be stored again, ``remake``: those with an output that is to be computed again, if their
    file is still there, ``strays``: ids whose rows are to leave, all by database.

    ``rebuild``: databases to be filled anew, ``aside``: to be moved away, ``index``: to be indexed. ``outputs``: step
    keys to be forgotten; ``files``: to be removed. ``refill``: databases whose rows have vectors that the cache lacks;
    ``vectors``: text keys to be taken out of the cache. ``sync``: sources with their folders.
    """

    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    again: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    remake: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    strays: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    rebuild: set[str] = field(default_factory=set)
    aside: set[str] = field(default_factory=set)
    index: set[str] = field(default_factory=set)
    outputs: set[str] = field(default_factory=set)
    files: set[Path] = field(default_factory=set)
    refill: set[str] = field(default_factory=set)
    vectors: set[bytes] = field(default_factory=set)
    sync: dict[str, Path] = field(default_factory=dict)
    unfinished: list[int] = field(default_factory=list)
    _faults: dict[tuple[str, str], _Fault] = field(default_factory=lambda: defaultdict(_Fault))

    def add(self, code: str, where: str, example: str = "", *, count: int = 1, hint: str | None = None) -> None:
        fault = self._faults[code, where]
        fault.count += count
        fault.hint = hint or fault.hint
        if example and len(fault.examples) < _EXAMPLES and example not in fault.examples:
            fault.examples.append(example)

    def has(self, *codes: str) -> bool:
        return any(code in codes for code, _where in self._faults)

    def about(self, where: str) -> bool:
        return any(place == where for _code, place in self._faults)

    @property
    def clean(self) -> bool:
        return not self._faults

    @property
    def findings(self) -> list[VerifyFinding]:
        """In the order of FAULTS, then by place."""
        order = list(FAULTS)
        return [
            VerifyFinding(
                code=code,
                where=where,
                message=FAULTS[code][0],
                count=fault.count,
                examples=fault.examples,
                repair=FAULTS[code][1],
                hint=fault.hint,
            )
            for (code, where), fault in sorted(self._faults.items(), key=lambda each: (order.index(each[0][0]), each))
        ]

    @property
    def checked(self) -> VerifyCounts:
        return VerifyCounts(**self.counts)
