"""What a batch's figures suggest doing: a rule each, which fires from a threshold on and says why. Pure.

A rule gives a recommendation or nothing. It never guesses: whatever it says is one of the figures, or known of the code
that it names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from docmill.domain.outcomes import QUARANTINED, reason_hint
from docmill.domain.results.summarizing import Recommendation

OCR_TYPES = ("pdf",)
SCANNED = ("PAGES_WITHOUT_TEXT", "GARBLED_TEXT")
LIMITS = ("PAGES_LEFT_OUT", "TEXT_TRUNCATED", "FILE_TRUNCATED", "ROWS_LEFT_OUT", "MEMBERS_LEFT_OUT")
LEAST_UNSUPPORTED = 3  # files of one suffix
LEAST_COPIES, COPIES_SHARE = 5, 0.05
SLOW_SHARE, SLOW_DOCUMENTS_SHARE, LEAST_READING_S, LEAST_READ = 0.3, 0.02, 10.0, 50
SHORT_PART, SHORT_SHARE, LEAST_PASSAGES = 8, 0.25, 200  # of chunk.size; of the passages; passages in all
LEAST_EMBEDDING_S, EMBEDDING_SHARE = 300.0, 0.8
LEAST_AGAIN = 20


@dataclass(frozen=True, slots=True)
class Facts:
    """The figures that rules look at. Seconds and bytes; shares from 0 to 1.

    failures:        failed documents by code, type and suffix.
    degraded:        documents by the reason why they are degraded.
    failed_for_now:  failed ones whose failure may pass by itself.
    slowest_seconds: reading times of the slowest documents, longest first.
    short_passages:  passages under an eighth of ``chunk_size`` in documents that have more than one.
    again:           documents of the run that an earlier run had completed.
    params:          what the run's steps were given, by step type.
    """

    batch: str = ""
    documents: int = 0
    failures: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    degraded: Mapping[str, int] = field(default_factory=dict)
    failed_for_now: int = 0
    copies: int = 0
    copied_bytes: int = 0
    read_documents: int = 0
    reading_seconds: float = 0.0
    slowest_seconds: tuple[float, ...] = ()
    passages: int = 0
    short_passages: int = 0
    run_seconds: float = 0.0
    embedding_seconds: float = 0.0
    chunks_total: int = 0
    chunks_embedded: int = 0
    again: int = 0
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def param(self, step: str, name: str) -> Any:
        return self.params.get(step, {}).get(name)

    def failed(self, *codes: str, types: tuple[str, ...] = ()) -> int:
        return sum(
            n for (code, type_, _), n in self.failures.items() if code in codes and (not types or type_ in types)
        )


Rule = Callable[[Facts], Recommendation | None]


def recommend(facts: Facts) -> list[Recommendation]:
    """All that follows, in the order of the rules: what is missing in the index first, what only costs time last."""
    return [found for rule in RULES if (found := rule(facts)) is not None]


def scans_without_text(facts: Facts) -> Recommendation | None:
    degraded = max((facts.degraded.get(code, 0) for code in SCANNED), default=0)
    empty = facts.failed("EMPTY_DOCUMENT", types=OCR_TYPES)
    if not degraded + empty or facts.param("parse", "ocr") not in (None, "off"):
        return None
    return Recommendation(
        rule="scans_without_text",
        type="quality",
        message=f"{_documents(degraded + empty)} {_have(degraded + empty)} pages without readable text, as scans do",
        action="read them by OCR: --set parse.ocr=auto",
        figures={"degraded_documents": degraded, "empty_documents": empty},
    )


def locked_documents(facts: Facts) -> Recommendation | None:
    locked = facts.failed("ENCRYPTED_FILE", types=("pdf",))
    if not locked:
        return None
    given = facts.param("parse", "password_file")
    return Recommendation(
        rule="locked_documents",
        type="quality",
        message=f"a password protects {_documents(locked, 'PDF')}"
        + (", and none of those given opens it" if given else ""),
        action=f"add theirs to {given}" if given else "name a file of passwords, one a line: --password-file FILE",
        figures={"locked_documents": locked},
    )


def limits_reached(facts: Facts) -> Recommendation | None:
    reached = Counter({code: facts.degraded[code] for code in LIMITS if facts.degraded.get(code)})
    if not reached:
        return None
    [(code, most)] = reached.most_common(1)
    return Recommendation(
        rule="limits_reached",
        type="quality",
        message=f"a limit cut {_documents(most)} short ({code}), and what lies beyond it is not found",
        action=reason_hint(code) or "raise the limit that its warning names",
        figures={"documents": most},
    )


def quarantined_documents(facts: Facts) -> Recommendation | None:
    held = {code: number for code in QUARANTINED if (number := facts.failed(code))}
    if not held:
        return None
    said = ", ".join(f"{number:,} {code}" for code, number in held.items())
    return Recommendation(
        rule="quarantined_documents",
        type="quality",
        message=f"{_documents(sum(held.values()))} took down a worker or its limits ({said})",
        action=f"docmill quarantine list --batch {facts.batch}, and give them more or leave them out",
        figures={code.lower(): number for code, number in held.items()},
    )


def may_pass_by_itself(facts: Facts) -> Recommendation | None:
    if not facts.failed_for_now:
        return None
    return Recommendation(
        rule="may_pass_by_itself",
        type="quality",
        message=f"{_documents(facts.failed_for_now)} failed by something that may have passed",
        action=f"docmill retry {facts.batch} --all-failed",
        figures={"failed_documents": facts.failed_for_now},
    )


def unsupported_files(facts: Facts) -> Recommendation | None:
    by_suffix: Counter[str] = Counter()
    for (code, _, suffix), number in facts.failures.items():
        if code == "UNSUPPORTED_TYPE" and suffix:
            by_suffix[suffix] += number
    [(suffix, number)] = by_suffix.most_common(1) or [("", 0)]
    if number < LEAST_UNSUPPORTED:
        return None
    return Recommendation(
        rule="unsupported_files",
        type="optimization",
        message=f"{_documents(number, 'file')} of the kind {suffix} cannot be read by any parser",
        action=f"leave them out: --exclude '*{suffix}'",
        figures={"files": number},
    )


def identical_copies(facts: Facts) -> Recommendation | None:
    if facts.copies < max(LEAST_COPIES, COPIES_SHARE * facts.documents):
        return None
    share = facts.copies / facts.documents
    return Recommendation(
        rule="identical_copies",
        type="optimization",
        message=f"{facts.copies:,} of {_documents(facts.documents)} ({share:.0%}) are copies of others, byte for byte,"
        " and are found beside them",
        action="leave the folders of copies out with --exclude; they cost no embedding, but places among the hits",
        figures={"copies": facts.copies, "documents": facts.documents, "bytes": facts.copied_bytes},
    )


def few_slow_documents(facts: Facts) -> Recommendation | None:
    if facts.read_documents < LEAST_READ or facts.reading_seconds < LEAST_READING_S:
        return None
    few = facts.slowest_seconds[: max(1, int(SLOW_DOCUMENTS_SHARE * facts.read_documents))]
    spent = sum(few)
    share = spent / facts.reading_seconds
    if share < SLOW_SHARE:
        return None
    return Recommendation(
        rule="few_slow_documents",
        type="optimization",
        message=f"{_documents(len(few))} of {facts.read_documents:,} took {share:.0%} of the time of reading"
        f" ({spent:,.0f} of {facts.reading_seconds:,.0f} s)",
        action="look at the slowest documents; bound each with --set parse.max_seconds=N, or leave them out",
        figures={"documents": len(few), "seconds": round(spent, 1), "reading_seconds": round(facts.reading_seconds, 1)},
    )


def short_passages(facts: Facts) -> Recommendation | None:
    if facts.passages < LEAST_PASSAGES or facts.short_passages < SHORT_SHARE * facts.passages:
        return None
    size = facts.param("chunk", "size")
    share = facts.short_passages / facts.passages
    return Recommendation(
        rule="short_passages",
        type="quality",
        message=f"{share:.0%} of the passages hold less than an eighth of chunk.size ({size} tokens): too little to be"
        " found by their meaning",
        action="try a larger one: --set chunk.size=N; `docmill plan` says first what that would cost",
        figures={"short_passages": facts.short_passages, "passages": facts.passages},
    )


def slow_embedding(facts: Facts) -> Recommendation | None:
    exact = facts.param("embed", "quantization") == "fp32"
    if not exact or facts.run_seconds < LEAST_EMBEDDING_S:
        return None
    share = min(facts.embedding_seconds / facts.run_seconds, 1.0)
    if share < EMBEDDING_SHARE:
        return None
    return Recommendation(
        rule="slow_embedding",
        type="optimization",
        message=f"the model was at work in {share:.0%} of the run ({facts.embedding_seconds:,.0f} of"
        f" {facts.run_seconds:,.0f} s)",
        action="--set embed.quantization=int8 --set store.database=NAME takes less than half, a little less exact",
        figures={"embedding_seconds": round(facts.embedding_seconds, 1), "run_seconds": round(facts.run_seconds, 1)},
    )


def nothing_reused(facts: Facts) -> Recommendation | None:
    if facts.again < LEAST_AGAIN or not facts.chunks_total or facts.chunks_embedded < facts.chunks_total:
        return None
    return Recommendation(
        rule="nothing_reused",
        type="optimization",
        message=f"{_documents(facts.again)} had been done before, and yet none of {facts.chunks_total:,} passages came"
        " from the cache",
        action="other values of chunk, or another model, make every passage new: `docmill plan --set …` tells",
        figures={"documents": facts.again, "chunks": facts.chunks_total, "reused": 0},
    )


RULES: tuple[Rule, ...] = (
    scans_without_text,
    locked_documents,
    limits_reached,
    quarantined_documents,
    may_pass_by_itself,
    unsupported_files,
    short_passages,
    identical_copies,
    few_slow_documents,
    slow_embedding,
    nothing_reused,
)


def _documents(number: int, noun: str = "document") -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _have(number: int) -> str:
    return "has" if number == 1 else "have"
