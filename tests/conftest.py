"""Fixtures that tests of the whole machine share: a home, a folder of documents, and a hand that works both."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from docmill import registry, settings
from docmill.definitions import plugins
from docmill.domain.events import Event, Reporter
from docmill.domain.results import SearchResult, SyncResult
from docmill.service import home, searching, syncing
from docmill.settings import Settings
from docmill.stores.queries import reading
from docmill.stores.reading import CHUNKS, DOCUMENTS, Database

QUICK = ("embed.method=hashing", "embed.model=hashing-64")
TRAPS = ("parse.method=traps", "embed.method=traps", "embed.model=hashing-64")
PLUGINS = Path(__file__).parent / "plugins"


class Recorder(Reporter):
    """Keeps every event."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def close(self) -> None:
        """Nothing to put back."""


@dataclass
class Mill:
    """A home and one folder of documents. ``overrides`` go to every run: a quick embedder, unless told otherwise."""

    root: Path
    overrides: tuple[str, ...] = QUICK
    flags: dict[str, Any] = field(default_factory=dict)
    reporter: Recorder = field(default_factory=Recorder)

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def folder(self) -> Path:
        return self.root / "docs"

    @property
    def settings(self) -> Settings:
        return settings.build(home=self.home, **{"document_workers": 1, "embed_workers": 1, **self.flags})

    def write(self, uri: str, text: str) -> Path:
        path = self.folder / uri
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def write_many(self, count: int, words: str = "Notes") -> None:
        for number in range(count):
            self.write(
                f"note-{number:03d}.md", f"# {words} {number}\n\nParagraph {number} tells of {words} {number}.\n"
            )

    def sync(self, *folders: Path, **options: Any) -> SyncResult:
        overrides = [*self.overrides, *options.pop("overrides", ())]
        return syncing.sync(self.settings, self.reporter, [*folders] or [self.folder], overrides=overrides, **options)

    def search(self, query: str, **options: Any) -> SearchResult:
        return searching.search(self.settings, query, **options)

    def found(self, query: str) -> list[str]:
        """URIs of the passages that hold every word of ``query``, by the full text index."""
        hits = self.search(query, mode="fts", limit=100, collapse=False).hits
        return sorted({hit.uri for hit in hits if all(word.lower() in hit.text.lower() for word in query.split())})

    def rows(self, database: str = "default") -> list[dict[str, Any]]:
        """The published passages, in a fixed order."""
        table = Database(self.home, database).table(CHUNKS)
        rows: list[dict[str, Any]] = table.to_arrow().to_pylist() if table is not None else []
        return sorted(rows, key=lambda row: (row["source"], row["uri"], row["position"]))

    def texts(self, database: str = "default") -> dict[str, list[str]]:
        """Published text by URI; each document's rows must agree with its own row."""
        rows = self.rows(database)
        table = Database(self.home, database).table(DOCUMENTS)
        documents = {row["document_id"]: row for row in (table.to_arrow().to_pylist() if table is not None else [])}
        assert {row["document_id"] for row in rows} == set(documents)
        texts: dict[str, list[str]] = {}
        for row in rows:
            assert documents[row["document_id"]]["uri"] == row["uri"]
            texts.setdefault(row["uri"], []).append(row["text"])
        assert len({row["chunk_id"] for row in rows}) == len(rows), "a passage lies there twice"
        return texts

    def state(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with reading(self.home) as queries:
            return [tuple(row) for row in queries.rows(sql, values)]

    def value(self, sql: str, *values: Any) -> Any:
        return self.state(sql, *values)[0][0]

    def noted(self, what: str) -> list[str]:
        """What the traps were asked to do."""
        log = Path(os.environ["DOCMILL_TRAPS_LOG"])
        lines = log.read_text("utf-8").splitlines() if log.exists() else []
        return [line.split(" ", 2)[2] for line in lines if line.startswith(f"{what} ")]

    def process(self, code: str, *arguments: str) -> subprocess.Popen[str]:
        """Python with ``mill`` (a Mill of the same home) at hand, in a process and a process group of its own."""
        prelude = (
            f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
            "from pathlib import Path\nfrom conftest import Mill\n"
            f"mill = Mill(Path({str(self.root)!r}), {self.overrides!r}, {self.flags!r})\n"
        )
        script = self.root / f"script-{time.monotonic_ns()}.py"
        body = "".join(f"    {line}\n" for line in code.splitlines())
        script.write_text(f"{prelude}if __name__ == '__main__':\n{body}")
        return subprocess.Popen(
            [sys.executable, str(script), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


class Working(threading.Thread):
    """A call that works long, in a thread; ``result`` waits for its end."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._call = call
        self._result: Any = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._result = self._call()
        except BaseException as error:  # noqa: BLE001 - it is raised again where the result is asked for
            self._error = error

    def result(self) -> Any:
        self.join(60)
        assert not self.is_alive(), "it works for ever"
        if self._error:
            raise self._error
        return self._result


def wait_for(condition: Callable[[], Any], *, seconds: float = 30.0) -> Any:
    """What ``condition`` gives once it is true."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, "it has not come true"
        time.sleep(0.01)
    return result


def children_of(pid: int) -> list[int]:
    """All living descendants of a process, by /proc."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if fields[0] != "Z":
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found = list(parents.get(pid, []))
    for each in found:
        found += parents.get(each, [])
    return found


def is_alive(pid: int) -> bool:
    """Running or sleeping; a zombie that nobody has asked for is dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture(autouse=True, scope="session")
def published_schemas() -> Iterator[None]:
    """All JSON that commands print is what their schemas say, whichever test has them print it."""
    import schemas

    with pytest.MonkeyPatch.context() as patch:
        schemas.hold_all(patch)
        yield


@pytest.fixture
def mill(tmp_path: Path) -> Mill:
    """A home and an empty folder, and the quick embedder."""
    made = Mill(tmp_path)
    made.folder.mkdir()
    home.init(made.settings)
    return made


@pytest.fixture
def traps(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mill]:
    """``mill`` with the parser and the embedder of tests/plugins in its pipeline."""
    caches = (registry.names, registry.load, registry._entry_points, plugins.methods, plugins.find)
    monkeypatch.syspath_prepend(str(PLUGINS))
    monkeypatch.setenv("PYTHONPATH", str(PLUGINS), prepend=os.pathsep)
    monkeypatch.setenv("DOCMILL_TRAPS_LOG", str(mill.root / "traps.log"))
    monkeypatch.setenv("DOCMILL_WORKER_ENV", "DOCMILL_TRAPS_*")
    for cache in caches:
        cache.cache_clear()
    mill.overrides = TRAPS
    yield mill
    for cache in caches:
        cache.cache_clear()


def pytest_configure() -> None:
    """What runs in the background may have Ctrl-C ignored, and so would all that tests start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


# What stops, kills, waits or races: half a second more or less is nothing there, but several at once would be.
TIMED = ("bundles", "control", "following", "limits", "live", "retries", "scheduling", "shells", "signals", "take_over",
         "wait", "watch", "webhooks", "worker")  # fmt: skip
TIMED_FILES = {f"test_{each}" for each in TIMED}


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """On two cores: what is timed goes one after the other in one process, file by file the rest beside it."""
    from xdist.scheduler import LoadScopeScheduling

    class Parted(LoadScopeScheduling):  # type: ignore[misc] # it ships no types
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            is_timed = file.startswith(("tests/crash/", "tests/repair/")) or Path(file).stem in TIMED_FILES
            return "timed" if is_timed else file

    return Parted(config, log)
