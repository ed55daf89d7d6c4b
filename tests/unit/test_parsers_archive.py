"""Archives: members go to the keeper, names are only names, bombs and damage are bounded, and all is told."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from docmill import registry
from docmill.domain.contracts import LeftOut, SourceFile
from docmill.domain.deadline import Deadline
from docmill.domain.documents import ParsedDocument
from docmill.domain.params import ParseParams
from docmill.errors import CorruptedFile, DocumentTimeout, EmptyDocument, EncryptedFile
from docmill.stores.keeping import HomeKeeper
from documents import make_compressed, make_tar, make_zip

ZIP, TAR = "a.zip", "a.tar"
MEMBERS: dict[str, bytes] = {"notes/a.md": b"# A", "b.txt": b"B" * 5000, "c.png": b"\x89PNG"}


class Recording:
    """A keeper that holds what it is given; of kinds that nobody wants it takes nothing."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def member(self, name: str, content: IO[bytes]) -> bool:
        if name.endswith(".png"):
            return False
        self.kept[name] = b"".join(iter(lambda: content.read(1024), b""))
        return True

    def asset(self, name: str, content: bytes) -> None:
        raise AssertionError("an archive has no assets")


def parse(
    path: Path, kind: str, keeper: Recording | HomeKeeper | None = None, seconds: float | None = None, **params: int
) -> ParsedDocument:
    file = SourceFile(
        path, kind, path.stat().st_size, path.name, keeper=keeper or Recording(), deadline=Deadline(seconds)
    )
    return registry.load("parsers", "archive").parse(file, ParseParams(**params))


def codes(document: ParsedDocument) -> list[tuple[str, bool]]:
    return [(warning.code, warning.degrades) for warning in document.warnings]


def make(folder: Path, kind: str, members: dict[str, bytes]) -> Path:
    return make_zip(folder / ZIP, dict(members)) if kind == "zip" else make_tar(folder / TAR, members)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_members_go_to_the_keeper_and_their_names_are_the_text(tmp_path: Path, kind: str) -> None:
    keeper = Recording()
    document = parse(make(tmp_path, kind, MEMBERS), kind, keeper)
    assert keeper.kept == {"notes/a.md": MEMBERS["notes/a.md"], "b.txt": MEMBERS["b.txt"]}
    assert document.text == "- notes/a.md\n- b.txt\n- c.png"
    assert codes(document) == [("MEMBERS_IGNORED", False)]


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_a_compressed_tar_is_read_like_a_plain_one(tmp_path: Path, mode: str) -> None:
    keeper = Recording()
    parse(make_tar(tmp_path / "a.tgz", MEMBERS, mode=mode), "tar", keeper)
    assert set(keeper.kept) == {"notes/a.md", "b.txt"}


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
def test_a_single_compressed_file_holds_the_file_it_is_called_after(tmp_path: Path, kind: str) -> None:
    keeper = Recording()
    document = parse(make_compressed(tmp_path / f"x.log.{kind}", b"line\n"), kind, keeper)
    assert keeper.kept == {"x.log": b"line\n"}
    assert document.text == "- x.log"


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_the_home_keeps_members_under_names_that_lead_nowhere(tmp_path: Path, kind: str) -> None:
    members = {"../../etc/passwd.txt": b"one", "/abs.txt": b"two", "C:\\win.txt": b"three", "a.txt": b"four"}
    path = make(tmp_path, kind, members)
    keeper = HomeKeeper(tmp_path / "home", ParseParams(), size_bytes=path.stat().st_size, depth=0)
    parse(path, kind, keeper)
    assert [member.name for member in keeper.members] == ["etc/passwd.txt", "abs.txt", "win.txt", "a.txt"]
    assert not (tmp_path.parent / "etc").exists()


