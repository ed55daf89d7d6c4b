"""Handlers are told what happens: from the outbox, at least once, and never at the cost of the run."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from conftest import QUICK, Mill, Working, wait_for
from docmill.domain.planning import PlannedGroup, PlannedStep, RowsKeys, Selection
from docmill.engine import notices
from docmill.engine.background import ServiceLock
from docmill.errors import UsageError
from docmill.service import batches, delivering, handlers, ingesting
from docmill.service.delivering import Options
from docmill.stores.state import State, groups, outbox

ONCE = Options(once=True)
TOKEN, SECRET = "t0ken", "s3cret"


class Receiver:
    """A real receiver on loopback. ``answer`` gives a status, or answers by itself; ``got`` holds every request."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answer: Callable[[BaseHTTPRequestHandler], int | None] = lambda _handler: 204
        self.holding, self.let_go = threading.Event(), threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def handle_one_request(self) -> None:
                with contextlib.suppress(OSError):  # the deliverer has hung up or died
                    super().handle_one_request()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                status = receiver.answer(self)
                if status is not None:
                    self.send_response(status)
                    self.end_headers()

            def log_message(self, *_args: Any) -> None:
                """Tests are quiet."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook?key=in-the-address"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def told(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _headers, body in self.got]

    @property
    def keys(self) -> list[str]:
        return [headers["idempotency-key"] for headers, _body in self.got]

    def hold(self, _handler: BaseHTTPRequestHandler) -> int:
        """Keep whoever asks waiting."""
        self.holding.set()
        self.let_go.wait(60)
        return 204

    def close(self) -> None:
        self.let_go.set()
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def other() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def hooked(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> Mill:
    """A home that may ask loopback, with one document, and without a deliverer in the background."""
    monkeypatch.setattr(notices, "_start", lambda *_args: None)
    monkeypatch.setenv("HOOK_TOKEN", TOKEN)
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    mill.flags = {"allowed_hosts": ("127.0.0.1",)}
    mill.write("walnut.md", "# Walnut\n\nA nut.\n")
    return mill


def batch(mill: Mill, url: str | None = None, name: str = "nuts", **options: Any) -> int:
    made = batches.create_batch(mill.settings, name=name, webhook_url=url, **options)
    ingesting.ingest(mill.settings, [str(mill.folder)], batch=str(made.batch_id), source=name)
    return made.batch_id


def group(mill: Mill, batch_id: int, *, cancel: str | None = "not wanted", **by_event: list[dict[str, Any]]) -> int:
    """A run group as ``start`` makes it, with these handlers of its workflow, and ended without an engine."""
    steps = (PlannedStep("parse", "parse", 0),)
    planned = PlannedGroup(
        batch_id, "w", "p", "{}", RowsKeys("key"), "default", "m", "f", steps, handlers=json.dumps(by_event)
    )
    state = State(mill.home)
    with state.transaction() as tx:
        group_id = groups.create_group(tx, planned, Selection(batch_id=batch_id))
        assert group_id is not None
        if cancel is not None:
            groups.cancel_group(tx, group_id, cancel)
    state.close()
    return group_id


def workflow(mill: Mill, lifecycle: str, id_: str = "mine") -> str:
    """A workflow of the home, with these handlers."""
    steps = "".join(
        f"  - {{name: {each}, type: {each}}}\n" for each in ("validate", "parse", "chunk", "embed", "store")
    )
    (mill.home / "workflows" / f"{id_}.yaml").write_text(
        f"id: {id_}\nname: Mine\nsteps:\n{steps}lifecycle:\n{lifecycle}"
    )
    return id_


def deliver(mill: Mill, options: Options = ONCE, **more: Any) -> tuple[int, int, int]:
    result = delivering.deliver(mill.settings, options, **more)
    return result.delivered, result.failed, result.waiting


def outcomes(mill: Mill) -> list[tuple[Any, ...]]:
    return mill.state("SELECT event, status, attempts, last_error FROM delivery ORDER BY id")


def warnings(mill: Mill) -> list[tuple[str, dict[str, Any]]]:
    rows = mill.state("SELECT message, context FROM log_entry WHERE level = 'warning' AND message LIKE '%delivered%'")
    return [(message, json.loads(context)) for message, context in rows]


def is_signed(headers: dict[str, str], body: bytes, secret: str) -> bool:
    """By the very lines that the documentation gives to receivers."""
    page = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text("utf-8")
    documented: dict[str, Any] = {}
    exec(page.partition("```python\n")[2].partition("```")[0], documented)
    return bool(documented["is_from_docmill"](headers["x-docmill-signature"], body, secret))


def test_it_fails_twice_then_is_taken_once(hooked: Mill, receiver: Receiver) -> None:
    mill = hooked
    receiver.answer = lambda _handler: 500 if len(receiver.got) <= 2 else 204
    mill.write("broken.pdf", "%PDF-1.4 broken")
    batch_id = batch(
        mill,
        receiver.url,
        webhook_events=["group_end"],
        webhook_token_env="HOOK_TOKEN",
        webhook_secret_env="HOOK_SECRET",
        webhook_job_id="client-7",
    )
    from docmill.service import running

    result = running.start(mill.settings, mill.reporter, str(batch_id), overrides=list(QUICK))
    assert (result.documents.completed, result.documents.failed) == (1, 1)
    assert receiver.got == [], "the engine itself asked"
    assert [deliver(mill) for _try in range(4)] == [(0, 0, 1), (0, 0, 1), (1, 0, 0), (0, 0, 0)]
    assert outcomes(mill) == [("group_end", "delivered", 3, None)]
    assert len(receiver.keys) == 3
    assert len(set(receiver.keys)) == 1, "one delivery has one key"
    assert all(is_signed(headers, body, SECRET) for headers, body in receiver.got)
    assert not is_signed(*receiver.got[0], "another")
    headers, told = receiver.got[0][0], receiver.told[0]
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"].startswith("docmill/")
    assert headers["x-docmill-event"] == "group_end"
    assert {name: told[name] for name in ("phase", "status", "jobId", "batch_id", "error", "document")} == {
        "phase": "completed",
        "status": "completed",
        "jobId": "client-7",
        "batch_id": batch_id,
        "error": None,
        "document": None,
    }
    assert told["message"] == "Processing completed"
    assert told["process"] == {"id": result.run_group_id}
    data = told["data"]
    assert data["documents"] == {"completed": 1, "failed": 1, "degraded": 0, "cancelled": 0}
    assert data["chunks"] == {"total": 1, "embedded": 1, "reused": 0}
    assert [(each["uri"], each["stage"], each["error_code"]) for each in data["errors"]] == [
        ("broken.pdf", "parse", "CORRUPTED_FILE")
    ]
    assert data["errors"][0]["error_message"]
    for secret in (TOKEN, SECRET):
        for file in (mill.home / "state.db", mill.home / "state.db-wal"):
            assert not file.exists() or secret.encode() not in file.read_bytes(), "a secret was written down"


def test_what_is_sent_has_the_documented_fields(hooked: Mill, receiver: Receiver) -> None:
    page = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text("utf-8")
    samples = [json.loads(part.partition("```")[0]) for part in page.split("```json\n")[1:]]
    documented = {sample["event"]: sample for sample in samples}
    hooked.write("broken.pdf", "%PDF-1.4 broken")
    hook = f"[{{type: webhook, url: '{receiver.url}', job_id: client-7}}]"
    hooked.sync(workflow=workflow(hooked, f"  step_failed: {hook}\n  group_end: {hook}\n"))
    deliver(hooked)
    told = {each["event"]: each for each in receiver.told}
    end, sample = told["group_end"], documented["group_end"]
    assert list(end) == list(sample)
    assert list(end["data"]) == list(sample["data"])
    assert [list(each) for each in end["data"]["errors"]] == [list(each) for each in sample["data"]["errors"]]
    step, sample = told["step_failed"], documented["step_failed"]
    assert list(step) == [*sample, "jobId"]
    assert [list(step[name]) for name in ("document", "error")] == [
        list(sample[name]) for name in ("document", "error")
    ]


def test_a_retry_is_waited_for(hooked: Mill, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivering, "DELAYS", (0.01, 0.01, 0.01))
    receiver.answer = lambda _handler: 503 if len(receiver.got) <= 2 else 200
    group(hooked, batch(hooked, receiver.url))
    assert deliver(hooked, Options(timeout=30)) == (1, 0, 0)
    assert len(receiver.got) == 3


def test_after_its_last_try_it_is_given_up(hooked: Mill, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivering, "DELAYS", (0.0, 0.0))
    receiver.answer = lambda _handler: 500
    group(hooked, batch(hooked, receiver.url))
    assert deliver(hooked, Options(timeout=30)) == (0, 1, 0)
    [(message, context)] = warnings(hooked)
    assert message == (
        f"group_end was not delivered to webhook http://127.0.0.1:{receiver.port}:"
        f" http://127.0.0.1:{receiver.port} answers 500 (after 3 tries)"
    )
    assert (context["attempts"], context["idempotency_key"]) == (3, receiver.keys[0])
    assert "in-the-address" not in message + json.dumps(context)
    receiver.answer = lambda _handler: 200
    assert deliver(hooked) == (0, 0, 0)
    assert deliver(hooked, given_up=True) == (1, 0, 0)
    assert len(set(receiver.keys)) == 1


@pytest.mark.parametrize(
    ("status", "lasting"),
    [(400, True), (401, True), (404, True), (410, True), (408, False), (425, False), (429, False)],
)
def test_answers_that_will_not_change(hooked: Mill, receiver: Receiver, status: int, lasting: bool) -> None:
    receiver.answer = lambda _handler: status
    group(hooked, batch(hooked, receiver.url))
    assert deliver(hooked) == ((0, 1, 0) if lasting else (0, 0, 1))


@pytest.mark.parametrize(("asked", "least", "most"), [("120", 100, 130), ("999999", 3000, 3700), ("soon", 1, 10)])
def test_a_receiver_may_put_it_off(hooked: Mill, receiver: Receiver, asked: str, least: int, most: int) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(429)
        handler.send_header("Retry-After", asked)
        handler.end_headers()

    receiver.answer = answer
    group(hooked, batch(hooked, receiver.url))
    before = datetime.now(UTC)
    deliver(hooked)
    put_off = datetime.fromisoformat(hooked.value("SELECT next_at FROM delivery")) - before
    assert least <= put_off.total_seconds() <= most + 60


def test_a_run_does_not_wait_for_a_receiver_that_hangs(mill: Mill, receiver: Receiver) -> None:
    """The run's process ends while the receiver still holds the deliverer's connection."""
    receiver.answer = receiver.hold
    mill.flags = {"allowed_hosts": ("127.0.0.1",)}
    mill.write_many(2)
    workflow(mill, f"  group_start:\n    - {{type: webhook, url: '{receiver.url}', timeout_s: 300}}\n")
    process = mill.process("mill.sync(workflow='mine')")
    wait_for(receiver.holding.is_set)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    assert not receiver.let_go.is_set()
    assert len(mill.texts()) == 2
    assert outcomes(mill) == [("group_start", "pending", 0, None)]
    assert notices.deliverer(mill.home) is not None
    receiver.let_go.set()
    wait_for(lambda: outcomes(mill) == [("group_start", "delivered", 1, None)])
    wait_for(lambda: notices.deliverer(mill.home) is None)
    assert len(receiver.got) == 1


def test_a_run_does_not_mind_that_nobody_is_there(mill: Mill, receiver: Receiver) -> None:
    receiver.close()
    mill.flags = {"allowed_hosts": ("127.0.0.1",)}
    mill.write_many(2)
    workflow(mill, f"  item_end:\n    - {{type: webhook, url: '{receiver.url}'}}\n")
    result = mill.sync(workflow="mine")
    assert (result.status, result.documents.completed) == ("completed", 2)
    wait_for(lambda: mill.value("SELECT COUNT(*) FROM delivery WHERE next_at > created_at") == 2)
    rows = mill.state("SELECT status, attempts, last_error, next_at FROM delivery ORDER BY attempts DESC")
    assert [row[:2] for row in rows] == [("pending", 1), ("pending", 0)], "what else waits for it is put off, not tried"
    assert "cannot be reached" in rows[0][2]
    assert rows[0][3] == rows[1][3]
    os.kill(json.loads((mill.home / "deliver.lock").read_text())["pid"], 15)
    wait_for(lambda: notices.deliverer(mill.home) is None)


def test_handlers_do_not_wait_for_each_other(hooked: Mill, receiver: Receiver, other: Receiver) -> None:
    receiver.answer = receiver.hold
    both = [{"type": "webhook", "url": each.url} for each in (receiver, other)]
    for number in range(3):
        group(hooked, batch(hooked, name=f"nuts-{number}"), group_start=both, group_end=both)
    work = Working(lambda: deliver(hooked))
    wait_for(receiver.holding.is_set)
    wait_for(lambda: len(other.got) == 6)
    assert len(receiver.got) == 1, "one handler gets one delivery at a time"
    sequence = [int(headers["x-docmill-sequence"]) for headers, _body in other.got]
    assert sequence == sorted(sequence)
    assert delivering.deliver(hooked.settings, ONCE).message.startswith("another process is delivering already")
    receiver.let_go.set()
    assert work.result() == (12, 0, 0)


def test_a_second_one_may_wait_for_the_first(hooked: Mill, receiver: Receiver) -> None:
    receiver.answer = lambda handler: 500 if len(receiver.got) > 1 else receiver.hold(handler)
    batch_id = batch(hooked, receiver.url)
    group(hooked, batch_id)
    first = Working(lambda: deliver(hooked))
    wait_for(receiver.holding.is_set)
    group(hooked, batch_id)
    second = Working(lambda: deliver(hooked, Options(once=True, wait=True)))
    receiver.let_go.set()
    assert first.result() == (1, 0, 1)
    assert second.result() == (0, 0, 1)
    assert len(receiver.got) == 2


def test_a_redirect_to_a_private_address_is_refused(hooked: Mill, receiver: Receiver, other: Receiver) -> None:
    def redirect(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(307)
        handler.send_header("Location", other.url)
        handler.end_headers()

    receiver.answer = redirect
    hooked.flags = {"allowed_hosts": (f"127.0.0.1:{receiver.port}",)}
    group(hooked, batch(hooked, receiver.url))
    assert deliver(hooked) == (0, 1, 0)
    assert other.got == []
    assert "127.0.0.1 leads to an address that is not public" in outcomes(hooked)[0][3]


def test_without_leave_loopback_is_not_asked(hooked: Mill, receiver: Receiver) -> None:
    hooked.flags = {}
    group(hooked, batch(hooked, receiver.url))
    assert deliver(hooked) == (0, 1, 0)
    assert receiver.got == []


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ({"token_env": "HOOK_NOWHERE"}, "the token is not in the variable HOOK_NOWHERE"),
        ({"secret_env": "HOOK_NOWHERE"}, "the secret is not in the variable HOOK_NOWHERE"),
        ({"token_file": "token.txt"}, "the token is not in the file {home}/token.txt"),
        ({"token_env": "HOOK_LINES"}, "the token in the variable HOOK_LINES holds characters that cannot be sent"),
    ],
)
def test_secrets_that_are_not_there(
    hooked: Mill, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, where: dict[str, str], why: str
) -> None:
    monkeypatch.setenv("HOOK_LINES", "one\ntwo")
    monkeypatch.delenv("HOOK_NOWHERE", raising=False)
    group(hooked, batch(hooked), group_end=[{"type": "webhook", "url": receiver.url, **where}])
    assert deliver(hooked) == (0, 1, 0)
    assert receiver.got == []
    [(message, context)] = warnings(hooked)
    assert context["error"] == why.format(home=hooked.home)
    assert message.endswith(context["error"])
    assert "one" not in message


def test_secrets_in_files(hooked: Mill, receiver: Receiver, tmp_path: Path) -> None:
    (hooked.home / "token.txt").write_text(f"{TOKEN}\n")
    (tmp_path / "secret.txt").write_text(SECRET)
    where = {"token_file": "token.txt", "secret_file": str(tmp_path / "secret.txt")}
    group(hooked, batch(hooked), group_end=[{"type": "webhook", "url": receiver.url, **where}])
    assert deliver(hooked) == (1, 0, 0)
    headers, body = receiver.got[0]
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert is_signed(headers, body, SECRET)


def test_a_cancelled_group_is_told(hooked: Mill, receiver: Receiver) -> None:
    group(hooked, batch(hooked, receiver.url), cancel="wrong folder")
    assert deliver(hooked) == (1, 0, 0)
    [told] = receiver.told
    assert (told["phase"], told["status"], told["message"]) == (
        "cancelled",
        "cancelled",
        "Processing cancelled: wrong folder",
    )
    assert told["data"]["documents"] == {"completed": 0, "failed": 0, "degraded": 0, "cancelled": 1}


def test_failures_are_told(hooked: Mill, receiver: Receiver) -> None:
    mill = hooked
    (mill.folder / "walnut.md").rename(mill.folder / "walnut.pdf")
    hook = f"[{{type: webhook, url: '{receiver.url}'}}]"
    mill.sync(workflow=workflow(mill, f"  step_failed: {hook}\n  item_failed: {hook}\n  group_end: {hook}\n"))
    assert deliver(mill) == (3, 0, 0)
    step, item, end = receiver.told
    for told in (step, item):
        assert (told["phase"], told["status"]) == ("processing", "failed")
        assert told["document"]["filename"] == "walnut.pdf"
        assert told["error"]["error_code"] in ("UNSUPPORTED_TYPE", "CORRUPTED_FILE")
        assert told["error"]["stage"] in ("validate", "parse")
        assert told["error"]["error_message"] in told["message"]
    assert (step["step"], item["step"]) == (step["error"]["stage"], None)
    assert step["run_id"] == item["run_id"]
    assert (end["phase"], end["run_id"]) == ("failed", None)
    assert end["data"]["documents"]["failed"] == 1
    mill.sync(workflow="mine")
    assert deliver(mill) == (0, 0, 0), "an unchanged failure is no new happening"


def test_a_document_is_told_of_from_its_start_to_its_end(hooked: Mill, receiver: Receiver) -> None:
    events = ("group_start", "item_start", "step_start", "step_end", "item_end", "group_end")
    lifecycle = "".join(f"  {each}: [{{type: webhook, url: '{receiver.url}'}}]\n" for each in events)
    hooked.sync(workflow=workflow(hooked, lifecycle))
    deliver(hooked)
    written = hooked.state("SELECT event FROM lifecycle_event ORDER BY id")
    assert [told["event"] for told in receiver.told] == [event for (event,) in written]
    assert {told["event"] for told in receiver.told} == set(events)
    assert len(set(receiver.keys)) == len(written)
    parsed = next(told for told in receiver.told if (told["event"], told["step"]) == ("step_end", "parse"))
    assert (parsed["status"], parsed["message"]) == ("completed", "walnut.md: parse completed")
    assert parsed["document"]["uri"] == "walnut.md"


def test_commands(hooked: Mill, tmp_path: Path) -> None:
    wrote = tmp_path / "wrote"
    names = ("EVENT", "BATCH_ID", "RUN_GROUP_ID", "RUN_ID", "STATUS", "URI", "IDEMPOTENCY_KEY", "HOME")
    said = " ".join(f'"$DOCMILL_{name}"' for name in names)
    good = {"type": "command", "command": f'echo heard it; (for each in {said}; do echo "$each"; done; cat) > {wrote}'}
    group_id = group(hooked, batch(hooked), group_end=[good])
    assert deliver(hooked) == (1, 0, 0)
    *variables, payload = wrote.read_text().splitlines()
    key = hooked.value("SELECT idempotency_key FROM delivery")
    assert variables == ["group_end", "1", str(group_id), "", "cancelled", "", key, str(hooked.home)]
    assert json.loads(payload)["event"] == "group_end"
    [(level, context)] = hooked.state("SELECT level, context FROM log_entry WHERE message LIKE '%printed%'")
    assert (level, json.loads(context)["output"]) == ("info", "heard it")


@pytest.mark.parametrize(
    ("command", "timeout_s", "given_up", "why"),
    [
        ("echo oh dear >&2; exit 3", 60.0, False, "exit status 3"),
        ("docmill-has-no-such-command", 60.0, True, "exit status 127: the shell does not find it"),
        ("kill -9 $$", 60.0, False, "killed by SIGKILL"),
        ("sleep 600 & sleep 600", 0.1, False, "not done after 0.1 s, killed"),
        ("yes | head -c 10000000; exit 4", 60.0, False, "exit status 4"),
    ],
)
def test_commands_that_fail(hooked: Mill, command: str, timeout_s: float, given_up: bool, why: str) -> None:
    handler = {"type": "command", "command": command, "timeout_s": timeout_s}
    group(hooked, batch(hooked), group_end=[handler])
    assert deliver(hooked) == ((0, 1, 0) if given_up else (0, 0, 1))
    assert outcomes(hooked)[0][3] == why
    rows = hooked.state("SELECT context FROM log_entry WHERE context LIKE '%output%'")
    outputs = [json.loads(context)["output"] for (context,) in rows]
    assert all(0 < len(each) <= handlers.OUTPUT_CHARS for each in outputs)
    assert bool(outputs) == ("echo" in command or "no-such" in command or "yes" in command)


@pytest.mark.parametrize("end", ["before", "after"])
def test_killed_between_answer_and_note_it_is_sent_again(hooked: Mill, receiver: Receiver, end: str) -> None:
    mill = hooked
    group(mill, batch(mill, receiver.url))
    command = [sys.executable, "-m", "docmill", "--home", str(mill.home), "deliver", "--json"]
    env = {
        **os.environ,
        "DOCMILL_ALLOWED_HOSTS": "127.0.0.1",
        "DOCMILL_FAILPOINTS": f"delivery.settle.{end}=kill",
    }
    killed = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert killed.returncode == -9, killed.stderr
    assert len(receiver.got) == 1
    again = end == "before"
    assert outcomes(mill)[0][1] == ("pending" if again else "delivered")
    ended = subprocess.run(command, env={**env, "DOCMILL_FAILPOINTS": ""}, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["delivered"] == int(again)
    assert outcomes(mill)[0][1] == "delivered"
    assert len(receiver.got) == 1 + again
    assert len(set(receiver.keys)) == 1


@pytest.mark.parametrize("point", ["store.settle.before", "store.settle.after", "group.finish.before"])
def test_one_delivery_a_happening_however_the_engine_ends(
    hooked: Mill, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    """The engine is killed and the work done again: what had been told is not told anew."""
    mill = hooked
    mill.write_many(3)
    hook = f"[{{type: webhook, url: '{receiver.url}'}}]"
    events = ("group_start", "item_start", "step_start", "step_end", "item_end", "group_end")
    workflow(mill, "".join(f"  {event}: {hook}\n" for event in events))
    monkeypatch.setenv("DOCMILL_FAILPOINTS", f"{point}=kill")
    patch = "from docmill.engine import notices\nnotices._start = lambda *_args: None\nmill.sync(workflow='mine')"
    process = mill.process(patch)
    _out, err = process.communicate(timeout=60)
    assert process.returncode == -9, err
    monkeypatch.delenv("DOCMILL_FAILPOINTS")
    mill.sync(workflow="mine")
    happened = mill.state("SELECT event, run_id, step_id, attempt FROM lifecycle_event")
    assert mill.value("SELECT COUNT(*) FROM delivery") == len(happened) == len(set(happened))
    assert deliver(mill) == (len(happened), 0, 0)
    assert sorted(told["event"] for told in receiver.told) == sorted(event for event, *_rest in happened)
    assert receiver.told[-1]["event"] == "group_end"
    assert receiver.told[-1]["data"]["documents"]["completed"] == 4


def test_progress_replaces_what_was_not_delivered_yet(hooked: Mill, receiver: Receiver) -> None:
    batch_id = batch(hooked, receiver.url, webhook_job_id="j")
    group_id = group(hooked, batch_id, cancel=None)
    state = State(hooked.home)

    def tell(percent: int) -> None:
        with state.transaction() as tx:
            outbox.tell_progress(tx, group_id, percent=percent, message=f"embed: {percent} of 100 documents done")

    tell(10)
    tell(20)
    assert deliver(hooked) == (1, 0, 0)
    [told] = receiver.told
    assert told.pop("timestamp").endswith("Z")
    assert told == {
        "event": "progress",
        "phase": "processing",
        "progress": 20,
        "message": "embed: 20 of 100 documents done",
        "batch_id": batch_id,
        "run_group_id": group_id,
        "process": {"id": group_id},
        "jobId": "j",
    }
    tell(30)
    with state.transaction() as tx:
        groups.cancel_group(tx, group_id, None)
    tell(40)
    state.close()
    assert deliver(hooked) == (1, 0, 0)
    assert [each.get("progress", each["phase"]) for each in receiver.told] == [20, "cancelled"], "30 came after the end"
    assert len(set(receiver.keys)) == 2


def test_the_engine_tells_progress(traps: Mill, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    mill = traps
    monkeypatch.setattr(notices, "PROGRESS_SECONDS", 0.0)
    monkeypatch.setenv("DOCMILL_TRAPS_PARSE_S", "0.05")
    mill.flags = {"allowed_hosts": ("127.0.0.1",)}
    mill.overrides = (*mill.overrides, "store.window_documents=2")
    mill.write_many(16)
    from docmill.service import running

    running.start(mill.settings, mill.reporter, str(batch(mill, receiver.url)), overrides=list(mill.overrides))
    wait_for(lambda: receiver.told and receiver.told[-1]["event"] == "group_end")
    *progress, end = receiver.told
    assert end["phase"] == "completed"
    percents = [told["progress"] for told in progress]
    assert percents == sorted(percents)
    assert all(told["message"].endswith("of 16 documents done") for told in progress)
    assert progress, "nothing was told in between"
    wait_for(lambda: notices.deliverer(mill.home) is None)


def test_groups_keep_the_handlers_that_they_began_with(hooked: Mill, receiver: Receiver) -> None:
    batch_id = batch(hooked, receiver.url)
    group_id = group(hooked, batch_id, cancel=None, item_end=[{"type": "command", "command": "true"}])
    stored = json.loads(hooked.value("SELECT handlers FROM run_group"))
    assert {event: [each["type"] for each in given] for event, given in stored.items()} == {
        "item_end": ["command"],
        "group_end": ["webhook"],
        "progress": ["webhook"],
    }
    state = State(hooked.home)
    with state.transaction() as tx:
        tx.run("UPDATE batch SET configuration = '{}'")
        groups.cancel_group(tx, group_id, None)
    state.close()
    assert deliver(hooked) == (1, 0, 0)


def test_a_home_without_handlers_writes_no_deliveries(hooked: Mill) -> None:
    hooked.sync()
    assert hooked.value("SELECT COUNT(*) FROM lifecycle_event") > 10
    assert hooked.value("SELECT COUNT(*) FROM delivery") == 0


def test_old_deliveries_are_forgotten(hooked: Mill, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "KEPT", 2)
    batch_id = batch(hooked, receiver.url)
    for _ in range(4):
        group(hooked, batch_id)
    deliver(hooked)
    deliver(hooked)
    assert hooked.value("SELECT COUNT(*) FROM delivery") == 2
    assert len(receiver.got) == 4


def test_a_command_that_ends_a_group_can_wake_a_deliverer(hooked: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    monkeypatch.setattr(notices, "_start", lambda home, _settings: started.append(home))
    assert not notices.wake(hooked.home, hooked.settings)
    group(hooked, batch(hooked), group_end=[{"type": "command", "command": "true"}])
    assert notices.wake(hooked.home, hooked.settings)
    with ServiceLock(hooked.home, notices.NAME) as lock:
        assert lock.acquire()
        assert not notices.wake(hooked.home, hooked.settings)
    assert started == [hooked.home]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"webhook_url": "ftp://x"}, "--webhook-url"),
        ({"webhook_url": "https://ada:pw@x.example/"}, "user name or a password"),
        ({"webhook_url": "https://x.example:99999/"}, "--webhook-url"),
        ({"webhook_url": "https://x.example", "webhook_events": ["end"]}, "unknown event 'end'"),
        ({"webhook_url": "https://x.example", "webhook_token_env": "abc def"}, "name of an environment variable"),
        ({"webhook_url": "https://x.example", "webhook_job_id": ""}, "1 to 200 characters"),
        ({"webhook_token_env": "TOKEN"}, "a webhook has an address"),
        ({"webhook_events": ["group_end"]}, "a webhook has an address"),
    ],
)
def test_a_batch_takes_only_what_can_be_used(mill: Mill, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as refused:
        batches.create_batch(mill.settings, name="x", **options)
    assert words in str(refused.value)
    assert "pw" not in str(refused.value)
    assert "abc def" not in str(refused.value)
