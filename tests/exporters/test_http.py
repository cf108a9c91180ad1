"""The exporter's pages over real sockets."""

import gzip
import http.client
import logging
import re
import socket
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from core.snapshot import Snapshot
from core.targets import QueueTarget
from exporters.exposition import OPENMETRICS, PROMETHEUS_TEXT, render
from exporters.http import AddressError, ExporterServer, PortTakenError, Readiness

PATIENCE_SECONDS = 10.0  # only a test that fails waits this long
PLAIN = "text/plain; charset=utf-8"
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)


class Source:
    """Answers with what the test puts into it; an exception is raised."""

    def __init__(self, snapshot):
        self.now = snapshot
        self.ready = Readiness(ready=True)

    def snapshot(self):
        if isinstance(self.now, Exception):
            raise self.now
        return self.now

    def readiness(self):
        return self.ready

    def targets(self):
        return tuple(queue.target for queue in self.now.queues if queue.target)


@pytest.fixture
def source(busy):
    return Source(busy)


@pytest.fixture
def serve(source):
    """Start a server of the test's source; it is stopped in the end."""
    servers = []

    def start(host="127.0.0.1", port=0, **settings):
        servers.append(ExporterServer(host, port, source, **settings))
        servers[-1].start()
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def ask(server, path, method="GET", **headers):
    with open_client(server) as client:
        client.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})
        response = client.getresponse()
        return SimpleNamespace(status=response.status, headers=response.headers, body=response.read())


def open_client(server):
    return closing(http.client.HTTPConnection(server.host, server.port, timeout=PATIENCE_SECONDS))


def connect(server):
    return socket.create_connection((server.host, server.port), timeout=PATIENCE_SECONDS)


def read_all(client):
    """All that comes until the server closes the connection."""
    return b"".join(iter(lambda: client.recv(65536), b""))


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (PROMETHEUS_2, OPENMETRICS),
        ("text/html, Application/OpenMetrics-Text ; q=0.9, */*; q=0.8", OPENMETRICS),
        ("application/openmetrics-text;q=0.2, text/plain", PROMETHEUS_TEXT),
        ("application/openmetrics-text;q=much", PROMETHEUS_TEXT),
        ("*/*", PROMETHEUS_TEXT),
        ("", PROMETHEUS_TEXT),
    ],
)
def test_metrics_come_in_the_format_asked_for(serve, busy, accept, content_type):
    page = ask(serve(), "/metrics?some=parameter", Accept=accept)

    assert (page.status, page.headers["Content-Type"]) == (200, content_type)
    assert page.body == render(busy, openmetrics=content_type == OPENMETRICS)


@pytest.mark.parametrize("accept_encoding", ["gzip", "br, GZIP;q=0.5"])
def test_a_page_is_compressed_for_who_takes_it(serve, busy, accept_encoding):
    page = ask(serve(), "/metrics", Accept_Encoding=accept_encoding)

    text = render(busy, openmetrics=False)
    assert (page.headers["Content-Encoding"], gzip.decompress(page.body)) == ("gzip", text)


@pytest.mark.parametrize("accept_encoding", ["identity", "gzip;q=0, br"])
def test_a_page_is_not_compressed_for_others(serve, busy, accept_encoding):
    page = ask(serve(), "/metrics", Accept_Encoding=accept_encoding)

    assert (page.headers["Content-Encoding"], page.body) == (None, render(busy, openmetrics=False))


def test_the_snapshot_comes_whole(serve, busy):
    page = ask(serve(), "/api/v1/snapshot", Accept_Encoding="gzip")

    assert page.headers["Content-Type"] == "application/json"
    assert msgspec.json.decode(gzip.decompress(page.body), type=Snapshot) == busy


def test_the_targets_in_force_come_as_rows(serve, source, build, mail_target):
    source.now = build.snapshot(queues=[build.queue("mail", target=mail_target), build.queue("undocumented")])

    page = ask(serve(), "/api/v1/targets")

    assert page.headers["Content-Type"] == "application/json"
    assert msgspec.json.decode(page.body, type=list[QueueTarget]) == [mail_target]


def test_it_is_healthy_also_when_it_is_not_ready(serve, source):
    source.now, source.ready = RuntimeError("no snapshot yet"), Readiness(ready=False)

    page = ask(serve(), "/healthz")
    assert (page.status, page.headers["Content-Type"], page.body) == (200, PLAIN, b"ok\n")


@pytest.mark.parametrize(
    ("readiness", "status", "text"),
    [
        (Readiness(ready=True), 200, "ready\n"),
        (Readiness(ready=False), 503, "not ready\n"),
        (Readiness(ready=False, reasons=("broker lost", "größe?")), 503, "broker lost\ngröße?\n"),
    ],
)
def test_readiness_gives_its_reasons(serve, source, readiness, status, text):
    source.ready = readiness

    page = ask(serve(), "/readyz")

    assert (page.status, page.headers["Content-Type"], page.body.decode()) == (status, PLAIN, text)


def test_the_index_links_every_page(serve):
    server = serve()

    links = re.findall(r'href="([^"]+)"', ask(server, "/").body.decode())

    assert links == ["/metrics", "/api/v1/snapshot", "/api/v1/targets", "/healthz", "/readyz"]
    assert [ask(server, link).status for link in links] == [200] * len(links)


