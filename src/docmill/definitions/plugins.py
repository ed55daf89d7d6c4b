"""Which plug-in does a step of which type: its name, its version and the model of its parameters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from docmill import registry
from docmill.definitions.findings import nearest
from docmill.domain.params import ParseParams, StepParams, StoreParams, ValidateParams
from docmill.domain.workflow import StepType
from docmill.registry import Kind

AUTO = "auto"

_DEFAULTS = {
    StepType.VALIDATE: "default",
    StepType.PARSE: AUTO,
    StepType.CHUNK: "structure",
    StepType.EMBED: "fastembed",
    StepType.STORE: "lancedb",
}
_KINDS: dict[StepType, Kind] = {
    StepType.PARSE: "parsers",
    StepType.ENRICH: "enrichers",
    StepType.CHUNK: "chunkers",
    StepType.EMBED: "embedders",
}
_OWN: dict[StepType, tuple[str, type[StepParams]]] = {
    StepType.VALIDATE: ("1", ValidateParams),
    StepType.STORE: ("1", StoreParams),
}


@dataclass(frozen=True, slots=True)
class StepPlugin:
    """``words`` name it in a sentence."""

    step_type: StepType
    method: str
    version: str
    params: type[StepParams]

    @property
    def words(self) -> str:
        kind = _KINDS.get(self.step_type)
        return f"the {kind.removesuffix('s')} {self.method!r}" if kind else f"the {self.step_type.value} step"


class UnknownPlugin(Exception):
    """There is no such plug-in, or it cannot be imported."""

    def __init__(self, message: str, suggestion: str | None) -> None:
        super().__init__(message)
        self.message = message
        self.suggestion = suggestion


def default_method(type_: StepType) -> str | None:
    """None where there is no default: enrichers are chosen by name."""
    return _DEFAULTS.get(type_)


@cache
def methods(type_: StepType) -> tuple[str, ...]:
    """The names that a step of this type may give as its method."""
    if type_ in _OWN:
        return (_DEFAULTS[type_],)
    names = registry.names(_KINDS[type_])
    return (AUTO, *names) if type_ is StepType.PARSE else names


@cache
def find(type_: StepType, method: str) -> StepPlugin:
    """Raises UnknownPlugin."""
    if method not in methods(type_):
        kind = _KINDS.get(type_)
        what = f"{kind.removesuffix('s')} named {method!r}" if kind else f"method {method!r} for a {type_.value} step"
        raise UnknownPlugin(f"there is no {what}", nearest(method, methods(type_)))
    if type_ in _OWN:
        version, params = _OWN[type_]
        return StepPlugin(type_, method, version, params)
    if method == AUTO:
        return StepPlugin(type_, method, _all_parsers(), ParseParams)
    try:
        plugin = registry.load(_KINDS[type_], method)
    except (ImportError, AttributeError) as error:
        raise UnknownPlugin(f"the plug-in {method!r} cannot be imported: {error}", "reinstall its package") from error
    return StepPlugin(type_, method, plugin.version, ParseParams if type_ is StepType.PARSE else plugin.params)


def _all_parsers() -> str:
    """The version of choosing by type is that of every parser it may choose."""
    return " ".join(f"{name}={find(StepType.PARSE, name).version}" for name in registry.names("parsers"))
