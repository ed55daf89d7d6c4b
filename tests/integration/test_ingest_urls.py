"""Documents from the web: fetched from a real server, kept as copies, asked for again only where they changed."""

from __future__ import annotations

import contextlib
import shutil
import signal
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from certificates import certificate
from conftest import Mill, Working, wait_for
from docmill.domain.results import IngestResult
from docmill.errors import NotAllowedError, StorageError, UsageError
from docmill.service import documents, fetching, forgetting, ingesting, pruning, running, syncing
from docmill.settings import build
from docmill.sources import url
from docmill.stores.downloads import DownloadStore, sweep
from docmill.stores.state import State
from documents import make_pdf

PAGE = b"<!doctype html><html><head><title>Walnuts</title></head><body><h1>Walnuts</h1><p>A walnut is a nut.</p></body>"


@dataclass
class Page:
    """What the server answers for a path. ``cut``: fewer bytes are sent than are announced."""

    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200
    cut: int = 0
    answer: Callable[[BaseHTTPRequestHandler], None] | None = None


class Site:
    """A real server on loopback that knows ETags. ``asked`` holds path and headers of every request."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.holding, self.let_go = threading.Event(), threading.Event()
        self.at_once, self.most_at_once, self._lock = 0, 0, threading.Lock()
        site = self

        class Handler(BaseHTTPRequestHandler):
            def handle_one_request(self) -> None:
                with contextlib.suppress(OSError):  # whoever asked has hung up
                    super().handle_one_request()

            def do_GET(self) -> None:
                with site._lock:
                    site.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                    site.at_once += 1
                    site.most_at_once = max(site.most_at_once, site.at_once)
                try:
                    site._answer(self)
                finally:
                    with site._lock:
                        site.at_once -= 1

            def log_message(self, *_args: Any) -> None:
                """Tests are quiet."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        page = self.pages.get(handler.path.partition("?")[0], Page(b"not here", status=404))
        if page.answer is not None:
            page.answer(handler)
            return
        known = (handler.headers["If-None-Match"], handler.headers["If-Modified-Since"])
        same = any(said and said in known for said in (page.headers.get("ETag"), page.headers.get("Last-Modified")))
        handler.send_response(304 if same else page.status)
        for name, value in page.headers.items():
            handler.send_header(name, value)
        if not same:
            handler.send_header("Content-Length", str(len(page.body)))
        handler.end_headers()
        if not same:
            handler.wfile.write(page.body[: len(page.body) - page.cut])

    def hold(self, handler: BaseHTTPRequestHandler) -> None:
        """Keep whoever asks waiting, then answer with a page."""
        self.holding.set()
        self.let_go.wait(60)
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html")
        handler.send_header("Content-Length", str(len(PAGE)))
        handler.end_headers()
        handler.wfile.write(PAGE)

    def close(self) -> None:
        self.let_go.set()
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.close()


@pytest.fixture
def web(mill: Mill) -> Mill:
    """A home that may ask loopback."""
    mill.flags = {"allowed_hosts": ("127.0.0.1",)}
    return mill


def ingest(mill: Mill, *inputs: str, **options: Any) -> IngestResult:
    return ingesting.ingest(mill.settings, list(inputs), **options)


def copies(mill: Mill) -> list[Path]:
    return sorted(path for path in (mill.home / "downloads").rglob("*") if path.is_file())


def start(mill: Mill, batch: int | None) -> None:
    running.start(mill.settings, mill.reporter, str(batch), overrides=list(mill.overrides))


def test_a_page_is_fetched_processed_and_shown(web: Mill, site: Site) -> None:
    site.pages["/nuts"] = Page(PAGE, {"Content-Type": "text/html; charset=utf-8", "ETag": '"1"'})
    result = ingest(web, f"HTTP://127.0.0.1:{site.port}/nuts#oil", meta=["shelf=12"])
    assert (result.source, [file.uri for file in result.files]) == ("web", [f"{site.url}/nuts"])
    assert (result.counts.new, result.errors) == (1, [])
    start(web, result.batch_id)
    assert web.found("walnut") == [f"{site.url}/nuts"]
    [row] = web.rows()
    assert row["title"] == "Walnuts"
    shown = documents.show_document(web.settings, f"{site.url}/nuts")
    assert [Path(shown.path)] == copies(web)
    assert (Path(shown.path).read_bytes(), Path(shown.path).suffix) == (PAGE, ".html")
    assert shown.metadata == {"shelf": "12"}
    assert shown.origin is not None
    assert (shown.origin["url"], shown.origin["etag"]) == (f"{site.url}/nuts", '"1"')
    assert "last_modified" not in shown.origin and shown.origin["fetched_at"].endswith("Z")


