"""Mails: headers, which body is read, charsets that lie, attachments, and mails in mails."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path
from typing import IO

import pytest

from docmill import registry
from docmill.domain.contracts import LeftOut, SourceFile
from docmill.domain.documents import ParsedDocument
from docmill.domain.params import ParseParams
from docmill.errors import EncryptedFile
from documents import PARAGRAPH, TITLE, make_eml


class Recording:
    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def member(self, name: str, content: IO[bytes]) -> bool:
        if name.endswith(".zip"):
            raise LeftOut("no archives today")
        self.kept[name] = content.read()
        return True

    def asset(self, name: str, content: bytes) -> None:
        raise AssertionError("a mail has no assets")


def parse(path: Path, keeper: Recording | None = None, **params: int) -> ParsedDocument:
    file = SourceFile(path, "eml", path.stat().st_size, path.name, keeper=keeper or Recording())
    return registry.load("parsers", "eml").parse(file, ParseParams(**params))


def read(tmp_path: Path, raw: bytes, keeper: Recording | None = None) -> ParsedDocument:
    path = tmp_path / "a.eml"
    path.write_bytes(raw)
    return parse(path, keeper)


def body(document: ParsedDocument) -> list[str]:
    """All blocks but the subject and the headers."""
    texts = [document.text[block.start : block.end] for block in document.blocks]
    return [text for text in texts if text != document.title and not text.startswith("From: ")]


def test_headers_body_and_attachments(tmp_path: Path) -> None:
    keeper = Recording()
    document = parse(make_eml(tmp_path / "a.eml"), keeper)
    assert document.title == TITLE
    assert document.metadata == {
        "author": "Ada Joiner <ada@example.org>",
        "to": "Ben <ben@example.org>",
        "subject": TITLE,
        "created_at": "2024-01-31T08:30:00Z",
    }
    assert document.text.startswith(
        f"{TITLE}\n\nFrom: Ada Joiner <ada@example.org>\nTo: Ben <ben@example.org>\nDate: Wed"
    )
    assert body(document) == [PARAGRAPH, "Best wishes\nAda", "Attachments: oils.csv"]
    assert keeper.kept == {"oils.csv": b"Season,Oil,Hours\nSpring,Linseed,12\nAutumn,Tung,24\n"}
    assert not document.warnings


def test_plain_text_is_preferred_unless_it_says_nothing(tmp_path: Path) -> None:
    def build(message: EmailMessage, plain: str = "The plain one.") -> None:
        message.set_content(plain)
        message.add_alternative("<h2>The <b>rich</b> one</h2><script>x</script>", subtype="html")

    assert body(parse(make_eml(tmp_path / "a.eml", build))) == ["The plain one."]
    document = parse(make_eml(tmp_path / "a.eml", lambda message: build(message, " \n")))
    assert body(document) == ["The rich one"]
    assert document.blocks[-1].level == 2


def test_attachments_inside_the_alternative_that_is_not_read_are_taken(tmp_path: Path) -> None:
    """As Apple's mail program writes them: alternative [plain, mixed [html, file, html]]."""
    raw = (
        b"Subject: s\nContent-Type: multipart/alternative; boundary=A\n\n--A\n\nplain\n--A\n"
        b"Content-Type: multipart/mixed; boundary=B\n\n--B\nContent-Type: text/html\n\n<p>rich</p>\n"
        b"--B\nContent-Type: application/pdf; name=a.pdf\n\n%PDF\n--B--\n--A--\n"
    )
    keeper = Recording()
    assert body(read(tmp_path, raw, keeper)) == ["plain", "Attachments: a.pdf"]
    assert set(keeper.kept) == {"a.pdf"}


