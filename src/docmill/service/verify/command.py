"""``verify``: is what is on the disk what should be there, and make it so."""

from __future__ import annotations

import time
from pathlib import Path

from docmill.domain.events import MessageEvent, Reporter
from docmill.domain.results import VerifyFinding, VerifyResult
from docmill.errors import StorageError
from docmill.service.following import POLL_SECONDS
from docmill.service.holding import find_holder
from docmill.service.verify.checking import Scope, check
from docmill.service.verify.diagnosis import Diagnosis
from docmill.service.verify.records import STATE
from docmill.settings import Settings, find_home
from docmill.stores.queries import reading

_BEGINS_S = 2.0  # a command writes down what it wants done, and becomes the engine within this time
_ROUNDS = 3  # what one repair brings to light, the next one mends: rows of a text that had to be embedded again


def verify(
    settings: Settings,
    reporter: Reporter,
    *,
    repair: bool = False,
    quick: bool = False,
    checksum: bool = False,
) -> VerifyResult:
    """Hold folders, state.db, artifacts, cache.db and databases against each other; with ``repair``, make them agree.

    Without ``repair`` nothing is written and no lock is taken. With it, it raises EngineBusy where an engine is at work
    for longer than ``settings.lock_timeout``, and whatever ends a run: Interrupted, ModelMissing, StorageError.
    """
    started = time.perf_counter()
    home = find_home(settings, though_lost=True)
    scope = Scope(quick=quick, checksum=checksum, vector_rows=settings.vector_index_rows)
    found, in_use = _look(home, scope)
    if not repair or found.clean:
        return _result(home, scope, found, found.findings, started, in_use=in_use)
    from docmill.service.verify.repairing import Repair

    for finding in found.findings:
        reporter.emit(MessageEvent("info", f"{finding.where}: {finding.message}: {finding.count:,}"))
    before, work = _work_done(home), Repair(home, settings, reporter)
    left = found
    for _round in range(_ROUNDS):
        work.mend(lambda: check(home, scope, in_use=False))
        left, in_use = _look(home, scope)
        if not any(finding.repair for finding in left.findings):
            break
    if not any(finding.repair for finding in left.findings):
        work.discard_old()
    after = _work_done(home)
    remaining = {(each.code, each.where) for each in left.findings}
    findings = [
        each.model_copy(update={"repaired": (each.code, each.where) not in remaining}) for each in found.findings
    ]
    return _result(home, scope, left, findings, started, in_use=in_use).model_copy(
        update={
            "repaired": True,
            "set_aside": [str(path.relative_to(home)) for path in (*work.aside, *work.old)],
            "documents_stored": max(after[0] - before[0], 0),
            "chunks_embedded": max(after[1] - before[1], 0),
        }
    )


def _look(home: Path, scope: Scope) -> tuple[Diagnosis, bool]:
    """The diagnosis, and whether an engine was at work. One that came meanwhile may have made it see things: again."""
    in_use, epoch = find_holder(home) is not None, _epoch(home)
    found = check(home, scope, in_use=in_use)
    deadline = time.monotonic() + (_BEGINS_S if found.unfinished else 0.0)
    while not in_use and not found.clean:
        if find_holder(home) is not None or _epoch(home) != epoch:
            return check(home, scope, in_use=True), True
        if time.monotonic() >= deadline:
            break
        time.sleep(POLL_SECONDS)
    return found, in_use


def _epoch(home: Path) -> int | None:
    value = _value(home, "SELECT value FROM home_meta WHERE key = 'engine_epoch'")
    return int(value) if value is not None else None


def _work_done(home: Path) -> tuple[int, int]:
    """Documents that were stored by all run groups that are known, and texts that were embedded."""
    stored = _value(home, "SELECT COUNT(*) FROM run WHERE status = 'completed'")
    embedded = _value(home, "SELECT SUM(chunks_embedded) FROM run_group")
    return int(stored or 0), int(embedded or 0)


def _value(home: Path, sql: str) -> str | int | None:
    """None where state.db cannot tell."""
    if not (home / STATE).is_file():
        return None
    try:
        with reading(home) as queries:
            value: str | int | None = queries.value(sql)
            return value
    except StorageError:
        return None


def _result(
    home: Path, scope: Scope, left: Diagnosis, findings: list[VerifyFinding], started: float, *, in_use: bool
) -> VerifyResult:
    kinds = len(left.findings)
    return VerifyResult(
        home=str(home),
        clean=left.clean,
        repaired=False,
        quick=scope.quick,
        in_use=in_use,
        findings=findings,
        remaining=left.findings,
        checked=left.checked,
        set_aside=[],
        seconds=round(time.perf_counter() - started, 3),
        reason=None if left.clean else f"{kinds} kind{'' if kinds == 1 else 's'} of faults",
    )