def test_links_devices_and_hidden_files_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / TAR
    with tarfile.open(path, "w") as archive:
        for name, kind in (("link.txt", tarfile.SYMTYPE), ("hard.txt", tarfile.LNKTYPE), ("null.txt", tarfile.CHRTYPE)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
        for name in (".git/config.txt", "real.txt"):
            entry = tarfile.TarInfo(name)
            entry.size = 1
            archive.addfile(entry, io.BytesIO(b"x"))
    keeper = Recording()
    document = parse(path, "tar", keeper)
    assert keeper.kept == {"real.txt": b"x"}
    assert document.warnings[0].message.startswith("4 of its entries")
    path = tmp_path / ZIP
    with zipfile.ZipFile(path, "w") as package:
        link = zipfile.ZipInfo("link.txt")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        package.writestr(link, "/etc/passwd")
        package.writestr("__MACOSX/._real.txt", "\0\5\26\7")
        package.writestr("real.txt", "x")
    keeper = Recording()
    parse(path, "zip", keeper)
    assert keeper.kept == {"real.txt": b"x"}


def test_names_in_utf8_without_the_flag_are_read(tmp_path: Path) -> None:
    path = make_zip(tmp_path / ZIP, {"XX.txt": "x"})
    path.write_bytes(path.read_bytes().replace(b"XX.txt", "é.txt".encode()))
    assert parse(path, "zip").text == "- é.txt"


def encrypt(path: Path, *names: str) -> Path:
    """Mark members as encrypted."""
    data = bytearray(path.read_bytes())
    for name in names:
        entry = data.rindex(name.encode()) - 46
        assert data[entry : entry + 4] == b"PK\x01\x02"
        data[entry + 8] |= 1
    path.write_bytes(bytes(data))
    return path


def test_encrypted_members_are_left_out_and_a_wholly_encrypted_zip_is_told(tmp_path: Path) -> None:
    path = encrypt(make_zip(tmp_path / ZIP, {"a.txt": "a", "b.txt": "b"}), "b.txt")
    keeper = Recording()
    document = parse(path, "zip", keeper)
    assert keeper.kept == {"a.txt": b"a"}
    assert codes(document) == [("MEMBERS_LEFT_OUT", True)]
    assert "1 of its files are left out (b.txt: it is encrypted)" in document.warnings[0].message
    with pytest.raises(EncryptedFile):
        parse(encrypt(path, "a.txt"), "zip")


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_no_files_are_no_text(tmp_path: Path, kind: str) -> None:
    with pytest.raises(EmptyDocument):
        parse(make(tmp_path, kind, {}), kind)


class Refusing(Recording):
    def member(self, name: str, content: IO[bytes]) -> bool:
        raise LeftOut("it is too large")


def test_what_the_keeper_refuses_is_named_with_its_reason(tmp_path: Path) -> None:
    document = parse(make_zip(tmp_path / ZIP, {f"{number}.txt": "x" for number in range(5)}), "zip", Refusing())
    (warning,) = document.warnings
    assert (warning.code, warning.degrades) == ("MEMBERS_LEFT_OUT", True)
    assert warning.message.startswith("5 of its files are left out (0.txt: it is too large; 1.txt: it is too large; ")
    assert warning.message.endswith("and 2 more)")


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_entries_beyond_the_limit_are_not_looked_at(tmp_path: Path, kind: str) -> None:
    keeper = Recording()
    document = parse(make(tmp_path, kind, {f"{number}.txt": b"x" for number in range(9)}), kind, keeper, max_entries=4)
    assert len(keeper.kept) == 4
    assert "max_entries" in document.warnings[0].message
    assert not parse(tmp_path / (ZIP if kind == "zip" else TAR), kind, max_entries=9).warnings


BOMB = 70 * 1024**2


@pytest.mark.parametrize("kind", ["zip", "tar", "gz"])
def test_a_bomb_is_left_out(tmp_path: Path, kind: str) -> None:
    """70 MiB of zeros are more than 200 times the file, and more than the 64 MiB from which that counts."""
    content = bytes(BOMB)
    if kind == "zip":
        path = make_zip(tmp_path / ZIP, {"first.txt": "x", "bomb.txt": content})
    elif kind == "tar":
        path = make_tar(tmp_path / "a.tgz", {"first.txt": b"x", "bomb.txt": content, "last.txt": b"y"}, mode="w:gz")
    else:
        path = make_compressed(tmp_path / "bomb.txt.gz", content)
    keeper = HomeKeeper(tmp_path / "home", ParseParams(), size_bytes=path.stat().st_size, depth=0)
    document = parse(path, kind, keeper)
    assert ("MEMBERS_LEFT_OUT", True) in codes(document)
    assert [member.name for member in keeper.members] == ([] if kind == "gz" else ["first.txt"])


def test_a_bomb_of_a_kind_that_nobody_reads_ends_too(tmp_path: Path) -> None:
    """To pass over a member of a compressed tar, it has to be unpacked."""
    path = make_tar(tmp_path / "a.tgz", {"first.txt": b"x", "bomb.png": bytes(BOMB), "last.txt": b"y"}, mode="w:gz")
    keeper = Recording()
    document = parse(path, "tar", keeper)
    assert set(keeper.kept) == {"first.txt"}
    assert "max_expansion_ratio" in " ".join(warning.message for warning in document.warnings)


def test_a_header_of_gigabytes_is_refused(tmp_path: Path) -> None:
    entry = tarfile.TarInfo("x")
    entry.type, entry.size = tarfile.XHDTYPE, 2**31
    path = tmp_path / TAR
    make_tar(path, {"a.txt": b"a"})
    path.write_bytes(path.read_bytes()[:1024] + entry.tobuf(tarfile.USTAR_FORMAT) + bytes(10_000))
    document = parse(path, "tar")
    assert document.text == "- a.txt"
    assert codes(document) == [("DAMAGED_PART", True)]


CUTS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("tar", lambda data: data[:2000]),
    ("tar", lambda data: gzip.compress(data, mtime=0)[:-40]),
]


