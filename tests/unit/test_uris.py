from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from docmill.domain import uris


@given(st.binary(max_size=60).filter(lambda name: b"\0" not in name))
def test_any_path_comes_back(name: bytes) -> None:
    path = os.fsdecode(name)
    uri = uris.encode(path)
    uri.encode("utf-8")
    assert uris.decode(uri) == path


@given(st.lists(st.binary(min_size=1, max_size=8), min_size=2, max_size=6, unique=True))
def test_two_paths_never_share_a_uri(names: list[bytes]) -> None:
    assert len({uris.encode(os.fsdecode(name)) for name in names}) == len(names)


def test_ordinary_names_stay_as_they_are() -> None:
    for name in ("Straße 😀/100% cotton.md", "a%zz", "50%"):
        assert uris.encode(name) == name
    assert uris.encode("a%41") == "a%2541"
    assert uris.encode(os.fsdecode(b"caf\xe9.txt")) == "caf%E9.txt"
