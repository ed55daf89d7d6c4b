"""Calls one handler, a webhook, a command or the writing of a report, and says what came of it. Writes no state.

What is returned can be logged: it holds no token, no secret, no path of an address and no argument of a command.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from docmill import __version__, privacy
from docmill.domain.workflow import AnyHandler, CommandHandler, ReportHandler, WebhookHandler
from docmill.errors import DocmillError, RunGroupNotFound
from docmill.web import Refused, Unreachable, Web, parse

OUTPUT_CHARS = 400  # of what a command prints, the last of it
MOST_SECRET_BYTES = 8192
_PASSING = frozenset({408, 425, 429})  # client errors that may pass by themselves
_LOOK_SECONDS = 0.05
_SHELL_REFUSALS = {126: "the shell may not run it", 127: "the shell does not find it"}


@dataclass(frozen=True, slots=True)
class Parcel:
    """One delivery: what is told (``payload``, JSON), of which event, and the key that it has in every try."""

    id: int
    key: str
    event: str
    payload: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """``error`` None: taken. ``lasting``: another try would end the same way. ``unreached``: nobody answered at all.

    retry_after: seconds that the receiver asked for. note: what a command printed, or where a report lies.
    """

    error: str | None = None
    lasting: bool = False
    unreached: bool = False
    retry_after: float | None = None
    note: str | None = None


class _NoSecret(Exception):
    """A token or secret is not where the handler says."""


class Caller:
    """Calls handlers, from several threads. ``stop`` ends the commands that are under way."""

    def __init__(self, home: Path, allowed_hosts: Collection[str]) -> None:
        self._home = home
        self._web = Web(allowed_hosts)
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()

    def call(self, handler: AnyHandler, parcel: Parcel) -> Outcome:
        """Raises nothing that a handler or a receiver could bring about."""
        try:
            if isinstance(handler, WebhookHandler):
                return self._post(handler, parcel)
            if isinstance(handler, ReportHandler):
                return self._report(handler, parcel)
            return self._run(handler, parcel)
        except Exception as error:  # noqa: BLE001 - one delivery's surprise must not stop the others
            return Outcome(f"unexpected {type(error).__name__}")

    # ---- webhooks ----------------------------------------------------------------------------------------------------

    def _post(self, handler: WebhookHandler, parcel: Parcel) -> Outcome:
        body = parcel.payload.encode("utf-8", "backslashreplace")
        try:
            headers = {**_headers(parcel), **self._credentials(handler, body)}
            answer = self._web.request("POST", handler.url, headers=headers, body=body, timeout_s=handler.timeout_s)
        except (_NoSecret, Refused) as error:
            return Outcome(str(error), lasting=True)
        except Unreachable as error:
            return Outcome(str(error), unreached=True)
        if 200 <= answer.status < 300:
            return Outcome()
        lasting = answer.status < 500 and answer.status not in _PASSING
        said = f"{answer.url.origin} answers {answer.status}"
        return Outcome(said, lasting=lasting, retry_after=answer.retry_after)

    def _credentials(self, handler: WebhookHandler, body: bytes) -> dict[str, str]:
        headers = {}
        token = self._secret("token", handler.token_env, handler.token_file)
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        secret = self._secret("secret", handler.secret_env, handler.secret_file)
        if secret is not None:
            headers["X-Docmill-Signature"] = sign(body, secret, int(time.time()))
        return headers

    def _secret(self, what: str, variable: str | None, file: str | None) -> str | None:
        """Raises _NoSecret where it is not there, or could not be sent in a header."""
        if variable is not None:
            where, found = f"the variable {variable}", os.environ.get(variable, "")
        elif file is not None:
            path = self._home / Path(file).expanduser()
            where, found = f"the file {path}", _first_bytes(path)
        else:
            return None
        found = found.strip()
        if not found:
            raise _NoSecret(f"the {what} is not in {where}")
        if not (found.isascii() and found.isprintable()):
            raise _NoSecret(f"the {what} in {where} holds characters that cannot be sent")
        return found

    # ---- reports -----------------------------------------------------------------------------------------------------

    def _report(self, handler: ReportHandler, parcel: Parcel) -> Outcome:
        from docmill.service import reporting

        group_id = json.loads(parcel.payload)["run_group_id"]
        folder = self._home / Path(handler.folder).expanduser() if handler.folder is not None else None
        try:
            return Outcome(note=str(reporting.write_of_group(self._home, group_id, folder)))
        except RunGroupNotFound:  # deleted since, and nobody asks for it any more
            return Outcome()
        except DocmillError as error:
            return Outcome(error.message)

    # ---- commands ----------------------------------------------------------------------------------------------------

    def _run(self, handler: CommandHandler, parcel: Parcel) -> Outcome:
        with tempfile.TemporaryFile() as stdin:  # a file: a command that does not read it must not block us
            stdin.write(parcel.payload.encode("utf-8", "backslashreplace"))
            stdin.seek(0)
            process = subprocess.Popen(  # noqa: S602 - a shell command is what the user's own workflow asks for
                handler.command,
                shell=True,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=self._home,
                env={**os.environ, **_variables(self._home, parcel)},
                start_new_session=True,
                umask=privacy.users_umask(),
            )
        with process:
            assert process.stdout is not None
            output = _Tail(process.stdout)
            ended = self._wait(process, handler.timeout_s)
            note = output.text()
        if not ended:
            return Outcome(f"not done after {handler.timeout_s:g} s, killed", note=note)
        code = process.returncode
        if code == 0:
            return Outcome(note=note)
        what = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        refused = _SHELL_REFUSALS.get(code)
        return Outcome(f"{what}: {refused}" if refused else what, lasting=refused is not None, note=note)

    def _wait(self, process: subprocess.Popen[bytes], seconds: float) -> bool:
        """False where it had to be killed, and all that it had started with it."""
        deadline = time.monotonic() + seconds
        while process.poll() is None:
            if self._stopped.is_set() or time.monotonic() > deadline:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return False
            self._stopped.wait(_LOOK_SECONDS)
        return True


def told_name(handler: AnyHandler) -> str:
    """A handler's name in logs: the origin of an address, the first word of a command."""
    if isinstance(handler, ReportHandler):
        return "report"
    if isinstance(handler, WebhookHandler):
        try:
            return f"webhook {parse(handler.url).origin}"
        except Refused:
            return "webhook"
    return f"command {handler.command.split(maxsplit=1)[0][:60] if handler.command.strip() else ''}"


