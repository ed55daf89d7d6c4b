"""Workflows and param sets: listing, showing, checking, adding, deleting, and making pipelines of them.

What is shipped needs no home; a home adds its own. Only param sets can be added and deleted from here.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from docmill.definitions import files, resolving
from docmill.definitions.files import PARAM_SET, WORKFLOW, Catalogue, Kind, Loaded
from docmill.definitions.findings import BadDefinition, nearest
from docmill.domain.results import (
    DefinitionAdded,
    DefinitionDeleted,
    DefinitionList,
    DefinitionShown,
    DefinitionSummary,
    ParamTargets,
    Problem,
    ValidationResult,
)
from docmill.domain.workflow import Pipeline
from docmill.errors import AlreadyExists, DefinitionNotFound, HomeNotFound, NotAllowedError, StorageError
from docmill.settings import Settings, find_home

_KINDS: dict[str, Kind[Any]] = {kind.name: kind for kind in (WORKFLOW, PARAM_SET)}


def resolve(home: Path | None, workflow: str, params: str, overrides: Sequence[str] = ()) -> Pipeline:
    """The pipeline of a workflow, a param set and ``--set`` values. Raises DefinitionNotFound, DefinitionError."""
    return resolving.resolve(home, workflow, params, overrides)


def list_definitions(settings: Settings, kind: str, *, limit: int, offset: int) -> DefinitionList:
    """``kind``: ``workflow`` or ``param_set``. Shipped ones first, each group by file name."""
    catalogue = _catalogue(settings, kind)
    found = [_summary(loaded) for loaded in catalogue.loaded.values()]
    return DefinitionList(
        kind=kind,
        definitions=found[offset : offset + limit],
        problems=catalogue.problems,
        total=len(found),
        limit=limit,
        offset=offset,
    )


def show(settings: Settings, kind: str, id_: str) -> DefinitionShown:
    """Raises DefinitionNotFound, and DefinitionError where its file cannot be used."""
    loaded = files.get(_KINDS[kind], id_, home_if_any(settings))
    return DefinitionShown(
        kind=kind,
        id=loaded.definition.id,
        source=loaded.source,
        file=str(loaded.file),
        definition=loaded.definition.model_dump(mode="json"),
        yaml=loaded.text.text,
    )


def validate(settings: Settings, kind: str, target: str | Path | None = None) -> ValidationResult:
    """Check one file (a Path, or text that looks like one), one id, or everything. Never raises for bad content."""
    chosen = _KINDS[kind]
    if target is None:
        catalogue = _catalogue(settings, kind)
        notes = [note for loaded in catalogue.loaded.values() for note in loaded.notes]
        return _validation(kind, [str(file) for file in catalogue.files], [*catalogue.problems, *notes])
    if isinstance(target, Path) or files.looks_like_a_file(target):
        file = Path(target).expanduser()
        if not file.exists():
            raise DefinitionNotFound(f"there is no file {file}", file=str(file))
        return _checked(kind, str(file), lambda: files.load_file(chosen, file, "user"))
    return _checked(kind, target, lambda: files.get(chosen, target, home_if_any(settings)))


def add_params(settings: Settings, given: Path | str) -> DefinitionAdded:
    """Put a param set into the home: a file, or YAML text. It is checked first and written whole or not at all.

    Raises DefinitionError with every finding, AlreadyExists, StorageError.
    """
    home = find_home(settings)
    if isinstance(given, Path):
        if not given.expanduser().exists():
            raise DefinitionNotFound(f"there is no file {given}", file=str(given))
        loaded = files.load_file(PARAM_SET, given.expanduser(), "user")
    else:
        loaded = files.load_text(PARAM_SET, given, Path("-"), "user")
    id_ = loaded.definition.id
    known = files.load_all(PARAM_SET, home)
    if id_ in known.loaded or id_ in known.broken:
        raise AlreadyExists(
            f"there is a param set {id_!r} already", hint="choose another id, or delete that one", id=id_
        )
    file = home / PARAM_SET.folder / f"{id_}.yaml"
    _write_new(file, loaded.text.text)
    return DefinitionAdded(kind=PARAM_SET.name, id=id_, file_path=str(file), message=f"added param set {id_}")


def delete_params(settings: Settings, id_: str, *, dry_run: bool = False) -> DefinitionDeleted:
    """Remove a user's param set, also one that cannot be used any more.

    Raises NotAllowedError for a shipped one, DefinitionNotFound.
    """
    home = home_if_any(settings)
    catalogue = files.load_all(PARAM_SET, home)
    loaded = catalogue.loaded.get(id_)
    if loaded is not None and loaded.source == "app":
        raise NotAllowedError(
            f"the param set {id_!r} is shipped with docmill and cannot be deleted",
            hint="only your own can: `docmill params list` shows which they are",
            id=id_,
        )
    home = find_home(settings)
    file = loaded.file if loaded is not None else home / PARAM_SET.folder / f"{id_}.yaml"
    if loaded is None and (id_ not in catalogue.broken or file not in catalogue.files):
        own = [each.definition.id for each in catalogue.loaded.values() if each.source == "user"]
        raise DefinitionNotFound(f"no param set {id_!r}", hint=nearest(id_, own), id=id_)
    if not dry_run:
        try:
            file.unlink()
        except OSError as error:
            raise StorageError(f"{file} cannot be deleted: {error.strerror}") from error
    done = "would delete" if dry_run else "deleted"
    return DefinitionDeleted(kind=PARAM_SET.name, id=id_, message=f"{done} param set {id_} ({file})")


def targets(settings: Settings, database: str, *, limit: int, offset: int) -> ParamTargets:
    """The param sets whose pipelines write a database."""
    catalogue = files.load_all(PARAM_SET, home_if_any(settings))
    found = [
        _summary(loaded)
        for loaded in catalogue.loaded.values()
        if resolving.effective_database(loaded.definition) == database
    ]
    return ParamTargets(
        database=database, param_sets=found[offset : offset + limit], total=len(found), limit=limit, offset=offset
    )


def home_if_any(settings: Settings) -> Path | None:
    """A home that is named must exist; without a name, none is needed."""
    try:
        return find_home(settings)
    except HomeNotFound:
        if settings.home is not None:
            raise
        return None


def _catalogue(settings: Settings, kind: str) -> Catalogue[Any]:
    return files.load_all(_KINDS[kind], home_if_any(settings))


def _summary(loaded: Loaded[Any]) -> DefinitionSummary:
    definition = loaded.definition
    return DefinitionSummary(
        id=definition.id,
        name=definition.name,
        description=definition.description,
        source=loaded.source,
        file=str(loaded.file),
    )


def _checked(kind: str, what: str, load: Any) -> ValidationResult:
    try:
        loaded: Loaded[Any] = load()
    except BadDefinition as error:
        return _validation(kind, [what], error.problems)
    return _validation(kind, [str(loaded.file)], list(loaded.notes))


def _validation(kind: str, checked: list[str], problems: list[Problem]) -> ValidationResult:
    valid = not any(problem.level == "error" for problem in problems)
    return ValidationResult(kind=kind, valid=valid, checked=checked, problems=problems)


def _write_new(file: Path, text: str) -> None:
    """Write under a temporary name and link it into place, which fails where the name is taken meanwhile."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(mode=0o700, exist_ok=True)
        with temporary.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        file.hardlink_to(temporary)
    except FileExistsError:
        raise AlreadyExists(f"there is a file {file} already", hint="choose another id") from None
    except OSError as error:
        raise StorageError(f"{file} cannot be written: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)
