"""Settings: which of flag, environment, file and default counts, where each comes from, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from docmill import settings
from docmill.errors import SettingsError


def test_a_flag_goes_over_the_environment_and_that_over_the_file(home: Path, monkeypatch) -> None:
    (home / "docmill.toml").write_text("# of this home\nmax_minutes = 1\nlock_timeout = 2\n\nembed_workers = 3\n")
    monkeypatch.setenv("DOCMILL_LOCK_TIMEOUT", "20")
    monkeypatch.setenv("DOCMILL_MAX_MINUTES", "10")
    built = settings.build(home=home, max_minutes=100)
    assert (built.max_minutes, built.lock_timeout, built.embed_workers, built.worker_cpu_s) == (100, 20, 3, 120)
    assert built.origins == {
        "home": "flag",
        "max_minutes": "flag",
        "lock_timeout": "DOCMILL_LOCK_TIMEOUT",
        "embed_workers": f"{home}/docmill.toml:5",
    }


def test_the_file_of_the_home_that_is_found_counts(cli, home: Path, monkeypatch) -> None:
    (home / "docmill.toml").write_text('allowed_hosts = ["wiki:8080"]\nworker_network = true\n')
    (home.parent / "below").mkdir()
    monkeypatch.chdir(home.parent / "below")
    monkeypatch.setenv("DOCMILL_MY_TOKEN", "secret")
    shown = cli("settings", "show", "--json").json
    assert shown["file"] == str(home / "docmill.toml")
    assert "DOCMILL_MY_TOKEN" in shown["others"]
    by_name = {each["name"]: each for each in shown["settings"]}
    assert by_name["allowed_hosts"]["value"] == ["wiki:8080"]
    assert by_name["worker_network"]["where"] == f"{home}/docmill.toml:2"
    assert {each["origin"] for each in shown["settings"]} == {"file", "default"}
    text = cli("settings", "show").out
    assert "docmill.toml:2" in text
    assert "secret" not in text
    assert cli("settings", "show", "worker_network").out.startswith("worker_network = true  docmill.toml:2\n")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("\nembed_worker = 2\n", "docmill.toml:2: 'embed_worker' is no setting", "did you mean 'embed_workers'?"),
        ("[chunk]\nsize = 2\n", "docmill.toml:1: 'chunk' is no setting", "`docmill settings show` lists them all"),
        ('home = "/x"\n', "docmill.toml:1: 'home' is no setting of a file", None),
        ('\n\nembed_workers = "many"\n', "docmill.toml:3", None),
        ("embed_workers = 0\n", "docmill.toml:1", None),
        ("embed_workers 2\n", "line 1", "it is TOML"),
        (b"\xff\xfe", "cannot be read", "it is TOML"),
    ],
)
def test_what_a_file_may_not_say_is_exit_6_with_the_line(text, message, hint, cli, home: Path) -> None:
    (home / "docmill.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    ran = cli("status", "--json")
    assert ran.code == 6
    assert ran.json["error"]["code"] == "BAD_SETTINGS"
    assert message in ran.json["error"]["message"]
    assert hint is None or hint in ran.json["error"]["hint"]


def test_a_misspelt_variable_is_refused_and_one_s_own_is_not(home: Path, monkeypatch) -> None:
    monkeypatch.setenv("DOCMILL_WEBHOOK_TOKEN", "x")
    settings.build(home=home)
    monkeypatch.setenv("DOCMILL_EMBED_WORKER", "2")
    with pytest.raises(SettingsError, match="DOCMILL_EMBED_WORKER is no setting") as refused:
        settings.build(home=home)
    assert refused.value.hint == "did you mean DOCMILL_EMBED_WORKERS?"


def test_a_setting_that_is_not_there_is_exit_4(cli) -> None:
    assert "did you mean 'embed_workers'?" in cli("settings", "show", "embed_worker").err
    assert cli("settings", "show", "nix").code == 4
