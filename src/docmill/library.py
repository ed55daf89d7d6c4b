"""docmill for Python programs: a home as an object, whose methods call what the commands call.

Results are the frozen models of docmill.domain.results, the same that ``--json`` prints; errors are those of
docmill.errors. There is no second way to do anything: each method names a service function and hands on its arguments.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from docmill import settings as configuration
from docmill.domain.events import Reporter, SilentReporter

if TYPE_CHECKING:
    from docmill.domain.results import (
        BatchStatus,
        DatabaseInfo,
        DatabaseList,
        DocumentList,
        DocumentShown,
        ExportResult,
        HomeStatus,
        PlanResult,
        SearchResult,
        SyncResult,
    )

Place = str | os.PathLike[str]


def open_home(path: Place | None = None, **flags: Any) -> Home:
    """The home at ``path``, a ``.docmill`` folder or one that holds such; else the one that the command line would use.

    flags: settings, such as ``document_workers=2``, over those of the environment; docs/settings.md lists them.
    Raises HomeNotFound, SettingsError.
    """
    built = configuration.build(home=_named(path), **flags)
    return Home(configuration.build(**{**flags, "home": configuration.find_home(built)}))


def create_home(folder: Place | None = None, **flags: Any) -> Home:
    """The home ``folder/.docmill``, made where there is none; without a folder, in the working directory.

    Raises StorageError where it cannot be made.
    """
    from docmill.service.home import init

    place = Path(folder) if folder is not None else Path.cwd()
    built = configuration.build(**{**flags, "home": place.expanduser().absolute() / configuration.HOME_NAME})
    init(built)
    return Home(built)


class Home:
    """A home. It holds no connection and no lock: each method opens what it needs, and any thread may call it.

    settings: as the service functions take them.
    """

    def __init__(self, settings: configuration.Settings) -> None:
        self.settings = settings

    def __repr__(self) -> str:
        return f"Home({str(self.path)!r})"

    @property
    def path(self) -> Path:
        return configuration.find_home(self.settings)

    def sync(
        self,
        *folders: Place,
        reporter: Reporter | None = None,
        source: str | None = None,
        workflow: str | None = None,
        params: str | None = None,
        overrides: Sequence[str] = (),
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        allow_mass_delete: bool = False,
        prune: bool = True,
        checksum: bool = False,
    ) -> SyncResult:
        """Make the index follow folders, or without any all sources. ``overrides``: as ``--set``, ``"chunk.size=160"``.

        Documents that fail raise nothing: the result counts them. ``reporter`` is told of progress, in this thread.
        Raises NotFoundError, NotAllowedError, DefinitionError, MissingError, StoppedError.
        """
        from docmill.service import syncing

        return syncing.sync(
            self.settings,
            reporter or SilentReporter(),
            [Path(folder) for folder in folders],
            source=source,
            workflow=workflow,
            params=params,
            overrides=list(overrides) or None,
            include=list(include) or None,
            exclude=list(exclude) or None,
            allow_mass_delete=allow_mass_delete,
            prune=prune,
            checksum=checksum,
        )

    def plan(
        self,
        *folders: Place,
        reporter: Reporter | None = None,
        source: str | None = None,
        workflow: str | None = None,
        params: str | None = None,
        overrides: Sequence[str] = (),
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        prune: bool = True,
        checksum: bool = False,
    ) -> PlanResult:
        """What :meth:`sync` would do, and how long it would take. Raises as that does."""
        from docmill.domain.sources import Wishes
        from docmill.service import planning

        wishes = Wishes(workflow, params, list(overrides) or None, list(include) or None, list(exclude) or None)
        paths = [Path(folder) for folder in folders]
        told = reporter or SilentReporter()
        return planning.plan(self.settings, told, paths, source=source, wishes=wishes, prune=prune, checksum=checksum)

    def search(
        self,
        query: str,
        *,
        mode: Literal["hybrid", "vector", "fts"] = "hybrid",
        limit: int = 10,
        sources: Sequence[str] = (),
        uri_prefix: str | None = None,
        filter: str | None = None,  # noqa: A002 - the option's name
        database: str = "default",
        context: int = 0,
        per_document: bool = False,
        min_score: float | None = None,
        exact: bool = False,
        collapse: bool = True,
    ) -> SearchResult:
        """The best passages, best first. Raises DatabaseNotFound, UsageError, NotAllowedError, ModelMissing."""
        from docmill.service import searching

        return searching.search(
            self.settings,
            query,
            mode=mode,
            limit=limit,
            source=list(sources) or None,
            uri_prefix=uri_prefix,
            database=database,
            context=context,
            per_document=per_document,
            min_score=min_score,
            exact=exact,
            collapse=collapse,
            filter=filter,
        )

    def status(self) -> HomeStatus:
        """The home at a glance."""
        from docmill.service import batches

        return batches.home_status(self.settings)

    def batch_status(self, batch: str | int) -> BatchStatus:
        """How a batch stands, by its name or its id. Raises BatchNotFound."""
        from docmill.service import batches

        return batches.status(self.settings, str(batch))

    def documents(
        self,
        *,
        source: str | None = None,
        batch: str | int | None = None,
        status: str | None = None,
        prefix: str | None = None,
        type: str | None = None,  # noqa: A002 - the field's name in the JSON contract
        limit: int = 50,
        offset: int = 0,
    ) -> DocumentList:
        """A page of the documents, by source and URI; ``total`` says how many there are. Raises BatchNotFound."""
        from docmill.service import documents

        return documents.list_documents(
            self.settings,
            limit=limit,
            offset=offset,
            source=source,
            batch=str(batch) if batch is not None else None,
            status=status,
            prefix=prefix,
            type=type,
        )

    def document(self, named: str, *, source: str | None = None) -> DocumentShown:
        """One document, by URI or id. Raises DocumentNotFound; UsageError where several sources have the URI."""
        from docmill.service import documents

        return documents.show_document(self.settings, named, source=source)

    def databases(self, *, limit: int = 50, offset: int = 0) -> DatabaseList:
        """The vector databases of the home."""
        from docmill.service import databases

        return databases.list_databases(self.settings, limit=limit, offset=offset)

    def database(self, name: str = "default") -> DatabaseInfo:
        """One of them: its tables, model and indexes. Raises DatabaseNotFound."""
        from docmill.service import databases

        return databases.info(self.settings, name)

    def export(
        self,
        output: Place,
        *,
        batch: str | int | None = None,
        database: str | None = None,
        filter: str | None = None,  # noqa: A002 - the option's name
        format: str | None = None,  # noqa: A002 - the option's name
        include_embeddings: bool = False,
        include_metadata: bool = False,
        include_text: bool = True,
        compression: Literal["zip", "gz", "zst"] | None = None,
        report: bool = False,
        replace: bool = False,
    ) -> ExportResult:
        """Write the passages of a batch, or of a database, to a file or a folder; docs/export.md tells of the formats.

        Raises UsageError, BatchNotFound, DatabaseNotFound, AlreadyExists, StorageError.
        """
        from docmill.service import exporting

        return exporting.export(
            self.settings,
            batch=str(batch) if batch is not None else None,
            database=database,
            filter=filter,
            format=format,
            output=os.fspath(output),
            include_embeddings=include_embeddings,
            include_metadata=include_metadata,
            include_text=include_text,
            compression=compression,
            report=report,
            replace=replace,
        )


def _named(path: Place | None) -> Path | None:
    if path is None:
        return None
    place = Path(path).expanduser().absolute()
    inside = place / configuration.HOME_NAME
    return inside if inside.is_dir() else place
