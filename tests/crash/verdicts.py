"""What must hold after a kill, and at the end. Each check gives findings: sentences that say what is wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crash import evidence
from crash.evidence import Book, Published, Row

_OPEN = {
    "run_step": "status NOT IN ('completed', 'skipped')",
    "run": "status != 'completed'",
    "run_group": "status != 'completed' OR control IS NOT NULL",
    "batch": "status != 'completed'",
}


def in_between(seen: Published, old: Published, new: Published) -> list[str]:
    """A reader may see each document's old rows or its new ones: never half, and none only where one side has none."""
    findings = []
    for name in ("chunks", "documents"):
        now, before, after = getattr(seen, name), getattr(old, name), getattr(new, name)
        for document in sorted({*now, *before, *after}):
            allowed = (before.get(document, ()), after.get(document, ()))
            if (rows := now.get(document, ())) not in allowed:
                findings.append(
                    f"{name}: a reader saw {len(rows)} rows of {document}: neither its old nor its new ones"
                )
    return findings


def at_the_end(home: Path, book: Book, peace: Path, wanted: Published, expected: Book) -> list[str]:
    """A home that was disturbed, against one that was not. ``book``: of the disturbed one."""
    return [
        *rows(Published.of(home), wanted),
        *versions(home),
        *_searchable(home, peace),
        *state(home),
        *_same("document", book.document, expected.document, by="id"),
        *_same("placement", book.placement, expected.placement, by="document_id"),
        *_same("document_version", book.history, expected.history, by="document_id"),
        *artifacts(home, book, expected),
        *_cache(book, expected),
        *lifecycle(home),
        *(f"left behind: {name}" for name in evidence.leftovers(home)),
        *_totals(home, peace),
    ]


def rows(seen: Published, wanted: Published) -> list[str]:
    """Exactly the same rows: ids, texts, vectors and all else."""
    findings = []
    for name in ("chunks", "documents"):
        now, then = getattr(seen, name), getattr(wanted, name)
        for document in sorted({*now, *then}):
            have, want = list(now.get(document, ())), list(then.get(document, ()))
            for row in want:
                if row in have:
                    have.remove(row)
                else:
                    findings.append(f"{name}: missing row of {document}")
            findings += [f"{name}: {'duplicate' if row in want else 'extra'} row of {document}" for row in have]
    return findings


def versions(home: Path) -> list[str]:
    """Nothing lies behind the published version."""
    counts = evidence.latest_counts(home)
    return [
        f"{name}: {newest} rows in the newest version, {published} in the published one"
        for name, (newest, published) in counts.items()
        if newest != published
    ]


def _searchable(home: Path, peace: Path) -> list[str]:
    found, wanted = evidence.found_by_words(home), evidence.found_by_words(peace)
    assert wanted, "a search that finds nothing proves nothing"
    return [] if found == wanted else [f"a search by words finds {len(found)} passages instead of {len(wanted)}"]