@pytest.mark.parametrize(
    ("path", "headers", "suffix"),
    [
        ("/a/report.md", {"Content-Type": "text/plain"}, ".md"),
        ("/a/report.md", {"Content-Type": "text/html"}, ".html"),  # a page about the file
        ("/get", {"Content-Type": "application/pdf"}, ".pdf"),
        ("/get.php", {"Content-Type": "application/json"}, ".json"),
        ("/2301.12345", {"Content-Type": "text/markdown"}, ".md"),
        ("/get", {"Content-Disposition": 'attachment; filename="list.csv"'}, ".csv"),
        ("/get", {"Content-Type": "application/octet-stream"}, ""),
        ("/x%2Ey/..%2Fz.%41", {}, ".a"),
    ],
)
def test_what_a_copy_is_called(web: Mill, site: Site, path: str, headers: dict[str, str], suffix: str) -> None:
    site.pages[path] = Page(b"- nuts\n", headers)
    result = ingest(web, site.url + path)
    assert (result.counts.new, result.errors) == (1, [])
    [copy] = copies(web)
    assert copy.suffix == suffix
    assert web.value("SELECT suffix FROM document") == suffix


def test_the_name_that_a_redirect_leads_to(web: Mill, site: Site) -> None:
    site.pages["/latest"] = Page(status=302, headers={"Location": "/v2/report.csv?key=secret"})
    site.pages["/v2/report.csv"] = Page(b"a,b\n1,2\n", {"ETag": '"v2"'})
    result = ingest(web, f"{site.url}/latest")
    assert [file.uri for file in result.files] == [f"{site.url}/latest"]
    [copy] = copies(web)
    assert copy.suffix == ".csv"
    assert "secret" not in web.value("SELECT origin FROM document")


@pytest.mark.parametrize(
    ("stated", "sent"),
    [
        ({"ETag": 'W/"7"'}, ("if-none-match", 'W/"7"')),
        ({"Last-Modified": "Sat, 21 Nov 2020 10:00:00 GMT"}, ("if-modified-since", "Sat, 21 Nov 2020 10:00:00 GMT")),
    ],
)
def test_what_has_not_changed_is_not_fetched_again(
    web: Mill, site: Site, stated: dict[str, str], sent: tuple[str, str]
) -> None:
    site.pages["/a.txt"] = Page(b"One.\n", stated)
    ingest(web, f"{site.url}/a.txt")
    [copy] = copies(web)
    before, row = copy.stat(), web.state("SELECT * FROM document")
    again = ingest(web, f"{site.url}/a.txt")
    assert (again.counts.unchanged, again.errors) == (1, [])
    assert sent in site.asked[1][1].items()
    assert (copy.stat(), web.state("SELECT * FROM document")) == (before, row), "nothing is written"
    copy.unlink()
    assert ingest(web, f"{site.url}/a.txt").counts.unchanged == 1
    assert sent[0] not in site.asked[2][1], "a copy that is gone is fetched, whatever the server knows"
    assert copy.read_bytes() == b"One.\n"


def test_a_change_is_a_new_version_and_the_old_copy_goes(web: Mill, site: Site) -> None:
    site.pages["/a.txt"] = Page(b"A walnut.\n", {"ETag": '"1"'})
    first = ingest(web, f"{site.url}/a.txt")
    start(web, first.batch_id)
    site.pages["/a.txt"] = Page(b"A hazel.\n", {"ETag": '"2"'})
    assert ingest(web, f"{site.url}/a.txt").counts.changed == 1
    assert [copy.read_bytes() for copy in copies(web)] == [b"A hazel.\n"]
    assert web.found("walnut") == [f"{site.url}/a.txt"], "until the new version is processed"
    start(web, first.batch_id)
    assert (web.found("hazel"), web.found("walnut")) == ([f"{site.url}/a.txt"], [])
    site.pages["/a.txt"].headers["ETag"] = '"3"'
    assert ingest(web, f"{site.url}/a.txt").counts.unchanged == 1, "the same bytes, sent again"
    ingest(web, f"{site.url}/a.txt")
    assert [headers.get("if-none-match") for _path, headers in site.asked] == [None, '"1"', '"2"', '"3"']


def test_another_type_of_the_same_bytes_is_a_change(web: Mill, site: Site) -> None:
    site.pages["/a"] = Page(b"# Nuts\n", {"Content-Type": "text/plain"})
    ingest(web, f"{site.url}/a")
    site.pages["/a"] = Page(b"# Nuts\n", {"Content-Type": "text/markdown"})
    assert ingest(web, f"{site.url}/a").counts.changed == 1
    assert [copy.suffix for copy in copies(web)] == [".md"]


