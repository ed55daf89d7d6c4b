"""The failpoints: which there are, what they do when armed, and that they are nothing when they are not."""

from __future__ import annotations

import ast
import contextlib
import errno
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import docmill
from docmill import failpoints

SOURCE = Path(docmill.__file__).parent


def used() -> Iterator[tuple[str, str]]:
    """File and name of every ``failpoints.around("name")`` in the source."""
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "failpoints.around":
                [name] = node.args
                assert isinstance(name, ast.Constant), f"{path}:{node.lineno}: a failpoint is named where it stands"
                yield path.name, name.value


def armed(text: str, fired: Path | None = None) -> failpoints._Armed:
    return failpoints._Armed(text, str(fired) if fired else None)


def test_the_source_has_each_point_and_no_other() -> None:
    assert {name for _file, name in used()} == failpoints.POINTS


def test_unarmed_they_are_one_shared_nothing() -> None:
    assert isinstance(failpoints._NOTHING, contextlib.nullcontext)
    assert {id(failpoints.around(name)) for name in ("store.add", "state.commit")} == {id(failpoints._NOTHING)}


def test_an_unset_or_empty_variable_arms_nothing() -> None:
    code = "from docmill import failpoints; print(failpoints.around is failpoints._around_nothing)"
    for environment in ({}, {"DOCMILL_FAILPOINTS": ""}):
        answer = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
        assert answer.stdout == b"True\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "store.add",
        "store.add=kill",
        "store.add.within=kill",
        "store.nothing.before=kill",
        "store.add.before",
        "store.add.before=",
        "store.add.before=explode",
        "store.add.before=kill@",
        "store.add.before=kill@0",
        "store.add.before=kill@-1",
        "store.add.before=kill@two",
        "store.add.before=kill,",
        "store.add.before=kill,store.add.before=stop@2",
    ],
)
def test_what_names_no_point_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a failpoint"):
        armed(text)


def test_a_misspelt_variable_stops_the_program_at_once() -> None:
    environment = {"DOCMILL_FAILPOINTS": "store.ad.before=kill"}
    answer = subprocess.run([sys.executable, "-c", "import docmill.failpoints"], env=environment, capture_output=True)
    assert answer.returncode == 1
    assert b"not a failpoint: 'store.ad.before=kill'" in answer.stderr


def test_an_armed_program_knows_no_other_point() -> None:
    with (
        pytest.raises(ValueError, match=r"not a failpoint: 'store\.nothing'"),
        armed("store.add.before=full").around("store.nothing"),
    ):
        pass


def test_a_full_disk_is_an_oserror_at_its_time() -> None:
    points = armed(" store.add.after=full@2 , store.tag.before=full")
    with points.around("store.add"):
        pass
    with pytest.raises(OSError, match=r"store\.add\.after") as caught, points.around("store.add"):
        pass
    assert caught.value.errno == errno.ENOSPC
    with points.around("store.add"):  # once only
        pass
    with pytest.raises(OSError, match=r"store\.tag\.before"), points.around("store.tag"):
        pytest.fail("the work must not have begun")


@pytest.mark.parametrize(("action", "number"), [("kill", signal.SIGKILL), ("stop", signal.SIGSTOP)])
def test_signals_go_to_the_process_itself(action: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(failpoints.os, "getpid", lambda: 4711)
    monkeypatch.setattr(failpoints.os, "kill", lambda pid, signal_: sent.append((pid, signal_)))
    with armed(f"epoch.raise.before={action}").around("epoch.raise"):
        assert sent == [(4711, number)]
    assert len(sent) == 1


def test_only_the_first_process_acts(tmp_path: Path) -> None:
    text, fired = "epoch.raise.before=full", tmp_path / "fired"
    with pytest.raises(OSError, match="No space left"), armed(text, fired).around("epoch.raise"):
        pass
    assert fired.exists()
    with armed(text, fired).around("epoch.raise"):  # another process, later
        pass
