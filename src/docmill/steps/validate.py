"""The validate step: are these the bytes that were ingested, are they few enough, and of which kind are they?"""

from __future__ import annotations

import errno

from docmill import filetypes
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
from docmill.sources.held import HeldFile

TEMPORARY = {errno.EIO, errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN}


def unreadable(error: OSError) -> DocumentError:
    """Why a file cannot be read: for good, as far as this run goes, or only at the moment."""
    if isinstance(error, FileNotFoundError):
        return SourceFileMissing("the file is gone", hint="sync the folder again")
    if error.errno in TEMPORARY:
        return TemporaryFailure(f"the file cannot be read at the moment: {error.strerror}", hint="check its disk")
    return SourceFileDenied(f"the file cannot be read: {error.strerror}", hint="check its permissions")


def validate(file: HeldFile, name: str, content_hash: str, params: ValidateParams) -> FileType:
    """The file's type by content, and by ``name``. Raises the DocumentError that says why it cannot be processed."""
    size = file.size_bytes
    if size > params.max_file_bytes:
        raise FileTooLarge(
            f"the file has {size:,} bytes; the most allowed is {params.max_file_bytes:,}",
            hint="raise it with --set validate.max_file_bytes=N",
        )
    hold_to(file, content_hash)  # first: a file that is just being written anew has no bytes for a moment
    if size == 0:
        raise EmptyDocument("the file has no bytes")
    return filetypes.detect(file.path, name=name)


def hold_to(file: HeldFile, content_hash: str) -> None:
    """Raises FileChanged where the file holds other bytes than those that were ingested."""
    try:
        found = file.content_hash()
    except OSError as error:
        raise unreadable(error) from error
    if found != content_hash:
        raise FileChanged("the file is no longer as it was when it was scanned", hint="sync the folder again")
