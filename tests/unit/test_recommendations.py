"""Each rule fires from its threshold on, says the figure that it follows from, and is silent below."""

from __future__ import annotations

from dataclasses import replace

import pytest

from docmill.domain import recommendations
from docmill.domain.recommendations import RULES, Facts, recommend

PDF = ("pdf", ".pdf")
FP32 = {"embed": {"quantization": "fp32"}}
CHUNKS = {"chunk": {"size": 220}}
EMBEDDING = Facts(run_seconds=400.0, embedding_seconds=380.0, params=FP32)
SLOW = Facts(read_documents=100, reading_seconds=50.0, slowest_seconds=(9.0, 7.0, 1.0))
COPIES = Facts(documents=100, copies=5, copied_bytes=9)
SHORT = Facts(passages=1000, short_passages=250, params=CHUNKS)
AGAIN = Facts(again=20, chunks_total=100, chunks_embedded=100)

FIRES = [
    ("scans_without_text", Facts(degraded={"PAGES_WITHOUT_TEXT": 12}), "12 documents have pages", "parse.ocr=auto"),
    ("scans_without_text", Facts(failures={("EMPTY_DOCUMENT", *PDF): 1}), "1 document has pages", "parse.ocr=auto"),
    ("locked_documents", Facts(failures={("ENCRYPTED_FILE", *PDF): 2}), "2 PDFs", "--password-file FILE"),
    (
        "locked_documents",
        Facts(failures={("ENCRYPTED_FILE", *PDF): 1}, params={"parse": {"password_file": "/etc/pw"}}),
        "none of those given",
        "/etc/pw",
    ),
    ("limits_reached", Facts(degraded={"ROWS_LEFT_OUT": 1, "PAGES_LEFT_OUT": 3}), "3 documents", "parse.max_pages"),
    (
        "quarantined_documents",
        Facts(batch="4", failures={("OUT_OF_MEMORY", *PDF): 2, ("TIMEOUT", *PDF): 1}),
        "3 documents took down a worker or its limits (2 OUT_OF_MEMORY, 1 TIMEOUT)",
        "quarantine list --batch 4",
    ),
    ("may_pass_by_itself", Facts(batch="4", failed_for_now=2), "2 documents", "docmill retry 4 --all-failed"),
    (
        "unsupported_files",
        Facts(failures={("UNSUPPORTED_TYPE", "unknown", ".bin"): 3, ("UNSUPPORTED_TYPE", "unknown", ".o"): 1}),
        "3 files of the kind .bin",
        "--exclude '*.bin'",
    ),
    ("identical_copies", COPIES, "5 of 100 documents (5%)", "--exclude"),
    ("few_slow_documents", SLOW, "2 documents of 100 took 32% of the time of reading (16 of 50 s)", "max_seconds"),
    ("short_passages", SHORT, "25% of the passages hold less than an eighth of chunk.size (220", "chunk.size=N"),
    ("slow_embedding", EMBEDDING, "95% of the run (380 of 400 s)", "embed.quantization=int8"),
    ("nothing_reused", AGAIN, "20 documents had been done before, and yet none of 100 passages", "docmill plan"),
]
SILENT = [
    ("scans_without_text", Facts(degraded={"PAGE_FAILED": 12}, failures={("EMPTY_DOCUMENT", "text", ".txt"): 4})),
    ("scans_without_text", Facts(degraded={"GARBLED_TEXT": 12}, params={"parse": {"ocr": "auto"}})),
    ("locked_documents", Facts(failures={("ENCRYPTED_FILE", "docx", ".docx"): 5})),
    ("limits_reached", Facts(degraded={"PAGES_WITHOUT_TEXT": 5})),
    ("quarantined_documents", Facts(failures={("CORRUPTED_FILE", *PDF): 5})),
    ("may_pass_by_itself", Facts(failures={("CORRUPTED_FILE", *PDF): 5})),
    ("unsupported_files", Facts(failures={("UNSUPPORTED_TYPE", "unknown", f".{each}"): 2 for each in "abc"})),
    ("identical_copies", replace(COPIES, copies=4)),
    ("identical_copies", replace(COPIES, documents=101)),
    ("few_slow_documents", replace(SLOW, slowest_seconds=(9.0, 5.9, 5.0))),
    ("few_slow_documents", replace(SLOW, reading_seconds=9.9)),
    ("few_slow_documents", replace(SLOW, read_documents=49)),
    ("short_passages", replace(SHORT, short_passages=249)),
    ("short_passages", replace(SHORT, passages=199, short_passages=199)),
    ("slow_embedding", replace(EMBEDDING, params={"embed": {"quantization": "int8"}})),
    ("slow_embedding", replace(EMBEDDING, embedding_seconds=319.0)),
    ("slow_embedding", replace(EMBEDDING, run_seconds=299.0)),
    ("nothing_reused", replace(AGAIN, again=19)),
    ("nothing_reused", replace(AGAIN, chunks_embedded=99)),
    ("nothing_reused", replace(AGAIN, chunks_total=0, chunks_embedded=0)),
]


@pytest.mark.parametrize(("rule", "facts", "message", "action"), FIRES)
def test_a_rule_fires_and_says_why(rule: str, facts: Facts, message: str, action: str) -> None:
    [found] = recommend(facts)
    assert found.rule == rule
    assert message in found.message
    assert action in found.action
    assert found.figures
    assert not found.message.endswith(".")


@pytest.mark.parametrize(("rule", "facts"), SILENT)
def test_a_rule_is_silent_below_its_threshold(rule: str, facts: Facts) -> None:
    assert getattr(recommendations, rule)(facts) is None


def test_every_rule_is_seen_both_ways_and_nothing_follows_from_nothing() -> None:
    names = {each.__name__ for each in RULES}
    assert {rule for rule, *_ in FIRES} == names == {rule for rule, _ in SILENT}
    assert recommend(Facts()) == []


def test_every_figure_is_in_the_facts() -> None:
    """A recommendation computes nothing that its reader could not look up."""
    [found] = recommend(SLOW)
    assert found.figures == {"documents": 2, "seconds": 16.0, "reading_seconds": 50.0}