def test_an_unknown_path_is_404_in_one_line(serve):
    page = ask(serve(), "/metric")
    assert (page.status, page.body) == (404, b"no such page: / lists them\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "BREW"])
def test_another_method_is_405_in_one_line(serve, method):
    page = ask(serve(), "/metrics", method)

    assert (page.status, page.headers["Allow"], page.body) == (405, "GET, HEAD", b"only GET and HEAD\n")


def test_a_request_that_is_none_is_400_in_one_line(serve):
    with connect(serve()) as client:
        client.sendall(b"what is this\r\n\r\n")
        answer = read_all(client)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(b"\r\n\r\nBad request version ('this')\n")


@pytest.mark.parametrize("path", ["/", "/metrics", "/api/v1/snapshot", "/api/v1/targets", "/readyz", "/nowhere"])
def test_head_is_get_without_the_body(serve, path):
    server = serve()
    get = ask(server, path)
    with connect(server) as client:  # the standard library's client would not read a body
        client.sendall(f"HEAD {path} HTTP/1.0\r\n\r\n".encode())
        head, body = read_all(client).split(b"\r\n\r\n")

    assert (int(head.split()[1]), body) == (get.status, b"")
    assert f"\r\nContent-Length: {len(get.body)}\r\n".encode() in head + b"\r\n"


def test_a_connection_serves_many_requests(serve):
    ends = []
    with open_client(serve()) as client:
        for path in ("/metrics", "/nowhere", "/metrics"):
            client.request("GET", path)
            client.getresponse().read()
            ends.append(client.sock.getsockname())

    assert ends == [ends[0]] * 3


def test_the_body_of_a_request_is_not_taken_for_the_next_one(serve):
    with connect(serve()) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nContent-Length: 26\r\n\r\nGET /readyz HTTP/1.1\r\n\r\n\r\n")
        answer = read_all(client)

    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.endswith(b"\r\n\r\nok\n")


def test_a_failing_snapshot_is_500_and_the_next_one_is_served(serve, source, busy, caplog):
    server = serve()
    source.now = ZeroDivisionError("no queues")
    failed = ask(server, "/metrics")
    source.now = busy

    assert (failed.status, failed.headers["Content-Type"]) == (500, PLAIN)
    assert failed.body == b"ZeroDivisionError while making this page: the exporter's log says more\n"
    assert "http page failed path=/metrics\nTraceback" in caplog.text
    assert ask(server, "/metrics").status == 200


def test_requests_are_logged_for_debugging_only(serve, caplog):
    caplog.set_level(logging.DEBUG, "exporters.http")
    ask(serve(), "/healthz")

    logged = [record.levelname for record in caplog.records if "/healthz" in record.getMessage()]
    assert logged == ["DEBUG"]


def test_a_slow_client_holds_nobody_up(serve):
    server = serve()
    with connect(server) as slow:
        slow.sendall(b"GET /metr")
        assert ask(server, "/metrics").status == 200


@pytest.mark.parametrize("sent", [b"", b"GET /metr", b"GET /healthz HTTP/1.1\r\nHost: x\r\n"])
def test_a_silent_client_is_let_go(serve, sent):
    with connect(serve(timeout_seconds=0.05)) as silent:
        silent.sendall(sent)
        assert read_all(silent) == b""


def test_connections_are_bounded_and_one_that_ends_makes_room(serve, caplog):
    server = serve(max_connections=2)
    with connect(server) as first, connect(server) as second:
        first.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        assert first.recv(65536).startswith(b"HTTP/1.1 200 ")

        with connect(server) as third, connect(server) as fourth:
            refused = [read_all(third), read_all(fourth)]
        second.sendall(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")
        read_all(second)

        assert ask(server, "/healthz").status == 200
    assert [answer.split(b"\r\n")[0] for answer in refused] == [b"HTTP/1.1 503 Service Unavailable"] * 2
    assert [answer.split(b"\r\n\r\n")[1] for answer in refused] == [b"too many open connections\n"] * 2
    assert caplog.text.count("http connections refused") == 1


def test_a_taken_port_is_named_with_what_to_do(serve):
    taken = serve()

    with pytest.raises(PortTakenError, match=rf"127\.0\.0\.1:{taken.port} is taken: choose .* --port, or stop"):
        serve(port=taken.port)


@pytest.mark.parametrize(
    ("host", "address"),
    [("192.0.2.1", r"192\.0\.2\.1:9818"), ("2001:db8::1", r"\[2001:db8::1\]:9818"), ("no..host", r"no\.\.host:9818")],
)
def test_a_host_that_is_not_ours_is_named(serve, host, address):
    with pytest.raises(AddressError, match=rf"cannot listen on {address}: .+; --host must be this machine's own"):
        serve(host, 9818)


def test_a_stopped_server_frees_its_port_and_its_clients(serve):
    server = serve()
    with open_client(server) as client:
        client.request("GET", "/healthz")
        client.getresponse().read()
        server.stop()
        server.stop()
        assert client.sock.recv(1) == b""
    assert ask(serve(port=server.port), "/healthz").status == 200


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="this machine has no IPv6")
def test_the_loopback_of_ipv6_works(serve):
    assert ask(serve("::1"), "/healthz").body == b"ok\n"