@pytest.mark.parametrize(("kind", "cut"), CUTS, ids=["plain", "compressed"])
def test_what_came_before_the_damage_is_kept(tmp_path: Path, kind: str, cut: Callable[[bytes], bytes]) -> None:
    path = make_tar(tmp_path / TAR, {"a.txt": b"A", "b.txt": bytes(range(256)) * 100})
    path.write_bytes(cut(path.read_bytes()))
    keeper = Recording()
    document = parse(path, kind, keeper)
    assert keeper.kept == {"a.txt": b"A"}
    assert codes(document) == [("DAMAGED_PART", True)]


def test_a_damaged_member_of_a_zip_costs_that_member(tmp_path: Path) -> None:
    path = tmp_path / ZIP
    with zipfile.ZipFile(path, "w") as package:
        package.writestr("a.txt", "first content")
        package.writestr("b.txt", "second content")
        package.writestr("c.txt", "third content")
    path.write_bytes(path.read_bytes().replace(b"second content", b"SECOND content"))
    keeper = Recording()
    document = parse(path, "zip", keeper)
    assert set(keeper.kept) == {"a.txt", "c.txt"}
    assert codes(document) == [("DAMAGED_PART", True)]
    assert "b.txt" in document.warnings[0].message


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
def test_a_single_file_that_breaks_off_is_corrupted(tmp_path: Path, kind: str) -> None:
    path = make_compressed(tmp_path / f"x.txt.{kind}", bytes(range(256)) * 100)
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(CorruptedFile, match="damaged"):
        parse(path, kind)


class Full(Recording):
    def member(self, name: str, content: IO[bytes]) -> bool:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_full_disk_is_not_the_archives_fault(tmp_path: Path, kind: str) -> None:
    with pytest.raises(OSError, match="No space"):
        parse(make(tmp_path, kind, MEMBERS), kind, Full())


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_time_that_is_up_before_anything_was_read_is_told(tmp_path: Path, kind: str) -> None:
    with pytest.raises(DocumentTimeout):
        parse(make(tmp_path, kind, MEMBERS), kind, seconds=1e-9)
