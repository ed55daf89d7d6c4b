"""Every outcome has words: what it means, and what to do about it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import docmill
from docmill import errors
from docmill.domain import outcomes
from docmill.domain.outcomes import REASONS, failures
from docmill.errors import DocumentError

SOURCES = sorted(Path(docmill.__file__).parent.rglob("*.py"))


def degrading_codes(source: str) -> Iterator[ast.expr | None]:
    """The code of each warning that degrades, as the source writes it: ``warn("CODE", …, degrades=True)``."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not any(each.arg == "degrades" for each in node.keywords):
            continue
        given = next(each.value for each in node.keywords if each.arg == "degrades")
        if not (isinstance(given, ast.Constant) and given.value is False):
            yield node.args[0] if node.args else None


def test_every_reason_that_degrades_a_document_is_in_the_table() -> None:
    codes = set()
    for path in SOURCES:
        for code in degrading_codes(path.read_text("utf-8")):
            assert isinstance(code, ast.Constant), f"{path}: a reason's code must be written out where it is given"
            codes.add(code.value)
    assert {"PAGE_FAILED", "ROWS_LEFT_OUT", "TIMEOUT"} <= codes
    assert codes <= set(REASONS), "name it in domain/outcomes.py"


@pytest.mark.parametrize("code", failures())
def test_every_failure_says_what_it_means_and_what_to_do(code: str) -> None:
    failure = failures()[code]
    assert failure.meaning
    assert failure.meaning[0].isupper()
    assert failure.meaning.endswith(".")
    assert failure.hint
    assert "meaning" in vars(failure), "a meaning of its own"
    assert "hint" in vars(failure), "a hint of its own"


def test_the_drawing_says_which_failures_are_permanent() -> None:
    permanent, _, transient = (errors.__doc__ or "").partition("transient:")
    for each in [*failures().values(), errors.ProcessingError]:
        if each is not DocumentError:
            assert each.__name__ in (permanent if each.permanent else transient), each.__name__


def test_a_better_hint_goes_over_the_usual_one() -> None:
    assert errors.EmptyDocument("no text").hint == failures()["EMPTY_DOCUMENT"].hint
    assert errors.EmptyDocument("no text", hint="read it by OCR").hint == "read it by OCR"


def test_a_plug_ins_own_codes_have_no_words_here() -> None:
    assert outcomes.reason_meaning("THEIR_OWN") is outcomes.reason_hint("THEIR_OWN") is None
