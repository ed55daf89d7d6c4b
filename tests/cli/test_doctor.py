"""``doctor``: what it says of installations, machines and homes that are not as they should be."""

from __future__ import annotations

import resource
import shutil
import sqlite3
import subprocess
from contextlib import closing
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from docmill.domain.results import Check
from docmill.errors import StorageError
from docmill.service.doctor import homes, installation, machine, models
from docmill.settings import Settings
from docmill.stores import filesystem, schema_version

CHECKS = [
    *("python", "docmill", "libraries", "extras", "sqlite", "settings", "variables", "encoding", "cores", "memory"),
    *("open_files", "inotify", "temporary_folder", "clock", "sandbox", "model", "model_cache"),
]
OF_HOMES = ["home", "file_system", "disk", "engine", "state", "times", "sources", "databases", "database_models"]


@pytest.fixture(autouse=True)
def _no_sandbox(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """It takes a process, and one test sees to it."""
    if "sandbox" not in request.node.name:
        monkeypatch.setattr(machine, "sandbox", lambda: Check(name="sandbox", status="ok", message="not tried"))


def verdicts(said: Any) -> dict[str, str]:
    return {each["name"]: each["status"] for each in said["checks"]}


def test_it_works_without_a_home_and_looks_into_one(cli, tmp_path):
    bare = cli("doctor", "--json")
    assert list(verdicts(bare.json)) == [*CHECKS, "file_system", "home"] and bare.json["home"] is None
    assert bare.code == (7 if "problem" in verdicts(bare.json).values() else 0)
    assert not list(tmp_path.iterdir()), "it leaves nothing"
    cli("init")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / ".docmill").iterdir() if path.is_file()}
    said = cli("doctor", "--json").json
    assert list(verdicts(said)) == [*CHECKS, *OF_HOMES]
    assert {name for name in OF_HOMES if verdicts(said)[name] != "ok"} <= {"disk"}
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert cli("doctor", "--home", str(tmp_path / "nowhere")).code == 7
    assert cli("doctor", "everything").code == 2


def test_settings_and_variables(cli, monkeypatch):
    monkeypatch.setenv("DOCMILL_WORKER_CPU_S", "many")
    said = cli("doctor", "--json")
    found = {each["name"]: each for each in said.json["checks"]}
    assert said.code == 7 and found["settings"]["status"] == "problem"
    assert "worker_cpu_s" in found["settings"]["message"]
    monkeypatch.delenv("DOCMILL_WORKER_CPU_S")
    monkeypatch.setenv("DOCMILL_EMBED_WORKER", "3")
    said = cli("doctor", "--json")
    found = {each["name"]: each for each in said.json["checks"]}
    assert said.code == 7 and found["settings"]["status"] == "problem"
    assert found["variables"]["details"]["unknown"] == ["DOCMILL_EMBED_WORKER"]
    assert found["variables"]["hint"] == "did you mean DOCMILL_EMBED_WORKERS?"


def test_a_home_that_is_not_as_it_should_be(cli, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.chmod(0o755)
    with closing(sqlite3.connect(home / "state.db")) as state, state:
        state.execute("INSERT INTO database VALUES ('gone', 'some/model', 'f', '')")
        state.execute("INSERT INTO placement VALUES ('d', 'gone', 'stored', NULL, 1, '')")
        state.execute(
            "INSERT INTO source (name, folder, include, exclude, created_at) VALUES ('a', '/gone', '', '', '')"
        )
        state.execute("INSERT INTO log_entry (level, message, context, at) VALUES ('info', '', '{}', '2999-01-01')")
    said = verdicts(cli("doctor", "--json").json)
    for name in ("home", "databases", "sources", "times"):
        assert said[name] == "warning", name
    monkeypatch.setattr(schema_version, "CURRENT", schema_version.CURRENT - 1)
    newer = cli("doctor", "--json")
    assert newer.code == 7 and verdicts(newer.json)["state"] == "problem" and "databases" not in verdicts(newer.json)
    (home / "state.db").write_bytes(b"not a database" * 100)
    assert verdicts(cli("doctor", "--json").json)["state"] == "problem"


def test_of_a_network_file_system(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_folder: Path) -> None:
        raise StorageError("on nfs", hint="elsewhere")

    monkeypatch.setattr(filesystem, "require_local", refuse)
    assert (homes.place(home).status, homes.place(home).hint) == ("problem", "elsewhere")
    assert homes.place(home.parent).status == "warning"


def test_a_disk_that_is_nearly_full(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type(shutil.disk_usage(home))
    for free, status in ((10**7, "problem"), (5 * 10**8, "warning"), (10**11, "ok")):
        monkeypatch.setattr(shutil, "disk_usage", lambda _path, free=free: usage(10**12, 10**12 - free, free))
        assert homes.disk(home).status == status


def test_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    there = metadata.version

    def version(name: str) -> str:
        if name == "lancedb":
            raise metadata.PackageNotFoundError(name)
        return "0.1" if name == "typer" else there(name)

    monkeypatch.setattr(metadata, "requires", lambda _name: ["lancedb>=0.30", "typer>=0.29", 'nix>=1; extra == "ocr"'])
    monkeypatch.setattr(metadata, "version", version)
    found = installation.libraries()
    assert (found.status, found.message) == ("problem", "lancedb is missing; typer 0.1 is not >=0.29")
    assert installation.extras().details["ocr"] is False


@pytest.mark.parametrize(("limit", "status"), [(100, "problem"), (512, "warning"), (4096, "ok"), (-1, "ok")])
def test_open_files(limit: int, status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (limit, resource.RLIM_INFINITY))
    assert machine.open_files().status == status


def test_limits_of_a_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group = tmp_path / "cgroup" / "pod" / "inner"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("max\n")
    (group.parent / "memory.max").write_text(f"{300 * 1024**2}\n")
    (group.parent / "cpu.max").write_text("50000 100000\n")
    monkeypatch.setattr(machine, "_CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(machine, "_groups", lambda: [group, group.parent])
    settings = Settings(document_workers=4, embed_workers=4)
    memory, cores = machine.memory(settings), machine.cores(settings)
    assert (memory.status, memory.details["limit_bytes"]) == ("warning", 300 * 1024**2)
    assert (cores.status, cores.details["quota"]) == ("warning", 0.5)


def test_inotify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_INOTIFY", tmp_path)
    assert machine.inotify().message.startswith("not on this system")
    (tmp_path / "max_user_watches").write_text("8192")
    assert machine.inotify().status == "warning"


def test_the_sandbox_is_tried_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    found = machine.sandbox()
    assert found.name == "sandbox" and (found.status == "ok") is (found.details["refused"] == [])
    ended = subprocess.CompletedProcess([], 1, "", "Traceback\nImportError: nothing is here\n")
    monkeypatch.setattr(subprocess, "run", lambda *_args, **_more: ended)
    assert machine.sandbox().details["refused"] == ["it cannot be entered: ImportError: nothing is here"]


def test_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCMILL_MODEL_CACHE", str(tmp_path / "models"))
    monkeypatch.setattr(models.minilm, "weights_folder", lambda: tmp_path)
    assert models.default_model().status == "ok", "the first sync installs it"
    monkeypatch.setattr(models.minilm, "weights_folder", lambda: None)
    assert models.default_model().status == "problem"
    assert models.model_cache().status == "ok"
