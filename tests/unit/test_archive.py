"""A backup file: what goes in comes out, other programs can read it, and what is not of docmill's making is refused."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from docmill.errors import StorageError
from docmill.stores import archive
from docmill.stores.archive import HEADER, SUMS, Header

KEY = "ab" * 32
FILES = {
    "state.db": b"state" * 1000,
    f"artifacts/ab/{KEY}": b"",
    f"downloads/ab/{KEY}.odd\\name\n.txt": b"x" * 512,
    "lancedb/default/chunks.lance/data/1.lance": b"\0" * 3_000_000,
    f"lancedb/{'long' * 20}/documents.lance/_indices/{'uuid' * 9}/part_0_tokens.lance": b"words",
    "workflows/mine.yaml": b"id: mine\n",
}


def header(**more: object) -> Header:
    given = {
        "docmill": "0.1.0",
        "schema_version": 4,
        "created_at": "2026-01-31T12:00:00.000Z",
        "home": "/h",
        "files": len(FILES),
        "content_bytes": sum(map(len, FILES.values())),
        "batches": 1,
        "documents": 2,
        "databases": {"default": {"documents": 2, "chunks": 3}},
        "with_cache": False,
        "findings": [],
    }
    return Header.model_validate({**given, **more})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in FILES.items():
        path = tmp_path / "home" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "home"


@pytest.fixture
def backup(folder: Path, tmp_path: Path) -> Path:
    archive.write(folder, header(), tmp_path / "b.tar.zst")
    return tmp_path / "b.tar.zst"


def plain(path: Path) -> bytes:
    return pa.CompressedInputStream(str(path), "zstd").read()


def packed(path: Path, data: bytes) -> Path:
    with pa.OSFile(str(path), "wb") as raw, pa.CompressedOutputStream(raw, "zstd") as stream:
        stream.write(data)
    return path


def made(path: Path, members: list[tuple[tarfile.TarInfo | str, bytes]], said: Header | None = None) -> Path:
    """A backup by Python's tarfile, with sums that fit."""
    begin = json.dumps((said or header()).model_dump()).encode()
    whole: list[tuple[tarfile.TarInfo | str, bytes]] = [(HEADER, begin), *members]
    sums = b""
    for info, data in whole:
        name = info if isinstance(info, str) else info.name
        sums += f"{hashlib.sha256(data).hexdigest()}  {name}\n".encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for info, data in [*whole, (SUMS, sums)]:
            member = tarfile.TarInfo(info) if isinstance(info, str) else info
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return packed(path, buffer.getvalue())


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_what_goes_in_comes_out(backup: Path, folder: Path, tmp_path: Path) -> None:
    into = tmp_path / "out"
    into.mkdir()
    assert archive.unpack(backup, into) == archive.unpack(backup, None) == archive.header_of(backup) == header()
    assert {name: path.read_bytes() for name, path in archive.files_of(into)} == FILES
    assert all(path.stat().st_mode & 0o777 == 0o600 for _name, path in archive.files_of(into))
    times = [[int(path.stat().st_mtime) for _name, path in archive.files_of(each)] for each in (into, folder)]
    assert times[0] == times[1]


def test_other_programs_read_it(backup: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(plain(backup))) as tar:
        content = {each.name: tar.extractfile(each).read() for each in tar}  # type: ignore[union-attr] # all are files
    sums = content.pop(SUMS).decode()
    assert list(content) == [HEADER, *sorted(FILES)]
    for name, data in content.items():
        escaped = name.replace("\\", "\\\\").replace("\n", "\\n")
        mark = "" if escaped == name else "\\"
        assert f"{mark}{hashlib.sha256(data).hexdigest()}  {escaped}\n" in sums


