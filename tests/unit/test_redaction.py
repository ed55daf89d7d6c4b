"""Secrets do not get into what is told; and what is none stays as it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docmill.domain import payloads
from docmill.domain.redaction import command_line, redacted, redacted_address, redacted_values


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("see https://ada:s3cret@example.org/x?a=1 there", "see https://***@example.org/x?a=1 there"),
        ("https://ghp_abc@example.org/", "https://***@example.org/"),
        ("https://h/x?token=abc&page=2", "https://h/x?token=***&page=2"),
        ("https://h/x?page=2&X-Amz-Signature=ab%2Fc&X-Amz-Credential=q", "https://h/x?page=2&X-Amz-Signature=***"
         "&X-Amz-Credential=***"),
        ("https://h/x?sig=abc;key=d&api_key=e&apiKey=f", "https://h/x?sig=***;key=***&api_key=***&apiKey=***"),
        ("https://h/x#access_token=abc", "https://h/x#access_token=***"),
        ("https://h/?pass%77ord=abc", "https://h/?pass%77ord=***"),
        ("postgres://u:p@h/db", "postgres://***@h/db"),
        ("Authorization: Bearer abcdef123456", "Authorization: ***"),
        ("sent Bearer abcdef123456 along", "sent Bearer *** along"),
        ("X-Api-Key: abc", "X-Api-Key: ***"),
        ("--set x.password=abc PASSWORD=abc done", "--set x.password=*** PASSWORD=*** done"),
    ],
)  # fmt: skip
def test_secrets_are_hidden(text: str, told: str) -> None:
    assert redacted(text) == told
    assert redacted(told) == told


@pytest.mark.parametrize(
    "text",
    [
        "https://h/x?author=ada&keyword=oak&page=2&tokens=3",
        "--meta takes key=value, not 'x'",
        "--map takes KEY=COLUMN",
        "chunk.tokens=200",
        "token_env=HOOK_TOKEN secret_file=/run/secret",
        "the token is not in the variable HOOK_TOKEN",
        "the document is protected by a password: none of the 3 fits",
        "mail ada@example.org about it",
        "",
    ],
)
def test_all_else_stays(text: str) -> None:
    assert redacted(text) == text


@given(
    st.text(st.characters(exclude_categories=["Z", "C"], exclude_characters="\"'<>`@/?#&;="), min_size=6, max_size=30)
)
def test_no_password_of_an_address_survives(secret: str) -> None:
    text = f"failed: https://user:{secret}@example.org/a?x=1&access_token={secret}&y=2 (again)"
    assert redacted(text) == "failed: https://***@example.org/a?x=1&access_token=***&y=2 (again)"


@given(st.text(max_size=200))
def test_any_text_is_taken_and_is_told_the_same_twice(text: str) -> None:
    assert redacted(redacted(text)) == redacted(text)


def test_values_within_values() -> None:
    given = {"url": "https://h/?token=a", "list": ["https://u@h/", 3, None, {"x": "plain"}]}
    assert redacted_values(given) == {
        "url": "https://h/?token=***",
        "list": ["https://***@h/", 3, None, {"x": "plain"}],
    }


def test_a_path_is_no_address() -> None:
    assert redacted_address("notes/a?token=b.md") == "notes/a?token=b.md"
    assert redacted_address("https://h/a?token=b.md") == "https://h/a?token=***"


def test_command_lines_are_short_and_utf8() -> None:
    told = command_line(["docmill", "ingest", "https://u:p@h/?token=a", "\udcff", "x" * 1000])
    assert told.startswith("docmill ingest https://***@h/?token=*** ? xxx") and len(told) == 500


def test_handlers_are_told_no_secret_of_an_address() -> None:
    told = payloads.document("7", "https://h/a.pdf?token=b/c")
    assert told == {"document_id": "7", "uri": "https://h/a.pdf?token=***", "filename": "a.pdf?token=***"}
