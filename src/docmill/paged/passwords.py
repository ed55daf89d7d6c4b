"""The passwords that PDFs are tried with: none, then each line of a file that the user names.

They are read where they are needed, and go nowhere else: not into state, logs, artifacts or messages.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from docmill.errors import EncryptedFile

_MOST_BYTES = 1024 * 1024
HINT = "name a file of passwords, one a line: --password-file FILE"


def candidates(password_file: str | None) -> Iterator[str]:
    """The empty password, which opens what is locked by an owner's alone, then those of the file."""
    yield ""
    if password_file is None:
        return
    try:
        with Path(password_file).expanduser().open("rb") as stream:
            data = stream.read(_MOST_BYTES)
    except OSError as error:
        raise EncryptedFile(
            f"the PDF is protected by a password, and the password file cannot be read: {error.strerror}", hint=HINT
        ) from None
    for line in data.decode("utf-8-sig", "replace").split("\n"):
        if password := line.removesuffix("\r"):
            yield password


def refused(password_file: str | None) -> EncryptedFile:
    """None of them opens it."""
    tried = "; none in the password file opens it" if password_file is not None else ""
    hint = "add its password to the password file" if password_file is not None else HINT
    return EncryptedFile(f"the PDF is protected by a password{tried}", hint=hint)
