"""``deliver``: sends what waits in the outbox, at least once each, with retries, by one process a home.

Handlers do not wait for each other, and one handler gets one delivery at a time, in order. A try that fails is put off
by itself: what comes after it goes on, unless nobody answered at all; then all that waits for that handler is put off.
What was answered is written down after the answer: killed in between, the same is sent again, with the same key.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from docmill import failpoints
from docmill.domain.events import now
from docmill.domain.results import DeliverResult
from docmill.domain.workflow import AnyHandler, Handler
from docmill.engine import lock
from docmill.engine.background import ServiceLock
from docmill.engine.notices import NAME, deliverer
from docmill.errors import Interrupted, StoppedError
from docmill.service.handlers import Caller, Outcome, Parcel, told_name
from docmill.service.signals import stop_on_signals
from docmill.settings import Settings, find_home
from docmill.stores.queries import Queries, Row, reading
from docmill.stores.state import State, outbox
from docmill.stores.state.outbox import Settlement

if TYPE_CHECKING:
    from docmill.engine.stopping import StopFlag

AT_ONCE = 8  # handlers that are called at the same time
DELAYS = (5.0, 15.0, 45.0, 135.0, 405.0, 1215.0, 1800.0)  # seconds before the second try, the third …: an hour in all
JITTER = 0.2  # the share of a delay that chance adds or takes
MOST_RETRY_AFTER = 3600.0  # seconds that a receiver may put a try off
MOST_AGE = timedelta(days=1)  # what is older and fails is given up, however few tries it had
LOOK_SECONDS = 0.25
SETTLE_SECONDS = 0.2  # answers are written down together: each commit costs the engine time too
IDLE_SECONDS = 10.0  # without anything to do, the background process ends; the engine starts another
DEFAULT_TIMEOUT_S = 60.0
_TURN = 256  # deliveries of one handler that are looked up at once
_HANDLER: TypeAdapter[AnyHandler] = TypeAdapter(Handler)


@dataclass(frozen=True, slots=True)
class Options:
    """once: a single try of each, also of what waits for its next one. follow: go on while an engine is at work here.

    wait: where another process is at it, let it end first. timeout: seconds to wait for that, and to go on for what has
    to be tried again; with ``follow``, counted from the engine's end.
    """

    once: bool = False
    follow: bool = False
    wait: bool = False
    timeout: float = DEFAULT_TIMEOUT_S


def deliver(settings: Settings, options: Options, *, given_up: bool = False) -> DeliverResult:
    """Send what waits. ``given_up``: also what was given up before. Raises Interrupted or StoppedError on a signal.

    Where another process is at it already, does nothing and says so, unless it is to wait for it.
    """
    home, began = find_home(settings), time.perf_counter()
    delivered = failed = 0
    with ServiceLock(home, NAME) as own, reading(home) as queries, stop_on_signals() as stop:
        if not _acquired(own, options, queries, stop):
            return _result(queries, began, delivered, failed, already=home)
        state = State(home)
        try:
            with state.transaction() as tx:
                outbox.forget_old(tx)
                if given_up:
                    outbox.renew(tx)
            while True:
                work = _Deliverer(home, settings, state, queries, options, stop)
                work.run()
                delivered, failed = delivered + work.delivered, failed + work.failed
                own.release()
                # An engine that wrote something just now has seen the lock held, and relies on this process.
                if stop.reason or not options.follow or not work.has_newer() or not own.acquire():
                    break
        finally:
            state.close()
        if stop.reason:
            kind = Interrupted if stop.reason == "SIGINT" else StoppedError
            raise kind(f"stopped by {stop.reason}; what is left waits in the outbox", hint="`docmill deliver` goes on")
        return _result(queries, began, delivered, failed)


def _acquired(own: ServiceLock, options: Options, queries: Queries, stop: StopFlag) -> bool:
    """Whether this process may deliver. Waits for another one, if asked to, for as long as that has something left."""
    deadline = time.monotonic() + options.timeout
    while not own.acquire():
        left = queries.value("SELECT 1 FROM delivery WHERE status = 'pending' LIMIT 1")
        if not (options.wait and left) or stop.reason or time.monotonic() > deadline:
            return False
        time.sleep(LOOK_SECONDS)
    return True


def _result(
    queries: Queries, began: float, delivered: int, failed: int, *, already: Path | None = None
) -> DeliverResult:
    row = queries.row("SELECT COUNT(*) AS n, MIN(next_at) AS next_at FROM delivery WHERE status = 'pending'")
    assert row is not None
    holder = deliverer(already) if already else None
    message = f"{delivered} delivered, {failed} given up, {row['n']} waiting"
    if already:
        message = "another process is delivering already" + (f": {holder.pid}" if holder and holder.pid else "")
    return DeliverResult(
        delivered=delivered,
        failed=failed,
        waiting=row["n"],
        next_at=row["next_at"],
        seconds=round(time.perf_counter() - began, 3),
        holder=holder,
        message=message,
        reason=f"{failed} deliveries were given up" if failed else None,
    )


class _Deliverer:
    """One time of holding the lock. The main thread reads and writes SQLite; a thread each calls handlers."""

    def __init__(
        self, home: Path, settings: Settings, state: State, queries: Queries, options: Options, stop: StopFlag
    ) -> None:
        self.delivered = self.failed = 0
        self._home = home
        self._state = state
        self._queries = queries
        self._options = options
        self._stop = stop
        self._caller = Caller(home, settings.allowed_hosts)
        self._answers: queue.SimpleQueue[tuple[Row, str, Outcome]] = queue.SimpleQueue()
        self._waiting: dict[str, deque[int]] = {}  # by handler, in order
        self._in_flight: dict[str, int] = {}
        self._resting: dict[str, float] = {}
        self._answered: list[Settlement] = []
        self._settled_at = self._look_at = self._engine_at = 0.0
        self._newest = 0
        self._deadline = time.monotonic() + options.timeout
        self._busy_at = time.monotonic()
        self._engine = options.follow

    def run(self) -> None:
        """Until nothing is left that this process should wait for, or it is told to stop."""
        try:
            self._look()
            while not self._stop.reason:
                self._dispatch()
                self._collect()
                if self._is_over():
                    break
                if not self._options.once:
                    self._look()
        finally:
            self._caller.stop()
            self._settle()

    def has_newer(self) -> bool:
        """Whether something was put into the outbox since the last look."""
        return bool(self._queries.value("SELECT 1 FROM delivery WHERE id > ? LIMIT 1", [self._newest]))

    # ---- what is due -------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """See what is due, in turns: a handler with a long queue does not hide the others."""
        if time.monotonic() < self._look_at:
            return
        self._settle()
        began = time.monotonic()
        self._newest = self._queries.value("SELECT COALESCE(MAX(id), 0) FROM delivery")
        most, until = (2**62, "9") if self._options.once else (_TURN, now())
        rows = self._queries.rows(
            "SELECT id, handler FROM (SELECT id, handler, ROW_NUMBER() OVER (PARTITION BY handler ORDER BY id) AS place"
            " FROM delivery WHERE status = 'pending' AND next_at <= ?) WHERE place <= ? ORDER BY id",
            [until, most],
        )
        self._waiting = {}
        for row in rows:
            if self._in_flight.get(row["handler"]) != row["id"]:
                self._waiting.setdefault(row["handler"], deque()).append(row["id"])
        spent = time.monotonic() - began
        self._look_at = time.monotonic() + max(LOOK_SECONDS, 10 * spent)

    def _dispatch(self) -> None:
        """Call handlers that are free, each with its next delivery; whose turn it was comes last the next time."""
        for handler in list(self._waiting):
            if len(self._in_flight) >= AT_ONCE:
                return
            if handler in self._in_flight or time.monotonic() < self._resting.get(handler, 0.0):
                continue
            ids = self._waiting.pop(handler)
            row = None
            while ids and row is None:  # one that was replaced or deleted meanwhile is passed over
                row = self._queries.row("SELECT * FROM delivery WHERE id = ? AND status = 'pending'", [ids.popleft()])
            if ids:
                self._waiting[handler] = ids
            else:
                self._look_at = 0.0
            if row is not None:
                self._in_flight[handler] = row["id"]
                threading.Thread(target=self._call, args=(row,), daemon=True).start()

    def _call(self, row: Row) -> None:
        try:
            handler = _HANDLER.validate_json(row["handler"])
        except ValidationError:
            self._answers.put((row, "handler", Outcome("this docmill does not know such a handler", lasting=True)))
            return
        parcel = Parcel(row["id"], row["idempotency_key"], row["event"], row["payload"])
        self._answers.put((row, told_name(handler), self._caller.call(handler, parcel)))

    # ---- what came of it ---------------------------------------------------------------------------------------------

    def _collect(self) -> None:
        """Wait a moment for answers, take all that are there, and write them down now and then."""
        try:
            answer = self._answers.get(timeout=LOOK_SECONDS if not self._ready() else 0.001)
            while True:
                self._take(*answer)
                answer = self._answers.get_nowait()
        except queue.Empty:
            pass
        if time.monotonic() - self._settled_at >= SETTLE_SECONDS or not self._in_flight:
            self._settle()

    def _ready(self) -> bool:
        """Whether a handler could be called right away."""
        free = (each for each in self._waiting if each not in self._in_flight)
        at = time.monotonic()
        return len(self._in_flight) < AT_ONCE and any(at >= self._resting.get(each, 0.0) for each in free)

    def _take(self, row: Row, name: str, outcome: Outcome) -> None:
        handler = row["handler"]
        del self._in_flight[handler]
        self._resting.pop(handler, None)
        self._busy_at = time.monotonic()
        delay = None if outcome.error is None else _delay(row, outcome)
        if outcome.unreached and delay is not None:
            self._resting[handler] = time.monotonic() + delay
            if self._options.once:
                self._waiting.pop(handler, None)
        tries = row["attempts"] + 1
        error = outcome.error
        if error is not None and delay is None and tries > 1:
            error = f"{error} (after {tries} tries)"
        self._answered.append(
            Settlement(
                id=row["id"],
                key=row["idempotency_key"],
                batch_id=row["batch_id"],
                run_group_id=row["run_group_id"],
                event=row["event"],
                handler=name,
                error=error,
                next_at=_after(delay) if delay is not None else None,
                unreached=outcome.unreached,
                note=outcome.note,
            )
        )

    def _settle(self) -> None:
        if self._answered:
            with failpoints.around("delivery.settle"), self._state.transaction() as tx:
                outbox.settle(tx, self._answered)
            self.delivered += sum(each.error is None for each in self._answered)
            self.failed += sum(each.error is not None and each.next_at is None for each in self._answered)
            self._answered = []
        self._settled_at = time.monotonic()

    # ---- the end -----------------------------------------------------------------------------------------------------

    def _is_over(self) -> bool:
        if self._in_flight or self._ready():
            return False
        self._settle()
        if self._options.once:
            return True
        idle = time.monotonic() - self._busy_at
        left = self._seconds_until_next()
        if self._engine_at_work():
            return idle > IDLE_SECONDS and (left is None or left > IDLE_SECONDS)
        return left is None or left > self._deadline - time.monotonic()

    def _seconds_until_next(self) -> float | None:
        """Until something is to be tried; None where nothing waits."""
        next_at = self._queries.value("SELECT MIN(next_at) FROM delivery WHERE status = 'pending'")
        if next_at is None:
            return None
        return max((datetime.fromisoformat(next_at) - datetime.now(UTC)).total_seconds(), 0.0)

    def _engine_at_work(self) -> bool:
        """Looked up once a second; each time it is, the time after its end begins anew."""
        if self._options.follow and time.monotonic() - self._engine_at >= 1.0:
            self._engine_at = time.monotonic()
            self._engine = lock.holder(self._home) is not None
            if self._engine:
                self._deadline = time.monotonic() + self._options.timeout
        return self._engine


def _delay(row: Row, outcome: Outcome) -> float | None:
    """Seconds until the next try; None: there is none."""
    tries = row["attempts"] + 1
    age = datetime.now(UTC) - datetime.fromisoformat(row["created_at"])
    if outcome.lasting or tries > len(DELAYS) or age > MOST_AGE:
        return None
    spread = DELAYS[tries - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - spreads tries, keeps no secret
    return max(spread, min(outcome.retry_after or 0.0, MOST_RETRY_AFTER))


def _after(seconds: float) -> str:
    at = datetime.now(UTC) + timedelta(seconds=seconds)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