def test_a_moved_home_works_offline(web: Mill, site: Site, tmp_path: Path) -> None:
    site.pages["/a.txt"] = Page(b"A walnut.\n")
    made = ingest(web, f"{site.url}/a.txt")
    site.close()
    moved = Mill(tmp_path / "elsewhere")
    shutil.move(web.home, moved.home)
    start(moved, made.batch_id)
    assert moved.found("walnut") == [f"{site.url}/a.txt"]
    assert str(moved.home) in documents.show_document(moved.settings, f"{site.url}/a.txt").path


def test_each_failure_is_typed_and_the_rest_goes_on(web: Mill, site: Site) -> None:
    web.flags |= {"download_max_bytes": 1000, "download_timeout_s": 2}
    site.pages |= {
        "/good.txt": Page(b"Good.\n"),
        "/gone.txt": Page(status=410),
        "/denied.txt": Page(status=403),
        "/broken.txt": Page(status=503),
        "/cut.txt": Page(b"Only a part of it arrives.\n", cut=5),
        "/large.txt": Page(b"x" * 1001),
        "/endless.txt": Page(answer=_endless),
        "/packed.txt": Page(b"\x1f\x8b", {"Content-Encoding": "gzip"}),
        "/slow.txt": Page(answer=site.hold),
        "/round.txt": Page(status=302, headers={"Location": "/round.txt"}),
        "/inside.txt": Page(status=302, headers={"Location": "http://10.0.0.7/x.txt"}),
        "/loose.txt": Page(status=302, headers={"Location": "file:///etc/passwd"}),
    }
    names = [name for name in site.pages if name != "/good.txt"]
    result = ingest(
        web, *(site.url + name for name in (*names, "/none.txt", "/good.txt")), "ftp://example.org/x", "http://a:b@c/"
    )
    assert {error.uri.removeprefix(site.url): error.error_code for error in result.errors} == {
        "/gone.txt": "FILE_NOT_FOUND",
        "/none.txt": "FILE_NOT_FOUND",
        "/denied.txt": "PERMISSION_DENIED",
        "/broken.txt": "FETCH_FAILED",
        "/cut.txt": "FETCH_FAILED",
        "/packed.txt": "FETCH_FAILED",
        "/slow.txt": "FETCH_FAILED",
        "/large.txt": "FILE_TOO_LARGE",
        "/endless.txt": "FILE_TOO_LARGE",
        "/round.txt": "ADDRESS_REFUSED",
        "/inside.txt": "ADDRESS_REFUSED",
        "/loose.txt": "ADDRESS_REFUSED",
        "ftp://example.org/x": "ADDRESS_REFUSED",
        "http://***@c/": "ADDRESS_REFUSED",
    }
    assert (result.counts.new, result.counts.failed) == (1, 14)
    assert [copy.read_bytes() for copy in copies(web)] == [b"Good.\n"], "nothing is left of what failed"


def _endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _each in range(100_000):
        handler.wfile.write(b"x" * 1000)


