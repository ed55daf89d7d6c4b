"""What is different between two pipelines, as run groups keep them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Difference(NamedTuple):
    """``what``: method, version, a parameter's name, or model. None: it was not there, or is not there any more."""

    step: str
    what: str
    before: Any
    after: Any


def differences(
    before: Mapping[str, Any], after: Mapping[str, Any], *, was: str = "", now: str = ""
) -> list[Difference]:
    """What can give a document another result, in the order of the steps. ``was``, ``now``: its profile then and now.

    Parameters that only make a step faster or slower are left out.
    """
    old = {step["name"]: step for step in before.get("variants", {}).get(was, before["steps"])}
    new = {step["name"]: step for step in after.get("variants", {}).get(now, after["steps"])}
    found: list[Difference] = []
    for name in [*new, *(name for name in old if name not in new)]:
        one, other = old.get(name), new.get(name)
        if one is None or other is None:
            found.append(Difference(name, "step", one and one["method"], other and other["method"]))
            continue
        # A group of an older docmill does not say which version it had.
        whats = [what for what in ("method", "version") if what in one and what in other]
        found += [Difference(name, what, one[what], other[what]) for what in whats if one[what] != other[what]]
        counting = other.get("counting", list(other["params"]))
        for what in counting:
            if one["params"].get(what) != other["params"].get(what):
                found.append(Difference(name, what, one["params"].get(what), other["params"].get(what)))
    models = before.get("model"), after.get("model")
    if None not in models and models[0] != models[1]:
        found.append(Difference("embed", "model", models[0], models[1]))
    return found
