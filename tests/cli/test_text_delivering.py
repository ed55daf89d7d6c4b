"""What ``deliver`` has sent, as text and as an exit code."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from docmill.cli import output
from docmill.cli.console import write_text
from docmill.cli.text import View, render
from docmill.domain.results import DeliverResult, EngineHolder

AT = "2026-01-31T12:00:00.000Z"
HOLDER = EngineHolder(pid=4242, started_at=AT, command="docmill deliver --follow\x1b[2J")


def result(**given: Any) -> DeliverResult:
    values = {"delivered": 0, "failed": 0, "waiting": 0, "next_at": None, "seconds": 1.25, "holder": None}
    return DeliverResult(**{**values, "message": "", **given})


@pytest.mark.parametrize(
    ("given", "lines", "code"),
    [
        ({}, ["nothing waits in the outbox"], 0),
        ({"delivered": 1200}, ["1,200 delivered  1.2 s"], 0),
        (
            {"delivered": 3, "failed": 1, "waiting": 2, "next_at": AT, "reason": "1 deliveries were given up"},
            [
                "3 delivered, 1 given up, 2 waiting  1.2 s",
                "the next try is due at 2026-01-31 12:00:00",
                "why: docmill logs BATCH --level warning",
            ],
            3,
        ),
        (
            {"holder": HOLDER, "waiting": 5},
            ["process 4242 (docmill deliver --follow) is delivering already  5 waiting"],
            0,
        ),
    ],
)
def test_as_text(given: dict[str, Any], lines: list[str], code: int) -> None:
    console = Console(file=io.StringIO(), width=100, color_system=None)
    write_text(console, render(result(**given), View()))
    assert [line.rstrip() for line in console.file.getvalue().splitlines()] == lines  # type: ignore[attr-defined] # a StringIO
    assert output.exit_code(result(**given)) == code


def test_as_a_command(cli: Any, home: Any) -> None:
    ran = cli("deliver", "--json")
    assert ran.code == 0
    assert {name: ran.json[name] for name in ("delivered", "failed", "waiting", "holder", "reason")} == {
        "delivered": 0,
        "failed": 0,
        "waiting": 0,
        "holder": None,
        "reason": None,
    }
    assert cli("deliver", "--timeout", "-1").code == 2


def test_a_batch_is_made_with_its_webhook(cli: Any, home: Any) -> None:
    hook = ("--webhook-url", "https://hook.example/x", "--webhook-events", "group_end, item_failed")
    secrets = (
        "--webhook-token-env",
        "HOOK_TOKEN",
        "--webhook-secret-env",
        "HOOK_SECRET",
        "--webhook-job-id",
        "client-7",
    )
    assert cli("batch", "create", "--name", "x", *hook, *secrets).code == 0
    configuration = cli("batch", "show", "x", "--json").json["configuration"]
    assert {name: value for name, value in configuration.items() if name.startswith("webhook")} == {
        "webhook_url": "https://hook.example/x",
        "webhook_events": ["group_end", "item_failed"],
        "webhook_token_env": "HOOK_TOKEN",
        "webhook_secret_env": "HOOK_SECRET",
        "webhook_job_id": "client-7",
    }
    refused = cli(
        "batch", "create", "--name", "y", "--webhook-url", "https://hook.example", "--webhook-token-env", "Bearer abc"
    )
    assert refused.code == 2
    assert "Bearer abc" not in refused.err