def test_a_server_that_nobody_vouches_for(web: Mill, tmp_path: Path) -> None:
    """A real TLS server with a certificate that it made itself."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path, "127.0.0.1"))
    http.socket = context.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    try:
        [error] = ingest(web, f"https://127.0.0.1:{http.server_address[1]}/a.txt").errors
        assert error.error_code == "FETCH_FAILED"
        assert "CERTIFICATE_VERIFY_FAILED" in error.error_message
    finally:
        http.shutdown()
        http.server_close()


def test_loopback_is_not_asked_unless_it_is_allowed(mill: Mill, site: Site) -> None:
    [error] = ingest(mill, f"{site.url}/a.txt").errors
    assert (error.error_code, site.asked) == ("ADDRESS_REFUSED", [])


def test_what_is_gone_from_the_web_stays(web: Mill, site: Site) -> None:
    site.pages["/a.txt"] = Page(b"A walnut.\n")
    first = ingest(web, f"{site.url}/a.txt")
    start(web, first.batch_id)
    del site.pages["/a.txt"]
    result = ingest(web, f"{site.url}/a.txt")
    assert [error.error_code for error in result.errors] == ["FILE_NOT_FOUND"]
    assert "stays" in str(result.errors[0].hint)
    assert (web.found("walnut"), len(copies(web))) == ([f"{site.url}/a.txt"], 1)


def test_many_are_asked_four_at_a_time_each_once(web: Mill, site: Site) -> None:
    site.pages |= {f"/{number}.txt": Page(b"Number %d.\n" % number) for number in range(40)}
    given = [f"{site.url}/{number}.txt" for number in range(40)]
    result = ingest(web, "-", stdin=[f"{each}\n" for each in (*given, given[39])])
    assert [file.uri for file in result.files] == [*given, given[39]]
    assert (result.counts.new, result.counts.unchanged) == (40, 1)
    assert len(site.asked) == 40
    assert site.most_at_once <= fetching.AT_ONCE


def test_files_and_addresses_go_to_sources_of_their_own(web: Mill, site: Site) -> None:
    site.pages["/a.txt"] = Page(b"From the web.\n")
    path = web.write("b.txt", "From the disk.\n")
    result = ingest(web, str(path), f"{site.url}/a.txt", priority="high")
    assert [(target.source, target.batch_id) for target in result.targets] == [("files", 1), ("web", 2)]
    assert {file.uri: file.source for file in result.files} == {str(path): "files", f"{site.url}/a.txt": "web"}
    assert web.state("SELECT priority FROM batch") == [("high",), ("high",)]
    both = ingest(web, str(path), f"{site.url}/a.txt", source="mixed")
    assert [target.source for target in both.targets] == ["mixed"]
    assert both.counts.duplicate == 2


def test_an_address_is_not_put_where_a_sync_would_delete_it(web: Mill, site: Site) -> None:
    site.pages["/a.txt"] = Page(b"From the web.\n")
    web.write("b.txt", "From the disk.\n")
    web.sync(source="web")
    [error] = ingest(web, f"{site.url}/a.txt", source="web").errors
    assert (error.error_code, site.asked) == ("ADDRESS_REFUSED", [])
    assert ingest(web, f"{site.url}/a.txt").source == "web-2"
    assert ingest(web, f"{site.url}/a.txt").source == "web-2"
    with pytest.raises(NotAllowedError):
        syncing.sync(web.settings, web.reporter, [web.folder], source="web-2")
    web.sync()
    assert web.value("SELECT COUNT(*) FROM document WHERE state = 'active'") == 2


def test_filters_of_a_batch_hold_for_addresses(web: Mill, site: Site) -> None:
    from docmill.service import batches

    batches.create_batch(web.settings, name="new", filter_types=["txt"], created_after="2020-01-01")
    site.pages |= {
        "/a.txt": Page(b"Counts.\n", {"Last-Modified": "Sat, 21 Nov 2020 10:00:00 GMT"}),
        "/b.md": Page(b"Another type.\n"),
        "/c.txt": Page(b"Too old.\n", {"Last-Modified": "Thu, 21 Nov 2019 10:00:00 GMT"}),
    }
    result = ingest(web, *(site.url + path for path in site.pages), batch="new")
    assert ([file.uri for file in result.files], result.counts.ignored) == ([f"{site.url}/a.txt"], 2)
    assert len(copies(web)) == 1, "what was not wanted is not kept"


def test_a_deleted_documents_copy_goes_with_it(web: Mill, site: Site) -> None:
    site.pages |= {"/a.txt": Page(b"The same.\n", {"ETag": '"1"'}), "/b.txt": Page(b"The same.\n")}
    ingest(web, f"{site.url}/a.txt", f"{site.url}/b.txt")
    assert len(copies(web)) == 1, "two addresses, the same bytes"
    assert forgetting.delete_document(web.settings, f"{site.url}/b.txt").bytes_freed == 0
    assert len(copies(web)) == 1
    would = forgetting.delete_document(web.settings, f"{site.url}/a.txt", dry_run=True)
    assert (would.bytes_freed, len(copies(web))) == (10, 1)
    assert forgetting.delete_document(web.settings, f"{site.url}/a.txt").bytes_freed == 10
    assert copies(web) == []
    again = ingest(web, f"{site.url}/a.txt")
    assert (again.errors, len(copies(web))) == ([], 1)
    assert site.asked[-1][1].get("if-none-match") is None
    pruning.delete_batch(web.settings, str(again.batch_id), with_documents=True)
    assert copies(web) == []


def test_killed_between_the_copy_and_the_state(web: Mill, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.pages["/a.txt"] = Page(b"A walnut.\n", {"ETag": '"1"'})
    first = ingest(web, f"{site.url}/a.txt")
    site.pages["/a.txt"] = Page(b"A hazel.\n", {"ETag": '"2"'})
    monkeypatch.setenv("DOCMILL_FAILPOINTS", "state.commit.before=kill@2")
    process = web.process(
        f"from docmill.service import ingesting\ningesting.ingest(mill.settings, ['{site.url}/a.txt'])"
    )
    assert process.wait(60) == -signal.SIGKILL
    process.communicate()
    assert {copy.read_bytes() for copy in copies(web)} == {b"A walnut.\n", b"A hazel.\n"}
    start(web, first.batch_id)
    assert web.found("walnut") == [f"{site.url}/a.txt"], "what state.db tells of is still there"
    assert ingest(web, f"{site.url}/a.txt").counts.changed == 1
    assert [copy.read_bytes() for copy in copies(web)] == [b"A hazel.\n"]


def test_a_sweep_takes_what_nobody_leads_to_and_an_ingest_notices(
    web: Mill, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy that is fetched, and swept before it is made known, is fetched once more."""
    site.pages["/a.txt"] = Page(b"A walnut.\n")
    state, keep, swept = State(web.home), DownloadStore.keep, []

    def keep_and_sweep(self: DownloadStore, *args: Any) -> Path:
        path = keep(self, *args)
        if not swept:
            swept.append(sweep(web.home, state))
        return path

    monkeypatch.setattr(DownloadStore, "keep", keep_and_sweep)
    result = ingest(web, f"{site.url}/a.txt")
    state.close()
    assert (swept, result.counts.new, len(site.asked), len(copies(web))) == ([10], 1, 2, 1)


