"""Finds and reads definition files, docmill's own and those of a home. A bad file never hides a good one."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Literal, TypeVar

from pydantic import ValidationError

import docmill
from docmill.definitions.checking import check_param_set, check_workflow
from docmill.definitions.findings import BadDefinition, Place, from_validation, key_path, nearest
from docmill.definitions.yaml_text import MAX_BYTES, YamlFault, YamlText, read
from docmill.domain.results import Problem
from docmill.domain.workflow import ParamSet, Workflow
from docmill.errors import DefinitionNotFound

T = TypeVar("T", Workflow, ParamSet)
Origin = Literal["app", "user"]


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """``name`` is the kind in JSON; ``words`` in sentences; ``command`` the CLI's group for it."""

    name: str
    words: str
    folder: str
    command: str
    model: type[T]


WORKFLOW: Kind[Workflow] = Kind("workflow", "workflow", "workflows", "workflow", Workflow)
PARAM_SET: Kind[ParamSet] = Kind("param_set", "param set", "param-sets", "params", ParamSet)


@dataclass(frozen=True, slots=True)
class Loaded(Generic[T]):
    """A usable definition, where it came from, and notes about it."""

    definition: T
    file: Path
    source: Origin
    text: YamlText
    notes: tuple[Problem, ...] = ()

    @property
    def place(self) -> Place:
        return Place(str(self.file), self.text)


@dataclass
class Catalogue(Generic[T]):
    """All definitions of a kind. ``broken`` holds the findings of files that cannot be used, by the id they wanted."""

    loaded: dict[str, Loaded[T]] = field(default_factory=dict)
    broken: dict[str, list[Problem]] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)

    @property
    def problems(self) -> list[Problem]:
        return [problem for problems in self.broken.values() for problem in problems]


def shipped_folder(kind: Kind[T]) -> Path:
    """Inside the installed package; in an editable installation, at the root of the repository."""
    package = Path(docmill.__file__).parent
    packaged = package / "shipped" / kind.folder
    return packaged if packaged.is_dir() else package.parent.parent / kind.folder


def load_all(kind: Kind[T], home: Path | None) -> Catalogue[T]:
    """Every definition of a kind. A shipped id cannot be taken by a user's file; the first file of an id has it."""
    catalogue: Catalogue[T] = Catalogue()
    for file, source in _all_files(kind, home):
        catalogue.files.append(file)
        try:
            loaded = load_file(kind, file, source)
        except BadDefinition as error:
            catalogue.broken.setdefault(error.wanted_id or file.stem, []).extend(error.problems)
            continue
        id_ = loaded.definition.id
        if id_ in catalogue.loaded:
            catalogue.broken.setdefault(f"{id_} in {file}", []).append(_taken(kind, loaded, catalogue.loaded[id_]))
        else:
            catalogue.loaded[id_] = loaded
    return catalogue


def get(kind: Kind[T], id_: str, home: Path | None) -> Loaded[T]:
    """One definition. Raises DefinitionNotFound, or BadDefinition where the file that has the id cannot be used."""
    shipped = shipped_folder(kind) / f"{id_}.yaml"
    if "/" not in id_ and shipped.is_file():
        return load_file(kind, shipped, "app")
    catalogue = load_all(kind, home)
    if id_ in catalogue.loaded:
        return catalogue.loaded[id_]
    if id_ in catalogue.broken:
        raise BadDefinition(kind.words, catalogue.broken[id_])
    raise DefinitionNotFound(f"no {kind.words} {id_!r}", hint=nearest(id_, catalogue.loaded), id=id_)


def given(kind: Kind[T], target: str, home: Path | None) -> Loaded[T]:
    """By id, or a file that need lie in no home. Raises as :func:`get`."""
    if not looks_like_a_file(target):
        return get(kind, target, home)
    file = Path(target).expanduser()
    if not file.exists():
        raise DefinitionNotFound(f"there is no file {file}", file=str(file))
    return load_file(kind, file, "user")


def looks_like_a_file(target: str) -> bool:
    return os.sep in target or target.endswith((".yaml", ".yml"))


def load_file(kind: Kind[T], file: Path, source: Origin) -> Loaded[T]:
    """Raises BadDefinition with every finding in the file."""
    try:
        content = _content(file)
    except YamlFault as fault:
        raise BadDefinition(kind.words, [_from_fault(fault, file)]) from None
    return load_text(kind, content, file, source)


def load_text(kind: Kind[T], content: bytes | str, file: Path, source: Origin) -> Loaded[T]:
    """As :func:`load_file`, for text that is said to be in ``file``."""
    try:
        text = read(content)
    except YamlFault as fault:
        raise BadDefinition(kind.words, [_from_fault(fault, file)]) from None
    place = Place(str(file), text)
    wanted = text.data["id"] if isinstance(text.data.get("id"), str) else None
    try:
        definition = kind.model.model_validate_json(json.dumps(text.data))
    except ValidationError as error:
        raise BadDefinition(kind.words, from_validation(error, text.data, place, kind.model), wanted) from None
    if isinstance(definition, ParamSet):
        definition = definition.model_copy(update={"source": source})
        problems = check_param_set(definition, place)
    else:
        problems = check_workflow(definition, place)
    faults = [problem for problem in problems if problem.level == "error"]
    if faults:
        raise BadDefinition(kind.words, faults, wanted)
    return Loaded(definition, file, source, text, tuple(problems))


def _all_files(kind: Kind[T], home: Path | None) -> Iterator[tuple[Path, Origin]]:
    folders: list[tuple[Path, Origin]] = [(shipped_folder(kind), "app")]
    if home is not None:
        folders.append((home / kind.folder, "user"))
    for folder, source in folders:
        if folder.is_dir():
            for file in sorted(folder.iterdir()):
                if file.suffix in (".yaml", ".yml") and not file.name.startswith("."):
                    yield file, source


def _content(file: Path) -> bytes:
    """The bytes of a regular file of bearable size; a fifo would block and a device never end."""
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            raise YamlFault("not a regular file")
        if status.st_size > MAX_BYTES:
            raise YamlFault(f"larger than {MAX_BYTES // 1024} KiB, which no definition needs to be")
        return file.read_bytes()
    except OSError as error:
        raise YamlFault(f"cannot be read: {error.strerror}") from None


def _from_fault(fault: YamlFault, file: Path) -> Problem:
    return Problem(
        file=str(file),
        line=fault.line,
        path=key_path(fault.path),
        message=fault.message,
        suggestion=fault.suggestion,
    )


def _taken(kind: Kind[T], loaded: Loaded[T], other: Loaded[T]) -> Problem:
    id_ = loaded.definition.id
    whose = f"a shipped {kind.words}'s" if other.source == "app" else f"taken by {other.file.name}"
    return loaded.place.problem(("id",), f"the id {id_!r} is {whose}", "choose another id")
