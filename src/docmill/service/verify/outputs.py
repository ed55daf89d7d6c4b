"""Checks the artifacts: each that is known is there, with the bytes that were written, and no other file is."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

from docmill.domain import identity
from docmill.domain.jobs import ArtifactRef
from docmill.errors import DamagedArtifact
from docmill.service.verify.diagnosis import Diagnosis
from docmill.service.verify.expected import Expected
from docmill.stores import forecasts
from docmill.stores.artifacts import ArtifactStore
from docmill.stores.queries import Queries

ARTIFACTS = "artifacts"
_KEY = re.compile(r"[0-9a-f]{64}\Z")
_SETTLES_S = 60.0  # a worker writes a file, and the engine makes it known when it hears of it


def check_artifacts(
    home: Path, queries: Queries, expected: Expected, found: Diagnosis, *, quick: bool, in_use: bool
) -> None:
    """``quick``: by their sizes. ``in_use``: an engine is at work, so that what is fresh is in somebody's hands."""
    store = ArtifactStore(home)
    suspects = [ref for ref in expected.artifacts.values() if _fault(store, ref, quick=quick)]
    # An engine may have computed one anew since its reference was read.
    now = forecasts.artifacts(queries, [ref.step_key for ref in suspects])
    for ref in (now[each.step_key] for each in suspects if each.step_key in now):
        if (code := _fault(store, ref, quick=quick)) and not (in_use and _is_fresh(store.path(ref.step_key))):
            found.add(code, ARTIFACTS, _told(expected, ref.step_key))
            found.outputs.update(_with_what_follows(expected, ref.step_key))
            for database, document in expected.users.get(ref.step_key, ()):
                found.remake[database].add(document.id)
    strangers = [path for path in _files(store) if path.name not in expected.artifacts]
    known = forecasts.artifacts(queries, [path.name for path in strangers])
    for path in strangers:
        if path.name not in known and not (in_use and _is_fresh(path)):
            found.add("ARTIFACT_ORPHANED", ARTIFACTS, path.name[:12])
            found.files.add(path)
    found.counts["artifacts"] = len(expected.artifacts)


def _fault(store: ArtifactStore, ref: ArtifactRef, *, quick: bool) -> str | None:
    """The code of what is wrong with it, if anything is."""
    try:
        if store.path(ref.step_key).stat().st_size != ref.size_bytes:
            return "ARTIFACT_DAMAGED"
        if not quick:
            store.read_bytes(ref)
    except FileNotFoundError:
        return "ARTIFACT_MISSING"
    except (OSError, DamagedArtifact):
        return "ARTIFACT_DAMAGED"
    return None


def _with_what_follows(expected: Expected, step_key: str) -> Iterator[str]:
    """The output and those made of it: else the step before would not be run again, as nobody asks for its output."""
    yield step_key
    for _database, document in expected.users.get(step_key, ()):
        keys = list(expected.pipelines.outputs(document).values())
        from_here = next(n for n, key in enumerate(keys) if step_key in (key, identity.assets_key(key)))
        yield from keys[from_here:]


def _told(expected: Expected, step_key: str) -> str:
    users = expected.users.get(step_key, ())
    return users[0][1].uri if users else step_key[:12]


def _files(store: ArtifactStore) -> Iterator[Path]:
    return (path for path in store.files() if _KEY.match(path.name))


def _is_fresh(path: Path) -> bool:
    """Somebody is at it at this moment, or was until a moment ago."""
    try:
        return time.time() - path.stat().st_mtime < _SETTLES_S
    except OSError:
        return False
