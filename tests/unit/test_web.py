"""The rules for asking the web: which addresses are fit, whom they may lead to, and what an answer may cost."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from certificates import certificate
from docmill import settings
from docmill.errors import SettingsError
from docmill.web import Refused, Unreachable, Web, is_public, parse

PUBLIC, PRIVATE = "93.184.216.34", "10.0.0.7"

Answering = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """A real server on loopback. ``asked`` holds method, path and headers of every request."""

    def __init__(self, answer: Answering) -> None:
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def handle_one_request(self) -> None:
                with contextlib.suppress(OSError):  # whoever asked has hung up
                    super().handle_one_request()

            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                self.body = self.rfile.read(length)
                server.asked.append((self.command, self.path, dict(self.headers)))
                answer(self)

            do_POST = do_GET  # noqa: N815 - the name that http.server calls

            def log_message(self, *_args: Any) -> None:
                """Tests are quiet."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def serve() -> Iterator[Callable[[Answering], Server]]:
    servers: list[Server] = []

    def start(answer: Answering) -> Server:
        servers.append(Server(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def reply(status: int, body: bytes = b"", **headers: str) -> Answering:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def names(**hosts: Sequence[str]) -> Callable[[str, int], Sequence[str]]:
    """A resolver that knows these names, written with _ for each dot."""
    known = {name.replace("_", "."): addresses for name, addresses in hosts.items()}

    def resolve(host: str, _port: int) -> Sequence[str]:
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return known[host]

    return resolve


@pytest.mark.parametrize(
    ("url", "origin", "target"),
    [
        ("https://example.org", "https://example.org", "/"),
        ("HTTPS://Example.ORG:443/a?b=c#d", "https://example.org", "/a?b=c"),
        ("http://example.org.:8080/ä/%41", "http://example.org:8080", "/%C3%A4/%41"),
        ("http://bücher.example/", "http://xn--bcher-kva.example", "/"),
        ("http://[2606:2800:220:1:0:0:0:1]:81/x", "http://[2606:2800:220:1::1]:81", "/x"),
    ],
)
def test_addresses_are_put_into_one_form(url: str, origin: str, target: str) -> None:
    assert (parse(url).origin, parse(url).target) == (origin, target)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://example.org",
        "//example.org/",
        "example.org",
        "",
        "http:///path",
        "http://",
        "http://ada:secret@example.org/",
        "http://ada@example.org/",
        "http://@example.org/",
        "http://exam ple.org/",
        "http://example.org/a b",
        "http://example.org/\r\nHost: x",
        "http://example.org\\@10.0.0.7/",
        "http://example.org:0/",
        "http://example.org:99999/",
        "http://example.org:http/",
        "http://[::1/",
        "http://[fe80::1%25eth0]/",
        "http://-x/",
        "http://a..b\u3002\u3002/",
    ],
)
def test_unfit_addresses_are_refused(url: str) -> None:
    with pytest.raises(Refused):
        parse(url)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "10.0.0.7",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "198.18.0.1",
        "::",
        "::1",
        "::7f00:1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:a9fe:a9fe",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::808:808",
        "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "2606:2800:220:1::1", "::ffff:8.8.8.8", "2002:808:808::1"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "addresses", [[PRIVATE], [PUBLIC, PRIVATE], [PRIVATE, PUBLIC], ["2606:2800:220:1::1", "::1"], ["::ffff:10.0.0.7"]]
)
def test_a_name_with_any_private_address_is_refused(addresses: list[str]) -> None:
    web = Web(resolver=names(hook_example=addresses))
    with pytest.raises(Refused, match=r"hook\.example leads to an address that is not public"):
        web.request("POST", "http://hook.example/", timeout_s=5)


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "0177.0.0.1", "0", "localhost", "[::1]"])
def test_other_ways_to_write_this_machine_are_refused(host: str) -> None:
    """The system's own resolver knows what these mean; none needs the network."""
    with pytest.raises(Refused, match="not public"):
        Web(["127.0.0.1"]).request("GET", f"http://{host}/", timeout_s=5)


