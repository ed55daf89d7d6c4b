"""``ingest`` as it is called: what it takes, what it says, and how it exits."""

from __future__ import annotations

import io

import pytest


@pytest.fixture
def folder(tmp_path, home):
    made = tmp_path / "in"
    made.mkdir()
    (made / "a.txt").write_text("About walnuts.\n")
    (made / "list.csv").write_text("Link,Name\na.txt,Walnuts\nb.txt,Gone\n")
    return made


def test_a_manifest_with_foreign_columns(cli, folder):
    call = ("ingest", "--manifest", f"{folder}/list.csv", "--map", "uri=Link", "--map", "title=Name")
    ran = cli(*call, "--json")
    assert (ran.code, ran.json["counts"]["new"], ran.json["errors"][0]["line"]) == (3, 1, 3)
    assert ran.json["targets"] == [{"batch_id": 1, "source": "files"}]
    text = cli(*call)
    assert "in batch 1, source files" in text.out and "line 3: " in cli(*call, "-v").out
    shown = cli("documents", "show", f"{folder}/a.txt", "--json")
    assert (shown.json["metadata"], shown.json["origin"]) == ({"title": "Walnuts"}, None)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--manifest", "in/list.csv"], "--map uri=Link"),
        (["--manifest", "in/list.csv", "--map", "uri=Lnik"], "--map uri=Link"),
        (["--manifest", "in/list.csv", "--map", "uri=Link", "--map", "title=Nmae"], "did you mean 'Name'?"),
        (["--map", "uri=Link"], "--manifest FILE"),
        (["--manifest", "in/a.txt"], "--manifest-format"),
        (["--manifest", "in/list.csv", "--manifest-format", "xml"], "csv"),
        ([], "name files, folders or addresses"),
    ],
)
def test_wrong_usage(cli, folder, arguments, said):
    ran = cli("ingest", *arguments)
    assert ran.code == 2
    assert said in " ".join(ran.err.split())


def test_a_manifest_that_is_not_there(cli, folder):
    assert cli("ingest", "--manifest", "in/none.csv").code == 4


def test_lists_on_stdin(cli, folder, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"uri": "in/a.txt"}\n')))
    ran = cli("ingest", "--manifest", "-", "--manifest-format", "jsonl", "--json")
    assert (ran.code, ran.json["counts"]["new"]) == (0, 1)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"in/a.txt\nftp://example.org/x\n")))
    ran = cli("ingest", "-", "--json")
    assert (ran.code, ran.json["counts"]["unchanged"], ran.json["errors"][0]["error_code"]) == (3, 1, "ADDRESS_REFUSED")


def test_an_address_inside_the_network_is_refused(cli, home, monkeypatch):
    monkeypatch.setattr("socket.getaddrinfo", lambda *_args, **_more: [(2, 1, 6, "", ("10.0.0.7", 80))])
    ran = cli("ingest", "http://intranet.example/a.html")
    assert ran.code == 3
    assert "ADDRESS_REFUSED" in ran.out