def test_two_shells_that_ingest_the_same(web: Mill, site: Site) -> None:
    site.pages["/a.txt"] = Page(answer=site.hold)
    one, two = (Working(lambda: ingest(web, f"{site.url}/a.txt")) for _each in range(2))
    wait_for(lambda: len(site.asked) == 2)
    site.let_go.set()
    outcomes = sorted(each.result().files[0].outcome for each in (one, two))
    assert outcomes == ["new", "unchanged"]
    assert (web.value("SELECT COUNT(*) FROM document"), len(copies(web))) == (1, 1)


def test_control_c_ends_it_at_once_and_leaves_nothing_half(web: Mill, site: Site) -> None:
    site.pages |= {"/a.txt": Page(b"Written before.\n"), "/slow.html": Page(answer=site.hold)}
    process = web.process(
        "from docmill.service import ingesting\n"
        f"ingesting.ingest(mill.settings, ['{site.url}/a.txt'])\n"
        f"ingesting.ingest(mill.settings, ['{site.url}/a.txt', '{site.url}/slow.html'])"
    )
    assert site.holding.wait(60)
    process.send_signal(signal.SIGINT)
    _out, errors = process.communicate(timeout=60)
    assert process.returncode != 0 and "KeyboardInterrupt" in errors
    assert not site.let_go.is_set(), "it did not wait for the server"
    assert [copy.read_bytes() for copy in copies(web)] == [b"Written before.\n"]
    assert web.value("SELECT COUNT(*) FROM document") == 1


def test_a_full_disk_ends_it_with_a_reason(web: Mill, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.pages["/a.txt"] = Page(b"A walnut.\n")

    def full(*_args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(DownloadStore, "keep", full)
    with pytest.raises(StorageError, match="full"):
        ingest(web, f"{site.url}/a.txt")
    assert copies(web) == []


def test_addresses_are_one_where_they_mean_the_same() -> None:
    same = ["HTTPS://Example.ORG:443/a b".replace(" ", "%20"), "https://example.org/a%20b#part"]
    assert {url.normalised(each) for each in same} == {"https://example.org/a%20b"}
    assert url.normalised("http://example.org") == "http://example.org/"
    assert url.normalised("http://example.org:8080/?q=1") == "http://example.org:8080/?q=1"
    assert not url.is_address("notes/http://x") and url.is_address("ftp://x")


def test_limits_are_settings() -> None:
    with pytest.raises(Exception, match="download_max_bytes"):
        build(download_max_bytes=0)


def test_a_pdf_without_a_name(web: Mill, site: Site, tmp_path: Path) -> None:
    made = make_pdf(tmp_path / "paper.pdf")
    site.pages["/paper"] = Page(made.read_bytes(), {"Content-Type": "application/pdf"})
    result = ingest(web, f"{site.url}/paper")
    start(web, result.batch_id)
    shown = documents.show_document(web.settings, f"{site.url}/paper")
    assert (shown.document.type, shown.document.status) == ("pdf", "completed")


def test_nothing_is_made_where_nothing_came(web: Mill, site: Site) -> None:
    result = ingest(web, "ftp://example.org/x")
    assert (result.batch_id, result.source, result.targets) == (None, None, [])
    assert web.value("SELECT COUNT(*) FROM batch") == 0
    with pytest.raises(UsageError):
        ingest(web, "-", stdin=["\n"])