def test_files_beyond_8_gib_have_a_size_that_tar_reads() -> None:
    size = 9 * 1024**3
    name = f"lancedb/{'long' * 20}/chunks.lance/data/{'x' * 50}.lance"
    member = tarfile.TarInfo.frombuf(archive._block(name, size, 0), "utf-8", "surrogateescape")
    assert (member.name, member.size) == (name, size)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("../outside", b"x"),
        ("/etc/cron.d/x", b"x"),
        ("lancedb/../../x/chunks.lance/data/y", b"x"),
        ("lancedb/default/chunks.lance/../../../../x", b"x"),
        ("lancedb/.hidden/chunks.lance/x", b"x"),
        ("engine.lock", b"x"),
        ("workflows/../state.db", b"x"),
        ("artifacts/ab/short", b"x"),
        (special("lancedb/default/chunks.lance/data/x", tarfile.SYMTYPE, "/etc/passwd"), b""),
        (special("state.db", tarfile.LNKTYPE, "/etc/passwd"), b""),
        (special("cache.db", tarfile.FIFOTYPE), b""),
        (special("cache.db", tarfile.CHRTYPE), b""),
        (special("workflows", tarfile.DIRTYPE), b""),
        (f"workflows/{'x' * 200_000}.yaml", b"x"),  # as an extension that tarfile would read into memory
    ],
    ids=lambda each: (each if isinstance(each, str) else getattr(each, "name", ""))[:40],
)
def test_nothing_but_the_files_of_a_home(name: tarfile.TarInfo | str, data: bytes, tmp_path: Path) -> None:
    into = tmp_path / "into" / "home"
    into.mkdir(parents=True)
    hostile = made(tmp_path / "b", [("state.db", b"x"), (name, data)], header(files=2))
    with pytest.raises(StorageError, match="is no whole backup"):
        archive.unpack(hostile, into)
    assert {path.relative_to(into).as_posix() for path in into.rglob("*")} <= {"state.db"}
    assert list(into.parent.iterdir()) == [into]


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([("state.db", b"xx")], header(files=1, content_bytes=1)),
        ([("state.db", b"x"), ("cache.db", b"")], header(files=1)),
        ([("state.db", b"x"), ("state.db", b"x")], header(files=2)),
        ([("state.db", b"x")], header(files=2)),
    ],
    ids=["more bytes", "more files", "twice", "fewer files"],
)
def test_nothing_but_what_was_announced(members: list[tuple[str, bytes]], said: Header, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="is no whole backup"):
        archive.unpack(made(tmp_path / "b", list(members), said), None)


def test_every_byte_counts(backup: Path, tmp_path: Path) -> None:
    data = plain(backup)
    at = data.index(b"state" * 10)
    with pytest.raises(StorageError, match=r"state\.db is damaged"):
        archive.unpack(packed(tmp_path / "c", data[:at] + b"S" + data[at + 1 :]), None)
    with pytest.raises(StorageError, match="its end is missing"):
        archive.unpack(packed(tmp_path / "c", data[: len(data) // 2]), None)
    with pytest.raises(StorageError, match="its sums are missing"):
        archive.unpack(packed(tmp_path / "c", data[: data.rindex(SUMS.encode())] + bytes(1024)), None)
    short = tmp_path / "short"
    short.write_bytes(backup.read_bytes()[:-9])
    with pytest.raises(StorageError, match="is no whole backup"):
        archive.unpack(short, None)


@pytest.mark.parametrize("data", [b"", b"no such thing", b"\x28\xb5\x2f\xfd" + b"\0" * 100])
def test_what_is_no_backup(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    for read in (archive.header_of, lambda given: archive.unpack(given, None)):
        with pytest.raises(StorageError, match="is no whole backup"):
            read(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda said: said.pop("files"),
        lambda said: said.update(files=-1),
        lambda said: said.update(files="1"),
        lambda said: said.update(databases={"x": {"chunks": "many"}}),
        lambda said: said.update(surprise=1),
    ],
)
def test_a_description_that_makes_no_sense(change: Callable[[dict[str, object]], object], tmp_path: Path) -> None:
    said = header().model_dump()
    change(said)
    data = json.dumps(said).encode()
    with pytest.raises(StorageError, match="description"):
        archive.header_of(packed(tmp_path / "x", archive._block(HEADER, len(data), 0) + data + bytes(-len(data) % 512)))


def test_another_format_is_told_from_damage(tmp_path: Path) -> None:
    data = json.dumps({"format": 2, "anything": "else"}).encode()
    path = packed(tmp_path / "x", archive._block(HEADER, len(data), 0) + data + bytes(-len(data) % 512))
    with pytest.raises(StorageError, match="is a backup of format 2; this docmill knows 1"):
        archive.header_of(path)
