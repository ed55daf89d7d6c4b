"""What a pipeline needs beside its model: seen before any work begins, and not by each document."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from docmill.domain.events import MessageEvent, Reporter
from docmill.domain.params import ParseParams
from docmill.domain.workflow import Pipeline
from docmill.errors import DefinitionError
from docmill.paged import ocr


def require(pipeline: Pipeline, reporter: Reporter) -> None:
    """Raises MissingError where OCR is asked for and not installed, DefinitionError for a password file that cannot be
    read; one that others may read is warned of.
    """
    variants = [pipeline.steps, *pipeline.variants.values()]
    found = [step.params for steps in variants for step in steps if isinstance(step.params, ParseParams)]
    if any(params.ocr != "off" for params in found):
        ocr.require()
    for file in sorted({params.password_file for params in found if params.password_file is not None}):
        _require_passwords(Path(file).expanduser(), reporter)


def _require_passwords(file: Path, reporter: Reporter) -> None:
    try:
        with file.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
    except OSError as error:
        raise DefinitionError(
            f"the password file {file} cannot be read: {error.strerror}",
            hint="name another with --password-file FILE, or none with --set parse.password_file=null",
        ) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        reporter.emit(MessageEvent("warning", f"the password file {file} is open to others; chmod 600 closes it"))
