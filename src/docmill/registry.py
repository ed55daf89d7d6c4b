"""Finds plug-ins by kind and name: docmill's own by file name, third parties' by entry point.

``load("parsers", "pdf")`` gives ``docmill.parsers.pdf.PLUGIN``. A third party publishes the entry point
``pdf = "package.module:PLUGIN"`` in the group ``docmill.parsers``. YAML gives names; dotted paths are never imported.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Any, Literal

from docmill.errors import DefinitionError

Kind = Literal["parsers", "chunkers", "embedders", "enrichers", "exporters"]
KINDS: tuple[Kind, ...] = ("parsers", "chunkers", "embedders", "enrichers", "exporters")


@cache
def names(kind: Kind) -> tuple[str, ...]:
    """The names of all plug-ins of a kind, sorted. Imports none of them."""
    return tuple(sorted({*_built_in(kind), *_entry_points(kind)}))


@cache
def load(kind: Kind, name: str) -> Any:
    """The plug-in object. Raises DefinitionError, with the nearest name, where there is none."""
    if name in _built_in(kind):
        return importlib.import_module(f"docmill.{kind}.{name}").PLUGIN
    if name in _entry_points(kind):
        return _entry_points(kind)[name].load()
    raise unknown(kind, name)


def unknown(kind: Kind, name: str) -> DefinitionError:
    from difflib import get_close_matches

    near = get_close_matches(name, names(kind), n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names(kind)) or 'none'}"
    return DefinitionError(f"no plug-in {name!r} among the {kind}", hint=hint)


@cache
def _built_in(kind: Kind) -> frozenset[str]:
    package = importlib.import_module(f"docmill.{kind}")
    return frozenset(module.name for module in pkgutil.iter_modules(package.__path__))


@cache
def _entry_points(kind: Kind) -> dict[str, Any]:
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=f"docmill.{kind}")}
