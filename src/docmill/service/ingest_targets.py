"""Where the documents of an ``ingest`` go: which source, and which batch. Made when the first of them arrives."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docmill.domain.results import IngestTarget
from docmill.domain.sources import SourceSettings
from docmill.errors import AddressRefused, Overtaken
from docmill.service import images, sources
from docmill.sources.folder import Rules
from docmill.stores.queries import Queries, Row, reading
from docmill.stores.state import State, arrivals, catalogue, groups, ruling
from docmill.stores.state.arrivals import Present
from docmill.stores.state.database import Transaction

FILES, WEB = "files", "web"  # the sources of what was named one by one: its URIs are absolute paths, or addresses

_SETTINGS = (
    "SELECT s.*, b.workflow, b.params FROM source s JOIN batch b ON b.id = s.batch_id"
    " WHERE s.name = ? AND s.rules != '[]'"
)


@dataclass(frozen=True, slots=True)
class Target:
    source: str
    batch_id: int


class Targets:
    """``folder``: of the source that files go to, ``rules``: which of its files count; ``filters``: of the batch."""

    def __init__(
        self, home: Path, state: State, batch: str | None, source: str | None, only: Path | None, priority: str | None
    ) -> None:
        """``only``: the one folder that is ingested, and nothing else. Raises BatchNotFound."""
        self._home = home
        self._state = state
        self._source = source
        self._priority = priority
        self._made: dict[str, Target] = {}
        with reading(home) as queries:
            self._batch: Row | None = queries.batch(batch) if batch is not None else None
            known = self._known_source(queries, only)
            settings = self._settings(queries, known)
        self.folder = sources.folder_path(known["folder"]) if known else only
        self.rules = Rules(settings.include, settings.exclude, home, images.wanted(home, settings))
        self.filters: dict[str, Any] = json.loads(self._batch["configuration"])["filters"] if self._batch else {}
        self._only = only
        if self.folder is not None:  # the URIs of its files follow from it, so it has to stand before they are made
            self.files()

    @property
    def known(self) -> list[IngestTarget]:
        """Those that were needed, in order."""
        return [IngestTarget(batch_id=each.batch_id, source=each.source) for each in dict.fromkeys(self._made.values())]

    def files(self) -> Target:
        return self._made.get(FILES) or self._make(FILES, self.folder)

    def web(self) -> Target:
        """Raises AddressRefused where the source that is named follows a folder: its next sync would delete them."""
        if self._source is not None and self.folder is not None:
            raise AddressRefused(
                f"source {self._source!r} is the folder {self.folder}, and an address is not in there",
                hint="name another --source, or none",
            )
        return self._made.get(WEB) or self._make(WEB, None)

    def apply_rules(self) -> None:
        """What the sources' rules give to some of their files holds for those that have just come, too."""
        for target in dict.fromkeys(self._made.values()):
            with reading(self._home) as queries:
                row = queries.row(_SETTINGS, [target.source])
            if row is not None:
                settings = SourceSettings.of(row, row)
                with self._state.transaction() as tx:
                    ruling.apply(tx, target.source, settings, settings)

    def present(self, target: Target, uris: Sequence[str]) -> dict[str, Present]:
        """The documents of these URIs that are there, by URI."""
        with reading(self._home) as queries:
            return arrivals.present(queries, target.source, uris)

    def _known_source(self, queries: Queries, only: Path | None) -> Row | None:
        if self._source is not None:
            return queries.source(self._source)
        return queries.source_of_folder(sources.folder_text(only)) if only else None

    def _settings(self, queries: Queries, known: Row | None) -> SourceSettings:
        """What holds for the files of a folder: what its source remembers, by the definitions of the batch."""
        batch = self._batch
        if batch is None and known is not None:
            batch = queries.row("SELECT * FROM batch WHERE id = ?", [known["batch_id"]])
        if batch is None:
            return SourceSettings()
        if known is None:
            return SourceSettings(batch["workflow"], batch["params"])
        return SourceSettings.of(known, batch)

    def _make(self, kind: str, folder: Path | None) -> Target:
        while True:
            with reading(self._home) as queries:
                name = self._name(queries, kind, folder)
            try:
                with self._state.transaction() as tx:
                    made = self._made[kind] = Target(name, self._established(tx, name, folder))
                    if self._priority:
                        tx.run("UPDATE batch SET priority = ? WHERE id = ?", [self._priority, made.batch_id])
                return made
            except Overtaken:
                if self._source is not None:
                    raise
                continue

    def _name(self, queries: Queries, kind: str, folder: Path | None) -> str:
        if self._source is not None:
            return self._source
        if folder is None:
            return sources.free_of_folder(queries, kind)
        row = queries.source_of_folder(sources.folder_text(folder))
        return str(row["name"]) if row else sources.free_name(queries, folder)

    def _established(self, tx: Transaction, name: str, folder: Path | None) -> int:
        """The batch that new documents go to: the one that is named, else the source's own. Raises Overtaken."""
        text = sources.folder_text(folder) if folder else None
        there = tx.rows("SELECT folder, batch_id FROM source WHERE name = ?", [name])
        if there and there[0].folder != text:
            raise Overtaken(f"another shell has just made a source {name!r}")
        if self._batch is not None:
            batch_id = int(self._batch["id"])
        elif there and there[0].batch_id is not None:
            return int(there[0].batch_id)
        else:
            batch_id = groups.create_batch(tx, sources.batch_row(name, "manual"))
        if not there:
            catalogue.add_source(tx, name, text, batch_id)
        return batch_id
