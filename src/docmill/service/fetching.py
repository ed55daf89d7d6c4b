"""Fetches many addresses, a few at a time, and keeps what they give under the home. Writes nothing to state.db."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from docmill.errors import DocumentError
from docmill.settings import Settings
from docmill.sources import url
from docmill.sources.url import Fetched
from docmill.stores.downloads import DownloadStore
from docmill.stores.faults import storage_error
from docmill.web import Web

AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Wanted:
    """``known``: the ``origin`` of the copy that is there; empty: whatever it gives is wanted."""

    uri: str
    known: Mapping[str, str]


Got = Fetched | DocumentError | None
"""What is kept now; why there is nothing; None: it has not changed."""


class Fetcher:
    def __init__(self, home: Path, settings: Settings) -> None:
        self._store = DownloadStore(home)
        self._settings = settings
        self._web = Web(settings.allowed_hosts)

    def fetch(self, wanted: Sequence[Wanted]) -> list[Got]:
        """What each address gives, in order. Raises StorageError where the disk does not take it.

        The threads are daemons, as one that waits for a slow server cannot be told to end: after Ctrl-C nobody waits.
        """
        todo: queue.SimpleQueue[tuple[int, Wanted] | None] = queue.SimpleQueue()
        done: queue.SimpleQueue[tuple[int, Got | BaseException]] = queue.SimpleQueue()
        threads = min(AT_ONCE, len(wanted))
        for item in (*enumerate(wanted), *[None] * threads):
            todo.put(item)

        def work() -> None:
            while (item := todo.get()) is not None:
                number, each = item
                try:
                    done.put((number, self._one(each)))
                except BaseException as error:  # noqa: BLE001 - it is raised again where it is waited for
                    done.put((number, error))

        for number in range(threads):
            threading.Thread(target=work, daemon=True, name=f"fetch {number}").start()
        found: dict[int, Got] = {}
        try:
            for _each in wanted:
                number, got = done.get()
                if isinstance(got, BaseException) and not isinstance(got, DocumentError):
                    raise got
                found[number] = got
        except BaseException:
            with contextlib.suppress(queue.Empty):  # nothing more is begun
                while True:
                    todo.get_nowait()
            for _thread in range(threads):
                todo.put(None)
            self._store.abandon()
            raise
        return [found[number] for number in range(len(wanted))]

    def _one(self, wanted: Wanted) -> Got:
        try:
            with self._store.incoming() as stream:
                fetched = url.fetch(
                    self._web,
                    wanted.uri,
                    stream,
                    known=wanted.known,
                    timeout_s=self._settings.download_timeout_s,
                    most_bytes=self._settings.download_max_bytes,
                )
                if fetched is not None:
                    self._store.keep(stream, (fetched.content_hash, fetched.suffix), fetched.modified_s)
                return fetched
        except DocumentError as error:
            return error
        except OSError as error:
            fault = storage_error(error, f"a copy of {wanted.uri} cannot be kept")
            raise fault or error from error