@pytest.mark.parametrize(
    ("header", "content", "shown", "code"),
    [
        ("text/plain; charset=iso-2022-jp", "日本語の手紙".encode("iso-2022-jp"), "日本語の手紙", None),
        ("text/plain; charset=koi8-r", "Привет".encode("koi8-r"), "Привет", None),
        ("text/plain; charset=us-ascii", "Grüße aus Wien, bis bald".encode(), "Grüße aus Wien, bis bald", None),
        ("text/plain; charset=nonsense", b"hello", "hello", None),
        (
            "text/plain; charset=utf-8",
            "Grüße aus Köln, schöne Tage noch für euch".encode("cp1252"),
            None,
            "DECODE_FALLBACK",
        ),
    ],
)
def test_charsets_are_used_and_lies_are_found_out(
    tmp_path: Path, header: str, content: bytes, shown: str | None, code: str | None
) -> None:
    document = read(tmp_path, b"Subject: s\nContent-Type: " + header.encode() + b"\n\n" + content)
    assert [warning.code for warning in document.warnings] == ([code] if code else [])
    assert shown is None or body(document) == [shown]
    assert "Gr\ufffd" not in document.text


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (b"=?utf-8?B?R3LDvMOfZQ==?= =?iso-8859-1?Q?_aus_K=F6ln?=", "Grüße aus Köln"),
        ("Grüße roh".encode(), "Grüße roh"),
        (b"=?nonsense?Q?abc?=", "abc"),
        (b"=?utf-8?B?!!!?=", "=?utf-8?B?!!!?="),
        (b"folded\n  over lines", "folded over lines"),
    ],
)
def test_subjects_are_decoded(tmp_path: Path, written: bytes, shown: str) -> None:
    assert read(tmp_path, b"Subject: " + written + b"\n\nx").title == shown


def test_a_mail_in_a_mail_becomes_a_member_called_after_its_subject(tmp_path: Path) -> None:
    inner = EmailMessage()
    inner["Subject"] = "Re: oil/wax"
    inner.set_content("inner text")

    def build(message: EmailMessage) -> None:
        message.set_content("outer text")
        message.add_attachment(inner)

    keeper = Recording()
    document = parse(make_eml(tmp_path / "a.eml", build), keeper)
    assert body(document) == ["outer text", "Attachments: Re: oil-wax.eml"]
    assert b"inner text" in keeper.kept["Re: oil-wax.eml"]


def test_attachments_without_a_name_get_one_and_refused_ones_are_told(tmp_path: Path) -> None:
    def build(message: EmailMessage) -> None:
        message.set_content("text")
        message.add_attachment(b"%PDF", maintype="application", subtype="pdf")
        message.add_attachment(b"PK", maintype="application", subtype="zip", filename="a.zip")

    keeper = Recording()
    document = parse(make_eml(tmp_path / "a.eml", build), keeper)
    assert set(keeper.kept) == {"attachment-1.pdf"}
    assert [(warning.code, warning.degrades) for warning in document.warnings] == [("MEMBERS_LEFT_OUT", True)]


@pytest.mark.parametrize(
    "kind", ["multipart/encrypted; boundary=x", "application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m"]
)
def test_encrypted_mails_are_told(tmp_path: Path, kind: str) -> None:
    with pytest.raises(EncryptedFile):
        read(tmp_path, f"Subject: s\nContent-Type: {kind}\n\n--x\n\nabc\n--x--\n".encode())


def test_a_binary_body_costs_that_body(tmp_path: Path) -> None:
    document = read(tmp_path, b"Subject: s\nContent-Transfer-Encoding: base64\n\nAAECAwQFBgcAAQIDBAU=\n")
    assert document.text == "s"
    assert [warning.code for warning in document.warnings] == ["DAMAGED_PART"]


def test_parts_beyond_the_limit_are_left_out(tmp_path: Path) -> None:
    def build(message: EmailMessage) -> None:
        message.set_content("text")
        for number in range(9):
            message.add_attachment(b"x", maintype="text", subtype="csv", filename=f"{number}.csv")

    keeper = Recording()
    document = parse(make_eml(tmp_path / "a.eml", build), keeper, max_entries=3)
    assert len(keeper.kept) == 3
    assert document.degraded


def test_nesting_and_headers_without_end_come_to_an_end(tmp_path: Path) -> None:
    nested = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (level, level) for level in range(300)
    )
    assert "deep" in read(tmp_path, b"Subject: s\n" + nested + b"\ndeep").text
    many = b"To: " + b"=?utf-8?Q?a?= <a@b>, " * 200_000 + b"\n\nbody"
    assert body(read(tmp_path, many))[-1] == "body"
