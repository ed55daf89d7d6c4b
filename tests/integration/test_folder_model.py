"""Random edits of a folder, against a model of it: after every sync the index holds what the folder holds."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings, strategies
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from conftest import Mill
from docmill.errors import DatabaseNotFound
from docmill.service import home

FOLDERS, STEMS, SUFFIXES = ("", "a/", "b/c/"), ("one", "Two", "zwölf ☃"), (".md", ".txt")
NAMES = strategies.sampled_from([f"{folder}{stem}{end}" for folder in FOLDERS for stem in STEMS for end in SUFFIXES])
TEXTS = strategies.sampled_from(["walnut", "oak", "beech", "lime and ash", "walnut"]).map(
    lambda tree: f"All that is known of {tree}.\n"
)


class EditedFolder(RuleBasedStateMachine):
    """``files`` maps a URI to its text, as the folder has it now; ``synced`` as it had it at the last sync."""

    uris = Bundle("uris")

    @initialize()
    def begin(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="docmill-model-"))
        self.mill = Mill(self.root)
        self.mill.folder.mkdir()
        home.init(self.mill.settings)
        self.files: dict[str, str] = {}
        self.synced: dict[str, str] = {}

    def teardown(self) -> None:
        if hasattr(self, "mill"):
            self.sync()
            fresh = Mill(self.root / "fresh")
            fresh.root.mkdir()
            fresh.folder.symlink_to(self.mill.folder)
            home.init(fresh.settings)
            fresh.sync(allow_mass_delete=True)
            assert index_of(self.mill) == index_of(fresh)
            shutil.rmtree(self.root)

    @rule(target=uris, uri=NAMES, text=TEXTS)
    def write(self, uri: str, text: str) -> str:
        self.mill.write(uri, text)
        self.files[uri] = text
        return uri

    @rule(target=uris, uri=uris, text=TEXTS)
    def replace_by_rename(self, uri: str, text: str) -> str:
        path = self.mill.folder / uri
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.tmp")
        fresh.write_text(text, "utf-8")
        fresh.replace(path)
        self.files[uri] = text
        return uri

    @rule(target=uris, uri=consumes(uris), to=NAMES)
    def move(self, uri: str, to: str) -> object:
        if uri not in self.files or uri == to:
            return multiple()
        (self.mill.folder / to).parent.mkdir(parents=True, exist_ok=True)
        (self.mill.folder / uri).replace(self.mill.folder / to)
        self.files[to] = self.files.pop(uri)
        return to

    @rule(uri=consumes(uris))
    def delete(self, uri: str) -> None:
        if self.files.pop(uri, None) is not None:
            (self.mill.folder / uri).unlink()

    @rule(uri=uris)
    def touch(self, uri: str) -> None:
        if uri in self.files:
            os.utime(self.mill.folder / uri)

    @rule(uri=uris)
    def change_mode(self, uri: str) -> None:
        if uri in self.files:
            path = self.mill.folder / uri
            path.chmod(0o600 if path.stat().st_mode & 0o044 else 0o644)

    @rule()
    def sync(self) -> None:
        result = self.mill.sync(allow_mass_delete=True)
        assert (result.status, result.errors) == ("completed", [])
        assert result.scan.files == len(self.files)
        changed = {uri for uri in self.files if self.synced.get(uri) != self.files[uri]}
        assert result.documents.completed <= len(changed), "what did not change was run again"
        self.synced = dict(self.files)

    @invariant()
    def the_index_holds_what_the_last_sync_saw(self) -> None:
        if hasattr(self, "mill"):
            assert texts_of(self.mill) == {uri: [text.strip()] for uri, text in self.synced.items()}


def texts_of(mill: Mill) -> dict[str, list[str]]:
    try:
        return {uri: [text.strip() for text in texts] for uri, texts in mill.texts().items()}
    except DatabaseNotFound:
        return {}


def index_of(mill: Mill) -> list[tuple[object, ...]]:
    """Everything of a row that follows from the folder alone."""
    try:
        return [(row["uri"], row["text"], row["char_start"], row["title"], row["vector"]) for row in mill.rows()]
    except DatabaseNotFound:
        return []


TestEditedFolder = EditedFolder.TestCase
TestEditedFolder.settings = settings(
    max_examples=int(os.environ.get("DOCMILL_TEST_EXAMPLES", "5")),
    stateful_step_count=14,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