@pytest.mark.parametrize(
    ("allowed", "let"),
    [
        (["hook.example"], True),
        ([" HOOK.example "], True),
        (["hook.example:{port}"], True),
        (["hook.example:1"], False),
        (["example"], False),
        (["127.0.0.1"], False),
        ([], False),
    ],
)
def test_an_allowed_host_may_be_private(serve: Any, allowed: list[str], let: bool) -> None:
    server = serve(reply(204))
    web = Web([each.format(port=server.port) for each in allowed], resolver=names(hook_example=["127.0.0.1"]))
    url = f"http://hook.example:{server.port}/x"
    if let:
        assert web.request("POST", url, body=b"{}", timeout_s=5).status == 204
        assert server.asked[0][2]["Host"] == f"hook.example:{server.port}"
    else:
        with pytest.raises(Refused):
            web.request("POST", url, timeout_s=5)
        assert server.asked == []


def test_a_name_is_resolved_once_and_its_addresses_tried_in_order(serve: Any) -> None:
    """A name that leads elsewhere the second time gains nothing; an address that is dead is passed over."""
    server, looks = serve(reply(200, b"here")), []

    def resolve(host: str, _port: int) -> list[str]:
        looks.append(host)
        return ["127.0.0.2", "127.0.0.1"] if len(looks) == 1 else [PRIVATE]

    answer = Web(["hook.example"], resolver=resolve).request("GET", f"http://hook.example:{server.port}/", timeout_s=5)
    assert (answer.body, looks) == (b"here", ["hook.example"])


def test_names_that_are_not_there() -> None:
    with pytest.raises(Unreachable, match=r"nowhere\.example cannot be resolved"):
        Web(resolver=names()).request("GET", "http://nowhere.example/secret", timeout_s=5)
    with pytest.raises(Unreachable, match="has no address"):
        Web(resolver=names(empty_example=[])).request("GET", "http://empty.example/", timeout_s=5)


def test_a_resolver_that_hangs_does_not_hang_the_request() -> None:
    never = threading.Event()

    def resolve(_host: str, _port: int) -> list[str]:
        never.wait()
        return []

    with pytest.raises(Unreachable, match="not resolved in time"):
        Web(resolver=resolve).request("GET", "http://slow.example/", timeout_s=0.05)
    never.set()


def test_redirects_are_followed_and_checked_each_time(serve: Any) -> None:
    inner = serve(reply(200, b"the inner one"))
    outer = serve(reply(302, Location=f"http://inner.example:{inner.port}/metadata"))
    resolver = names(outer_example=["127.0.0.1"], inner_example=["127.0.0.1"])
    url = f"http://outer.example:{outer.port}/"
    with pytest.raises(Refused, match=r"inner\.example leads to an address that is not public"):
        Web(["outer.example"], resolver=resolver).request("GET", url, timeout_s=5)
    assert inner.asked == []
    headers = {"Authorization": "Bearer x", "X-Other": "y"}
    both = Web(["outer.example", "inner.example"], resolver=resolver)
    assert both.request("GET", url, headers=headers, timeout_s=5).body == b"the inner one"
    assert outer.asked[-1][2]["Authorization"] == "Bearer x"
    assert "Authorization" not in inner.asked[0][2], "the token went to another server"
    assert inner.asked[0][2]["X-Other"] == "y"


def test_redirects_end(serve: Any) -> None:
    server = serve(reply(307, Location="/again", **{"Set-Cookie": "a=b"}))
    with pytest.raises(Refused, match="more than 3 redirects"):
        Web(["127.0.0.1"]).request("GET", server.url, timeout_s=5)
    assert [path for _method, path, _headers in server.asked] == ["/", "/again", "/again", "/again"]
    assert not any("Cookie" in headers for _method, _path, headers in server.asked)


@pytest.mark.parametrize("location", ["file:///etc/passwd", "http://ada:x@127.0.0.1/", "http://[/"])
def test_redirects_to_unfit_addresses_are_refused(serve: Any, location: str) -> None:
    server = serve(reply(307, Location=location))
    with pytest.raises(Refused):
        Web(["127.0.0.1"]).request("GET", server.url, timeout_s=5)


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_redirect_that_would_lose_the_body_is_refused(serve: Any, status: int) -> None:
    server = serve(reply(status, Location="/other"))
    with pytest.raises(Refused, match="would lose what is sent"):
        Web(["127.0.0.1"]).request("POST", server.url, body=b"{}", timeout_s=5)
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_that_repeats_the_body_is_followed(serve: Any, status: int) -> None:
    bodies = []

    def answer(handler: Any) -> None:
        bodies.append(handler.body)
        reply(status, Location="/other")(handler) if handler.path == "/" else reply(200)(handler)

    server = serve(answer)
    assert Web(["127.0.0.1"]).request("POST", server.url, body=b"[1]", timeout_s=5).status == 200
    assert bodies == [b"[1]", b"[1]"]


