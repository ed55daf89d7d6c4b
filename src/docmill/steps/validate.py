"""The validate step: are these the bytes that were ingested, are they few enough, and of which kind are they?"""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path

from docmill import filetypes
from docmill.domain.identity import CONTENT_PREFIX
from docmill.domain.params import ValidateParams
from docmill.errors import (
    DocumentError,
    EmptyDocument,
    FileChanged,
    FileTooLarge,
    SourceFileDenied,
    SourceFileMissing,
    TemporaryFailure,
)
from docmill.filetypes import FileType

TEMPORARY = {errno.EIO, errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN}


def unreadable(error: OSError) -> DocumentError:
    """Why a file cannot be read: for good, as far as this run goes, or only at the moment."""
    if isinstance(error, FileNotFoundError):
        return SourceFileMissing("the file is gone", hint="sync the folder again")
    if error.errno in TEMPORARY:
        return TemporaryFailure(f"the file cannot be read at the moment: {error.strerror}", hint="check its disk")
    return SourceFileDenied(f"the file cannot be read: {error.strerror}", hint="check its permissions")


def validate(path: Path, content_hash: str, params: ValidateParams) -> FileType:
    """The file's type by content. Raises the DocumentError that says why it cannot be processed."""
    try:
        size = path.stat().st_size
        if size > params.max_file_bytes:
            raise FileTooLarge(
                f"the file has {size:,} bytes; the most allowed is {params.max_file_bytes:,}",
                hint="raise it with --set validate.max_file_bytes=N",
            )
        if size == 0:
            raise EmptyDocument("the file has no bytes")
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(error) from error
    if CONTENT_PREFIX + digest != content_hash:
        raise FileChanged("the file is no longer as it was when it was scanned", hint="sync the folder again")
    return filetypes.detect(path, name=path.name)