def state(home: Path) -> list[str]:
    """SQLite is whole, and nothing is left open."""
    with evidence.opened(home) as connection:
        findings = []
        if (answer := connection.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
            findings.append(f"integrity_check: {answer}")
        findings += [f"foreign_key_check: {tuple(row)}" for row in connection.execute("PRAGMA foreign_key_check")]
        for table, condition in _OPEN.items():
            for row in connection.execute(f"SELECT * FROM {table} WHERE {condition}"):
                findings.append(f"{table} {row['id']} is left {row['status']}")
        sql = "SELECT id, retry, attempt FROM run_step WHERE retry != 0 OR attempt != 1"
        findings += [f"step {row[0]}: an attempt was burnt (retry {row[1]})" for row in connection.execute(sql)]
        return findings


def artifacts(home: Path, book: Book, expected: Book) -> list[str]:
    """The same outputs are known, each is on the disk with its digest, and no other file lies there."""
    findings = [f"artifact {key} differs or is not known" for key, _digest in expected.artifacts - book.artifacts]
    findings += [f"artifact {key} is not wanted" for key, _digest in book.artifacts - expected.artifacts]
    files = {path.name: path for path in (home / "artifacts").glob("*/*") if path.suffix != ".new"}
    findings += [f"artifact file {name} belongs to nothing" for name in files.keys() - dict(book.artifacts).keys()]
    for key, digest in book.artifacts:
        if key not in files or hashlib.sha256(files[key].read_bytes()).hexdigest() != digest:
            findings.append(f"artifact {key} is not on the disk as it was written")
    return findings


def _cache(book: Book, expected: Book) -> list[str]:
    """What is stored has its vector there, so that nothing is embedded again when rows are to be made anew."""
    findings = [f"cache: {key.hex()} is nobody's text" for key in book.cached.keys() - expected.cached.keys()]
    findings += [f"cache: no vector for {key.hex()}" for key in expected.cached.keys() - book.cached.keys()]
    same = book.cached.keys() & expected.cached.keys()
    return findings + [f"cache: another vector for {k.hex()}" for k in same if book.cached[k] != expected.cached[k]]


def embedded_once(before: Book, after: Book, texts: Mapping[str, set[bytes]]) -> list[str]:
    """What the last engine computed: the texts of documents that were not settled, minus those in the cache.

    before: the state when that engine began. texts: text keys by document, of the undisturbed home.
    """
    settled = {document for document, _content in before.settled() & after.contents()}
    needed = {key for document, keys in texts.items() if document not in settled for key in keys}
    wanted, computed = len(needed - before.cached.keys()), after.embedded - before.embedded
    return [] if computed == wanted else [f"{computed} texts were embedded where {wanted} were due"]


def lifecycle(home: Path) -> list[str]:
    """Each completed run, step and group told its story once, whole and in order."""
    with evidence.opened(home) as connection:
        events = [dict(row) for row in connection.execute("SELECT * FROM lifecycle_event ORDER BY id")]
        steps = [dict(row) for row in connection.execute("SELECT * FROM run_step")]
        runs = [row[0] for row in connection.execute("SELECT id FROM run")]
        groups = [row[0] for row in connection.execute("SELECT id FROM run_group")]
    findings = []
    by_step: dict[int | None, list[dict[str, Any]]] = {}
    by_run: dict[int | None, list[dict[str, Any]]] = {}
    for event in events:
        by_step.setdefault(event["step_id"], []).append(event)
        by_run.setdefault(event["run_id"], []).append(event)
    for step in steps:
        told = [event["event"] for event in by_step.pop(step["id"], [])]
        whole = ["step_start", "step_end"]
        if told != whole and not (step["reused"] and told == whole[1:]):
            findings.append(f"step {step['id']} ({step['name']}): told {told}")
    for run in runs:
        story = by_run.pop(run, [])
        told = [event["event"] for event in story]
        if told.count("item_start") != 1 or told.count("item_end") != 1 or "item_failed" in told:
            findings.append(f"run {run}: told {told}")
        elif told[0] != "item_start" or told[-1] != "item_end":
            findings.append(f"run {run}: out of order: {told}")
        elif any(event["at"] > story[-1]["at"] for event in story):
            findings.append(f"run {run}: something is later than its end")
    grouped = by_run.pop(None, [])
    for group in groups:
        told = [event["event"] for event in grouped if event["run_group_id"] == group]
        ids = [event["id"] for event in events if event["run_group_id"] == group]
        ends = [event["id"] for event in grouped if event["run_group_id"] == group]
        if told != ["group_start", "group_end"] or (ids[0], ids[-1]) != tuple(ends):
            findings.append(f"group {group}: told {told}, or not first and last")
    findings += [f"events of run {run}, which is not there" for run in by_run]
    by_step.pop(None, None)
    return findings + [f"events of step {step}, which is not there" for step in by_step]


def _same(name: str, have: tuple[Row, ...], want: tuple[Row, ...], *, by: str) -> list[str]:
    if have == want:
        return []
    findings = [f"{name}: {len(have)} rows instead of {len(want)}"] if len(have) != len(want) else []
    for mine, other in zip(have, want, strict=False):
        different = [column for (column, value), (_, wanted) in zip(mine, other, strict=True) if value != wanted]
        if different:
            findings.append(f"{name} {dict(mine)[by]}: {', '.join(different)} differ")
    return findings


def _totals(home: Path, peace: Path) -> list[str]:
    """A group's count of stored chunks and of documents is that of the undisturbed run."""
    sql = (
        "SELECT g.id, g.chunks_total, COUNT(r.id), SUM(r.chunk_count)"
        " FROM run_group g LEFT JOIN run r ON r.run_group_id = g.id GROUP BY g.id"
    )
    found = []
    for each in (home, peace):
        with evidence.opened(each) as connection:
            found.append([tuple(row) for row in connection.execute(sql)])
    return [] if found[0] == found[1] else [f"run groups count {found[0]} instead of {found[1]}"]