def test_an_answer_is_cut_at_its_most_bytes(serve: Any) -> None:
    server = serve(reply(200, b"x" * 300_000))
    answer = Web(["127.0.0.1"]).request("GET", server.url, timeout_s=5, most_bytes=1000)
    assert (len(answer.body), answer.whole) == (1000, False)
    whole = Web(["127.0.0.1"]).request("GET", server.url, timeout_s=5, most_bytes=300_000)
    assert (len(whole.body), whole.whole) == (300_000, True)


@pytest.mark.parametrize("part", [b"HTTP/1.1 200 OK\r\nX-", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"])
def test_a_server_that_drips_gets_no_more_time(serve: Any, part: bytes) -> None:
    """One byte now and then, in the headers or in the body, keeps every single read alive."""
    ended = threading.Event()

    def drip(handler: Any) -> None:
        handler.wfile.write(part)
        while not ended.wait(0.01):
            handler.wfile.write(b"a")
            handler.wfile.flush()

    server = serve(drip)
    with pytest.raises(Unreachable, match="did not answer in time"):
        Web(["127.0.0.1"]).request("GET", server.url, timeout_s=0.3)
    ended.set()


def test_nobody_there_and_no_http(serve: Any) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(Unreachable, match=f"http://127.0.0.1:{port} cannot be reached"):
        Web(["127.0.0.1"]).request("GET", f"http://127.0.0.1:{port}/secret-path", timeout_s=5)
    server = serve(lambda handler: handler.wfile.write(b"SSH-2.0-OpenSSH\r\n\r\n"))
    with pytest.raises(Unreachable, match="does not answer in HTTP"):
        Web(["127.0.0.1"]).request("GET", server.url, timeout_s=5)


def test_what_cannot_be_sent_is_refused_without_being_told(serve: Any) -> None:
    server = serve(reply(200))
    with pytest.raises(Refused) as refused:
        Web(["127.0.0.1"]).request("GET", server.url, headers={"X-Secret": "tell\r\nnobody"}, timeout_s=5)
    assert "nobody" not in str(refused.value)
    assert server.asked == []


def test_no_proxy_is_taken_from_the_environment(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, server = serve(reply(502)), serve(reply(200))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    assert Web(["127.0.0.1"]).request("GET", server.url, timeout_s=5).status == 200
    assert proxy.asked == []


def test_certificates_are_checked_against_the_name(serve: Any, tmp_path: Path) -> None:
    file, server = certificate(tmp_path, "hook.example"), serve(reply(200, b"sealed"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    server.http.socket = context.wrap_socket(server.http.socket, server_side=True)
    resolver = names(hook_example=["127.0.0.1"], other_example=["127.0.0.1"])
    web = Web(["hook.example", "other.example"], resolver=resolver)
    with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
        web.request("GET", f"https://hook.example:{server.port}/", timeout_s=5)
    web._tls.load_verify_locations(file)
    assert web.request("GET", f"https://hook.example:{server.port}/", timeout_s=5).body == b"sealed"
    with pytest.raises(Unreachable, match=r"not valid for 'other\.example'"):
        web.request("GET", f"https://other.example:{server.port}/", timeout_s=5)


def test_encryption_is_not_given_up_by_a_redirect() -> None:
    from docmill.web.rules import redirected

    start = parse("https://hook.example/a")
    assert redirected(start, "/b").target == "/b"
    with pytest.raises(Refused, match="without encryption"):
        redirected(start, "http://hook.example/b")


@pytest.mark.parametrize(
    ("given", "hosts"),
    [
        ("", ()),
        ("[]", ()),
        ("hook.example", ("hook.example",)),
        (" Hook.example , 10.0.0.7:8080 ", ("hook.example", "10.0.0.7:8080")),
        ('["hook.example", "[::1]:8080"]', ("hook.example", "[::1]:8080")),
        ("[::1]:8080", ("[::1]:8080",)),
    ],
)
def test_allowed_hosts_from_the_environment(
    given: str, hosts: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCMILL_ALLOWED_HOSTS", given)
    assert settings.build().allowed_hosts == hosts


@pytest.mark.parametrize("given", ["http://hook.example/", "a b", '["a", ""]', '["a"'])
def test_what_is_no_host_is_refused(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCMILL_ALLOWED_HOSTS", given)
    with pytest.raises(SettingsError, match="allowed_hosts"):
        settings.build()
