"""What is to be run: a run group before it is one, and which documents it takes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PlannedStep:
    name: str
    type: str
    retries: int | None


@dataclass(frozen=True)
class RowsKeys:
    """What names the rows that a pipeline makes of a document: ``base``, or that of the document's profile."""

    base: str
    by_profile: Mapping[str, str] = field(default_factory=dict)

    @property
    def all(self) -> str:
        """One key for all of them."""
        if not self.by_profile:
            return self.base
        return hashlib.sha256(json.dumps([self.base, sorted(self.by_profile.items())]).encode()).hexdigest()

    @property
    def value(self) -> str:
        """What goes into the mark of :meth:`sql`."""
        return json.dumps({"*": self.base, **self.by_profile}) if self.by_profile else self.base

    def sql(self, document: str, mark: str) -> str:
        """The key of a row of ``document``, in SQL."""
        if not self.by_profile:
            return mark
        own = f"SELECT j.value FROM json_each({mark}) j WHERE j.key = {document}.profile"  # noqa: S608 - our own names
        return f"COALESCE(({own}), json_extract({mark}, '$.\"*\"'))"


@dataclass(frozen=True, slots=True)
class PlannedGroup:
    """A run group that is to be created. ``pipeline`` is JSON; ``steps`` in order.

    no_cache: step types that do not use what was computed before the group began.
    handlers: JSON, the workflow's handlers by event; those of the batch come to them when the group is created.
    asking: JSON, the parameters that a search needs to load the same model.
    """

    batch_id: int
    workflow: str
    params: str
    pipeline: str
    rows_keys: RowsKeys
    database: str
    model: str
    model_fingerprint: str
    steps: tuple[PlannedStep, ...]
    no_cache: tuple[str, ...] = ()
    handlers: str = "{}"
    asking: str = "{}"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which documents a group takes: a source's or a batch's, all or the named ones. ``force``: also what is done."""

    source: str | None = None
    batch_id: int | None = None
    document_ids: tuple[str, ...] | None = None
    force: bool = False
