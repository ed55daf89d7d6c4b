"""The file between ``plan --manifest`` and ``sync --manifest``: what is to be done, and nothing else."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docmill.domain.events import now
from docmill.domain.results import SourcePlan
from docmill.domain.sources import Rule, Wishes
from docmill.domain.terminal import json_text
from docmill.engine.pipelines import CompiledPipeline
from docmill.errors import DefinitionError, NotAllowedError, NotFoundError
from docmill.service.looking import Looked
from docmill.stores import outputs
from docmill.stores.queries import reading

FORMAT = 1
_HINT = "`docmill plan --manifest FILE` writes one"


@dataclass(frozen=True, slots=True)
class Planned:
    """One source of a manifest. ``documents``: by URI, the change and the content hash."""

    source: str
    folder: Path
    wishes: Wishes
    pipeline_key: str
    documents: dict[str, tuple[str, str]]


def entry(one: Looked, pipeline: CompiledPipeline, planned: SourcePlan) -> dict[str, Any]:
    """What the file says of a source."""
    return {
        "source": one.source,
        "folder": str(one.folder),
        "workflow": one.settings.workflow,
        "params": one.settings.params,
        **{name: json.loads(text) for name, text in one.settings.columns().items()},
        "pipeline_key": pipeline.key,
        "documents": [
            {"uri": each.uri, "change": each.change, "content_hash": each.content_hash} for each in planned.documents
        ],
    }


def write(path: Path, entries: list[dict[str, Any]], home: Path) -> None:
    """Whole or not at all. Raises NotFoundError where it cannot be written, UsageError for a place in the home."""
    record = {"docmill_manifest": FORMAT, "made_at": now(), "sources": entries}
    try:
        with outputs.whole(path, home) as unfinished:
            unfinished.write_text(json_text(record, indent=2) + "\n", "utf-8")
    except OSError as error:
        raise NotFoundError(f"{path} cannot be written: {error.strerror}") from error


def read(path: Path) -> list[Planned]:
    """Raises NotFoundError, DefinitionError where it is no manifest of this format."""
    try:
        record = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise NotFoundError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DefinitionError(f"{path} is no manifest: {error}", hint=_HINT) from None
    try:
        if record["docmill_manifest"] != FORMAT:
            raise DefinitionError(f"{path} has format {record['docmill_manifest']}; this docmill knows {FORMAT}")
        return [_planned(each) for each in record["sources"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise DefinitionError(f"{path} is no manifest of a plan: {error!r} is missing", hint=_HINT) from None


def hold(home: Path, one: Looked, planned: Planned, pipeline: CompiledPipeline) -> None:
    """Leave of what was found only what was planned. Raises NotAllowedError where that is not so any more.

    What has been done since is no deviation, so that a manifest that was cut short can be run again.
    """
    if pipeline.key != planned.pipeline_key:
        raise _outdated(planned, ["the definitions or their plug-ins have changed"])
    changes = one.changes
    found: dict[str, tuple[str, str]] = {each.file.uri: ("new", each.content_hash) for each in changes.new}
    found |= {each.file.uri: ("changed", each.content_hash) for _, each in changes.changed}
    found |= {each.file.uri: ("renamed", each.content_hash) for _, each in changes.renamed}
    found |= {each.uri: ("deleted", each.content_hash) for each in changes.deleted}
    with reading(home) as queries:
        there = queries.content_hashes(one.source)
    deviating = []
    for uri, (change, content) in planned.documents.items():
        now_ = found.get(uri)
        if now_ is not None and now_ != (change, content):
            deviating.append(
                f"{uri} was to be {change}, and is {now_[0] if now_[0] != change else 'of other bytes'} now"
            )
        elif now_ is None and not _done(there, uri, change, content):
            deviating.append(f"{uri} is not {change} any more")
    if deviating:
        raise _outdated(planned, deviating)
    wanted = planned.documents.keys()
    changes.new = [each for each in changes.new if each.file.uri in wanted]
    changes.changed = [pair for pair in changes.changed if pair[1].file.uri in wanted]
    changes.renamed = [pair for pair in changes.renamed if pair[1].file.uri in wanted]
    changes.deleted = [each for each in changes.deleted if each.uri in wanted]


def _done(there: dict[str, str], uri: str, change: str, content: str) -> bool:
    return there.get(uri) == (None if change == "deleted" else content)


def _outdated(planned: Planned, deviating: list[str]) -> NotAllowedError:
    return NotAllowedError(
        f"source {planned.source!r} is not as it was planned: {deviating[0]}"
        + (f", and {len(deviating) - 1} more" if len(deviating) > 1 else ""),
        hint="plan again; nothing was done",
        deviating=deviating[:100],
    )


def _planned(record: dict[str, Any]) -> Planned:
    rules = [Rule(each["glob"], tuple(each["set"]), each["meta"]) for each in record["rules"]]
    return Planned(
        record["source"],
        Path(record["folder"]),
        Wishes(
            record["workflow"],
            record["params"],
            record["overrides"],
            record["include"],
            record["exclude"],
            rules,
        ),
        record["pipeline_key"],
        {each["uri"]: (each["change"], each["content_hash"]) for each in record["documents"]},
    )