def sign(body: bytes, secret: str, at: int) -> str:
    """The signature header of a body that is sent at a Unix time: HMAC-SHA256 (RFC 2104) of ``<at>.<body>``."""
    digest = hmac.new(secret.encode("utf-8"), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def _headers(parcel: Parcel) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "User-Agent": f"docmill/{__version__}",
        "Idempotency-Key": parcel.key,
        "X-Docmill-Event": parcel.event,
        "X-Docmill-Sequence": str(parcel.id),
    }


def _variables(home: Path, parcel: Parcel) -> dict[str, str]:
    told = json.loads(parcel.payload)
    values: dict[str, Any] = {
        "HOME": home,
        "EVENT": parcel.event,
        "BATCH_ID": told.get("batch_id"),
        "RUN_GROUP_ID": told.get("run_group_id"),
        "RUN_ID": told.get("run_id"),
        "STATUS": told.get("status"),
        "URI": (told.get("document") or {}).get("uri"),
        "IDEMPOTENCY_KEY": parcel.key,
        "SEQUENCE": parcel.id,
    }
    return {f"DOCMILL_{name}": "" if value is None else str(value) for name, value in values.items()}


def _first_bytes(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(MOST_SECRET_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


class _Tail:
    """Reads what a command prints for as long as it prints, and keeps the end of it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._kept = b""
        self._stream = stream
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(ValueError, OSError):  # closed under us, as something it left running holds the pipe
            while part := os.read(self._stream.fileno(), 65_536):
                self._kept = (self._kept + part)[-4 * OUTPUT_CHARS :]

    def text(self) -> str | None:
        self._thread.join(1.0)
        return self._kept.decode("utf-8", "replace").strip()[-OUTPUT_CHARS:] or None
