"""What a worker's answer about a document, its death, or its silence, means for that document."""

from __future__ import annotations

import signal

from docmill.domain.events import now
from docmill.domain.failures import tells_of_memory
from docmill.domain.jobs import Failure, LegOutcome
from docmill.engine.answers import AnswerTooLarge
from docmill.engine.ledger import Ledger
from docmill.engine.pools import Done
from docmill.engine.sound import is_sound
from docmill.engine.work import Work
from docmill.engine.worker_process import WorkerDied, ending
from docmill.errors import (
    DefinitionError,
    DocumentError,
    DocumentTimeout,
    FileTooLarge,
    MissingError,
    OutOfMemory,
    ProcessingError,
    WorkerCrashed,
)
from docmill.stores.state.database import Transaction

MOST_CRASHES = 3


def outcome_of(work: Work, done: Done, ledger: Ledger) -> LegOutcome | None:
    """The worker's answer, or what stands for it; None where the worker died and the document has tries left.

    Raises what is no document's fault: the disk, the model or a plug-in is gone.
    """
    try:
        [outcome] = done.future.result()
        if not is_sound(outcome, work):
            raise TypeError("it is no answer about this document")
        return outcome  # type: ignore[no-any-return] # is_sound has looked
    except TimeoutError:
        failure: DocumentError = DocumentTimeout(
            f"it took longer than {work.pipeline.leg_timeout_s:.0f} s", hint="raise timeout_s in the workflow"
        )
    except (MissingError, DefinitionError):
        raise
    except WorkerDied as error:
        if error.exitcode == -signal.SIGXCPU:
            failure = DocumentTimeout("it used up the processor time of a document", hint="raise DOCMILL_WORKER_CPU_S")
            return _ended(work, failure)
        work.crashes += 1
        crashes, run = work.crashes, work.run_id
        ledger.after(lambda tx: _count_crashes(tx, run, crashes))
        died = f"{work.uri}: its worker died"
        words = error.words or None
        ledger.log(
            work,
            "warning",
            died,
            exit_code=error.exitcode,
            last_words=words,
            starved=error.starved,
            crashes=crashes,
        )
        if crashes < MOST_CRASHES:
            return None
        failure = _of_deaths(error, crashes)
    except AnswerTooLarge as error:
        failure = FileTooLarge(f"its passages are too many: {error}", hint="lower parse.max_characters")
    except Exception as error:  # noqa: BLE001 - an answer that could not be sent is this document's outcome
        failure = ProcessingError(f"its worker could not answer: {type(error).__name__}: {str(error)[:300]}")
    return _ended(work, failure)


def _ended(work: Work, error: DocumentError) -> LegOutcome:
    """What stands for an answer that never came. The step is the one that was begun: more is not known."""
    return LegOutcome("", (), failure=Failure.of(work.pipeline.leg[0].name, error), failed_at=now())


def _of_deaths(last: WorkerDied, deaths: int) -> DocumentError:
    """Of a document that takes workers down, also alone: why, as far as it shows."""
    said = f": {last.words}" if last.words else ""
    if last.starved:
        return OutOfMemory(
            f"the machine ran out of memory and ended its worker, {deaths} times", hint="give the machine more memory"
        )
    if last.exitcode < 0 and tells_of_memory(last.words):
        return OutOfMemory(f"its worker ran out of memory and ended{said}", hint="raise DOCMILL_WORKER_MEMORY_BYTES")
    return WorkerCrashed(f"it took {deaths} workers down ({ending(last.exitcode)}){said}")


def _count_crashes(tx: Transaction, run_id: int, crashes: int) -> None:
    tx.run("UPDATE run SET crashes = ? WHERE id = ?", [crashes, run_id])
