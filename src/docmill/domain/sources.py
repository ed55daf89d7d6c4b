"""How a source is synced: what it was told last, and what a new call tells it. Pure."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

WORKFLOW, PARAMS = "batch", "default"
_PASSWORD_FILE = "parse.password_file"  # noqa: S105 - a parameter's name


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds for the files whose URI, or name, a glob matches. ``overrides`` are of ``TYPE.NAME=VALUE``."""

    glob: str
    overrides: tuple[str, ...] = ()
    meta: Mapping[str, str] = field(default_factory=dict)

    def matches(self, uri: str) -> bool:
        held = uri if "/" in self.glob else uri.rsplit("/", 1)[-1]
        return fnmatch.fnmatchcase(held, self.glob.lstrip("/"))


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a call names. None: nothing is said, so that what the source remembers holds.

    ``password_file`` goes over that one override, and leaves the others.
    """

    workflow: str | None = None
    params: str | None = None
    overrides: Sequence[str] | None = None
    include: Sequence[str] | None = None
    exclude: Sequence[str] | None = None
    rules: Sequence[Rule] | None = None
    password_file: str | None = None


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """What a source remembers. The first rules that match a file win, for each parameter and each key."""

    workflow: str = WORKFLOW
    params: str = PARAMS
    overrides: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()

    @classmethod
    def of(cls, source: Any, batch: Any) -> SourceSettings:
        """From a source's row and its batch's, read by name."""
        return cls(
            batch["workflow"],
            batch["params"],
            tuple(json.loads(source["overrides"])),
            tuple(json.loads(source["include"])),
            tuple(json.loads(source["exclude"])),
            tuple(Rule(each["glob"], tuple(each["set"]), each["meta"]) for each in json.loads(source["rules"])),
        )

    def told(self, wishes: Wishes) -> SourceSettings:
        """What is named replaces what was. Other definitions do not keep the overrides that were made over the old."""
        others = wishes.workflow is not None or wishes.params is not None
        overrides = wishes.overrides if wishes.overrides is not None else () if others else self.overrides
        if wishes.password_file is not None:
            kept = [each for each in overrides if each.partition("=")[0].strip() != _PASSWORD_FILE]
            overrides = [*kept, f"{_PASSWORD_FILE}={json.dumps(wishes.password_file)}"]
        return replace(
            self,
            workflow=wishes.workflow or self.workflow,
            params=wishes.params or self.params,
            overrides=tuple(overrides),
            include=self.include if wishes.include is None else tuple(wishes.include),
            exclude=self.exclude if wishes.exclude is None else tuple(wishes.exclude),
            rules=self.rules if wishes.rules is None else tuple(wishes.rules),
        )

    def columns(self) -> dict[str, str]:
        """As the source's row keeps them; workflow and params are its batch's."""
        rules = [{"glob": each.glob, "set": list(each.overrides), "meta": dict(each.meta)} for each in self.rules]
        return {
            "overrides": json.dumps(self.overrides, ensure_ascii=False),
            "include": json.dumps(self.include, ensure_ascii=False),
            "exclude": json.dumps(self.exclude, ensure_ascii=False),
            "rules": json.dumps(rules, ensure_ascii=False),
        }

    def profile(self, uri: str) -> str:
        """The overrides that the rules give a file, as a document keeps them: a JSON list, or empty."""
        chosen: dict[str, str] = {}
        for rule in self.rules:
            if rule.matches(uri):
                for override in rule.overrides:
                    chosen.setdefault(override.partition("=")[0].strip(), override)
        return json.dumps(sorted(chosen.values()), ensure_ascii=False) if chosen else ""

    def metadata(self, uri: str) -> dict[str, str]:
        """The metadata that the rules give a file."""
        found: dict[str, str] = {}
        for rule in self.rules:
            if rule.matches(uri):
                for key, value in rule.meta.items():
                    found.setdefault(key, value)
        return found
