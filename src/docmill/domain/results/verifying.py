"""What ``verify`` found, and what its repair has done."""

from __future__ import annotations

from docmill.domain.results.shared import Result


class VerifyFinding(Result):
    """One kind of fault at one place. ``where``: a database, a source, or a file of the home.

    ``count`` of ``examples``' kind, of which a few are named. ``repair``: what ``--repair`` does about it, or has done;
    None where it can do nothing, and ``hint`` says who can. ``repaired``: None without ``--repair``.
    """

    code: str
    where: str
    message: str
    count: int
    examples: list[str]
    repair: str | None
    hint: str | None = None
    repaired: bool | None = None


class VerifyCounts(Result):
    """What was held against each other. ``documents_due``: they wait for a sync or a start, or one is at them: what
    lies of them in the databases was not compared.

    ``rows_compared``: passages held against the output that they were made of; of the others that is not kept any more.
    ``files_checked``: of the databases, by the checksums that they had when they were written.
    """

    sources: int = 0
    folder_files: int = 0
    documents: int = 0
    documents_due: int = 0
    artifacts: int = 0
    databases: int = 0
    files_checked: int = 0
    rows: int = 0
    rows_compared: int = 0
    cached_vectors: int = 0


class VerifyResult(Result):
    """``findings``: with ``--repair``, those before it; ``remaining``: those after it, without it the same ones.

    ``clean``: nothing remains. ``in_use``: an engine was at work meanwhile; what it had in its hands was passed over.
    ``set_aside``: folders and files that repair has moved out of the way, to be looked at or deleted.
    ``documents_stored``, ``chunks_embedded``: by repair.
    """

    home: str
    clean: bool
    repaired: bool
    quick: bool
    in_use: bool
    findings: list[VerifyFinding]
    remaining: list[VerifyFinding]
    checked: VerifyCounts
    set_aside: list[str]
    documents_stored: int = 0
    chunks_embedded: int = 0
    seconds: float
    reason: str | None = None
