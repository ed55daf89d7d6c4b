"""Takes secrets out of text that is told, logged or shown: passwords and keys in addresses, tokens in headers. Pure.

docmill itself takes secrets from files and the environment only, and writes them nowhere. This is for what a person
has put into an address or onto a command line all the same, and for what commands print.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote_plus

HIDDEN = "***"
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,20}://[^\s\"'<>`]+")
_USER = re.compile(r"(?<=://)[^/?#]*@")
_VALUE = re.compile(r"([?&;#])([^=&;#?]{1,100})=([^&;#]+)")
_ASSIGNED = re.compile(r"(?<![-\w?&;#])([-\w]{1,60})=([^\s,;&'\"]+)")
_HEADER = re.compile(
    r"\b((?:Proxy-)?Authorization|(?:Set-)?Cookie|X-[-\w]*(?:Key|Token|Secret))(\s*:\s*)[^\r\n'\"]+", re.I
)
_BEARER = re.compile(r"\b(Bearer\s+)[A-Za-z0-9._~+/-]{8,}=*", re.I)
_SECRET_NAME = re.compile(
    r"token(?!s)|secret|passw|passphrase|\bpwd\b|signature|\bsig\b|credential|\bauth(?!or)|session|\bjwt\b"
    r"|api\W?key|access\W?key|private\W?key|\bkey\b",
    re.I,
)
_POINTER = re.compile(r"(?:env|file|files|id)\b")  # a name such as token_env says where a secret is, and is none


def redacted(text: str) -> str:
    """The text without user names, passwords and keys of addresses, and without values whose names say secret."""
    if "://" in text:
        text = _ADDRESS.sub(lambda found: _without_secrets(found[0]), text)
    if "=" in text:
        text = _ASSIGNED.sub(lambda found: f"{found[1]}={HIDDEN}" if _is_secret(found[1]) else found[0], text)
    if ":" in text:
        text = _HEADER.sub(rf"\1\2{HIDDEN}", text)
    return _BEARER.sub(rf"\1{HIDDEN}", text)


def redacted_values(value: Any) -> Any:
    """JSON with all of its text redacted."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, dict):
        return {key: redacted_values(each) for key, each in value.items()}
    return [redacted_values(each) for each in value] if isinstance(value, list | tuple) else value


def command_line(arguments: Sequence[str]) -> str:
    """How a process was called, for others to see, in UTF-8 and of bounded length."""
    return redacted(" ".join(arguments))[:500].encode("utf-8", "replace").decode()


def redacted_address(address: str) -> str:
    """One address; what is none, such as a path, is left alone."""
    return _without_secrets(address) if _ADDRESS.match(address) else address


def _without_secrets(address: str) -> str:
    hidden = _USER.sub(f"{HIDDEN}@", address, count=1)
    return _VALUE.sub(lambda found: _hidden_value(found), hidden)


def _hidden_value(found: re.Match[str]) -> str:
    secret = found[2].lower() == "key" or _is_secret(found[2])
    return f"{found[1]}{found[2]}={HIDDEN}" if secret else found[0]


def _is_secret(name: str) -> bool:
    if name.lower() == "key":  # as in KEY=VALUE; in an address it is one
        return False
    words = re.sub(r"[_.-]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", unquote_plus(name)))
    return _SECRET_NAME.search(words) is not None and _POINTER.search(words.lower()) is None
