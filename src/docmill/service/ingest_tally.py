"""What an ``ingest`` says at its end: counted in full, and listed as far as that can be read."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from docmill.domain.events import MessageEvent, Reporter, now
from docmill.domain.redaction import redacted_address
from docmill.domain.results import IngestCounts, IngestedFile, IngestProblem, IngestResult, IngestTarget
from docmill.errors import DocumentError

MOST_LISTED = 10_000
MOST_WARNINGS = 100
_TELL_SECONDS = 10.0


class Tally:
    """Keeps counts of everything, and the first of each kind."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._files: list[IngestedFile] = []
        self._errors: list[IngestProblem] = []
        self._warnings: list[str] = []
        self._counts: Counter[str] = Counter()
        self._warned = 0
        self._told = time.monotonic()

    def add(self, file: IngestedFile) -> None:
        self._counts[file.outcome] += 1
        if len(self._files) < MOST_LISTED:
            self._files.append(file)

    def ignore(self, count: int) -> None:
        self._counts["ignored"] += count

    def problem(self, uri: str, error: DocumentError, line: int | None = None) -> None:
        """What could not be made known, and stays as it was. ``line``: of a manifest."""
        self._counts["failed"] += 1
        uri = redacted_address(uri)
        if len(self._errors) >= MOST_LISTED:
            return
        self._errors.append(
            IngestProblem(
                document_id=None,
                uri=uri,
                filename=uri.rstrip("/").rsplit("/", 1)[-1],
                stage="ingest",
                error_code=error.code,
                error_message=_by_line(error.message, line),
                occurred_at=now(),
                retry_count=0,
                hint=error.hint,
                permanent=error.permanent,
                line=line,
            )
        )

    def warn(self, message: str) -> None:
        self._warned += 1
        if len(self._warnings) < MOST_WARNINGS:
            self._warnings.append(message)
            self._reporter.emit(MessageEvent("warning", message))

    def tell(self) -> None:
        """Now and then, how far it has come."""
        if time.monotonic() - self._told >= _TELL_SECONDS:
            self._told = time.monotonic()
            self._reporter.emit(MessageEvent("info", f"{sum(self._counts.values()):,} looked at so far"))

    def result(self, targets: Sequence[IngestTarget]) -> IngestResult:
        failed = self._counts["failed"]
        listed = len(self._files) + len(self._errors)
        return IngestResult(
            batch_id=targets[0].batch_id if targets else None,
            source=targets[0].source if targets else None,
            targets=list(targets),
            files=self._files,
            counts=IngestCounts(**self._counts),
            errors=self._errors,
            warnings=self._warnings,
            not_listed=sum(self._counts.values()) - self._counts["ignored"] - listed,
            reason=f"{failed:,} could not be ingested" if failed else None,
        )


def _by_line(message: str, line: int | None) -> str:
    prefix = f"line {line}: "
    return message if line is None or message.startswith(prefix) else prefix + message
