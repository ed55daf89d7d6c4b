"""``report``: a summary as one HTML page, for a person who asks, or because a run group has ended."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from pathlib import Path

from docmill import privacy
from docmill.domain.results import ReportResult, SummaryResult
from docmill.domain.terminal import json_text
from docmill.errors import StorageError
from docmill.reports.page import page
from docmill.service import completion_reports, summarizing
from docmill.settings import Settings, build, find_home
from docmill.stores import outputs

_LONGEST_NAME = 80


def report(settings: Settings, batch: str | None, *, output: str, run_group: int | None = None) -> ReportResult:
    """Write the page to ``output``, a path, or ``-`` for stdout.

    Raises as :func:`summarizing.summary`, and StorageError.
    """
    home = find_home(settings)
    summary = summarizing.summary(settings, batch, run_group=run_group)
    path = outputs.place(output)
    with outputs.stream(path, home) as stream:
        stream.write(page(summary).encode())
    return ReportResult(
        batch_id=summary.batch_id,
        run_group_id=summary.run.run_group_id if summary.run else None,
        path=None if path is None else str(path),
        size_bytes=None if path is None else stream.size_bytes,
        format="html",
    )


def write_of_group(home: Path, group_id: int, folder: Path | None) -> Path:
    """The report of a run group and its summary as JSON, in a folder, or in the home's own. Returns the page's path.

    Written again, they replace what they were. Raises RunGroupNotFound, StorageError.
    """
    summary = summarizing.summary(build(home=home), None, run_group=group_id)
    kept = folder if folder is not None else home / completion_reports.FOLDER
    try:
        _make(kept, private=folder is None)
    except OSError as error:
        raise StorageError(f"{kept} cannot be made: {error.strerror}") from error
    made = {"json": json_text(summary.model_dump(mode="json"), indent=2) + "\n", "html": page(summary)}
    for kind, text in made.items():
        path = kept / f"{file_name(summary)}.{kind}"
        _write(path, outputs.whole(path, home if folder is not None else None, private=folder is None), text)
    return path


def _make(folder: Path, *, private: bool) -> None:
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    if not private:
        for each in missing:
            privacy.open_up(each)


def file_name(summary: SummaryResult) -> str:
    """``papers-7``: of batch papers, run group 7. Letters that every file system takes, and any program."""
    named = re.sub(r"[^A-Za-z0-9._]+", "-", summary.name).strip("-.")[:_LONGEST_NAME] or "batch"
    return f"{named}-{summary.run.run_group_id}" if summary.run else named


def _write(path: Path, opening: AbstractContextManager[Path], text: str) -> None:
    try:
        with opening as unfinished:
            unfinished.write_text(text, "utf-8")
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}", hint="choose another place") from error
