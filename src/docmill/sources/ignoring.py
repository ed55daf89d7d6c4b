"""``.docmillignore``: which files a folder's own rules leave out, in gitignore's syntax and with its precedence.

A file in a folder speaks for all below it; a deeper one goes over it, and within one the last matching line decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docmill.errors import DefinitionError

NAME = ".docmillignore"
_MOST_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """The rules that hold in one folder: its own, over those of the folders above. Paths are relative to the source."""

    prefix: str = ""
    spec: Any = None
    above: IgnoreRules | None = None

    def __bool__(self) -> bool:
        """Whether there are any."""
        return self.spec is not None or self.above is not None

    def below(self, folder: str, prefix: str) -> IgnoreRules:
        """The rules of a folder that has a file of its own. Raises DefinitionError for a line that is no pattern."""
        return IgnoreRules(prefix, _read(Path(folder) / NAME), self)

    def leave_out(self, path: str, *, folder: bool) -> bool:
        """Whether the file or folder ``path`` (names as the file system has them, joined by ``/``) is not wanted."""
        rules: IgnoreRules | None = self
        while rules is not None:
            if rules.spec is not None:
                said = rules.spec.check_file(path[len(rules.prefix) :] + ("/" if folder else "")).include
                if said is not None:
                    return bool(said)
            rules = rules.above
        return False


def _read(path: Path) -> Any:
    from pathspec import GitIgnoreSpec

    try:
        with path.open("rb") as stream:
            lines = stream.read(_MOST_BYTES).decode("utf-8", "surrogateescape").splitlines()
    except OSError as error:
        raise DefinitionError(f"{path} cannot be read: {error.strerror}", hint="check its permissions") from error
    for number, line in enumerate(lines, 1):
        try:
            GitIgnoreSpec.from_lines([line])
        except ValueError as error:
            raise DefinitionError(
                f"{path}, line {number}: {line!r} is no pattern", hint="its syntax is that of .gitignore"
            ) from error
    return GitIgnoreSpec.from_lines(lines)
