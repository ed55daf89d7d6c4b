"""Schemas, scripts and settings as text."""

from __future__ import annotations

import io
from collections.abc import Callable

from rich.console import Console

from docmill.cli.console import write_text
from docmill.cli.text import View, render
from docmill.domain import results as r

LONG = "x " * 200
SETTING = r.SettingShown(
    name="embed_workers",
    value=1,
    default=8,
    origin="file",
    where="/srv/docs/.docmill/docmill.toml:2",
    variable="DOCMILL_EMBED_WORKERS",
    description="processes that embed, a thread each",
)
HOSTS = SETTING.model_copy(
    update={"name": "allowed_hosts", "value": ["wiki:80"], "default": [], "origin": "default", "where": None}
)
SAMPLES: dict[str, r.Result] = {
    "settings": r.SettingsShown(
        file="/srv/docs/.docmill/docmill.toml", settings=[SETTING, HOSTS], others=["DOCMILL_\x1b[2JTOKEN"]
    ),
    "setting": r.SettingsShown(file=None, settings=[SETTING], others=[]),
    "schemas": r.SchemaList(
        commands=[
            r.CommandSchema(command="status", results=["BatchStatus", "HomeStatus"], events=False),
            r.CommandSchema(command="sync", results=["SyncResult"], events=True),
        ]
    ),
}


def text_of(result: r.Result) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=80, highlight=False, markup=False, emoji=False)
    write_text(console, render(result, View(width=80)))
    return stream.getvalue()


def test_text_looks_as_reviewed(snapshot: Callable[[str, str, str], None]) -> None:
    for name, result in SAMPLES.items():
        text = text_of(result)
        assert "\x1b" not in text
        snapshot("text", f"machine-{name}", text)


def test_what_other_programs_read_is_not_folded() -> None:
    assert text_of(r.CompletionScript(shell="fish", script=LONG.strip())) == f"{LONG.strip()}\n"
    schema = r.JsonSchema(**{"$schema": "https://json-schema.org/draft/2020-12/schema", "title": LONG.strip()})
    assert LONG.strip() in text_of(schema)
