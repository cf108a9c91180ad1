"""The exporter's HTTP server: the scrape page, the snapshot as JSON, and whether we live and see.

Every page is made from the snapshot in memory: no request touches the broker.
"""

import errno
import gzip
import logging
import socket
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Protocol

import msgspec

from core.snapshot import Snapshot
from core.targets import QueueTarget
from exporters.exposition import OPENMETRICS, PROMETHEUS_TEXT, prefers_openmetrics, render, wishes

logger = logging.getLogger(__name__)

JSON = "application/json"
PLAIN = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"

MAX_CONNECTIONS = 64
TIMEOUT_SECONDS = 30.0  # for the next request of a connection, for each read of it, and for sending the whole answer
STOP_POLL_SECONDS = 0.1  # how soon the accepting thread sees that it shall stop
GZIP_FROM_BYTES = 1_000  # below, compression saves no packet
GZIP_LEVEL = 1  # level 6 takes 2.5 times as long and saves a third; the scraper is near

BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: 26\r\nRetry-After: 5\r\nConnection: close\r\n\r\ntoo many open connections\n"
)


class PortTakenError(Exception):
    """Another program listens on our address."""


class AddressError(Exception):
    """The host is not an address of this machine, or we may not listen there."""


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the numbers can be relied on now."""

    ready: bool
    reasons: tuple[str, ...] = ()  # one line each: why not


class ExporterSource(Protocol):
    """What the pages are made from. Both calls come from many threads and must be quick."""

    def snapshot(self) -> Snapshot:
        """Return everything at one moment."""

    def readiness(self) -> Readiness:
        """Say whether the numbers can be relied on."""

    def targets(self) -> tuple[QueueTarget, ...]:
        """Return the rows in force, processes included."""


class ExporterServer:
    """Serves the pages of one source from a background thread, until it is stopped."""

    def __init__(
        self,
        host: str,
        port: int,
        source: ExporterSource,
        *,
        max_connections: int = MAX_CONNECTIONS,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self.host = host
        self.port = port  # 0 = any free one; once started, the one we have
        self._source = source
        self._max_connections = max_connections
        self._timeout_seconds = timeout_seconds
        self._server: _Server | None = None

    def start(self) -> None:
        """Listen, and answer from now on.

        Raises:
            PortTakenError: names the address, and what to do.
            AddressError: names the address and the system's reason.
        """
        self._server = self._listen()
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(STOP_POLL_SECONDS,), name="http", daemon=True).start()
        logger.info("http server listens address=%s", _address(self.host, self.port))

    def stop(self) -> None:
        """Free the port and end every connection. Does nothing when not started."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.end_connections()
            self._server = None

    def _listen(self) -> "_Server":
        address = _address(self.host, self.port)
        try:
            family, *_, bind_to = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)[0]
            return _Server(family, bind_to, self._source, self._max_connections, self._timeout_seconds)
        except (OSError, UnicodeError) as error:  # UnicodeError: no host name at all, such as "a..b"
            if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
                raise PortTakenError(
                    f"{address} is taken: choose a free port with --port, "
                    f"or stop the program that listens there (ss -ltnp 'sport = :{self.port}' names it)"
                ) from error
            reason = error.strerror if isinstance(error, OSError) else error
            raise AddressError(f"cannot listen on {address}: {reason}; --host must be this machine's own") from error


class _Server(ThreadingHTTPServer):
    """One thread a connection, and no more than a fixed number of them."""

    request_queue_size = MAX_CONNECTIONS

    def __init__(
        self,
        family: socket.AddressFamily,
        bind_to: Any,
        source: ExporterSource,
        max_connections: int,
        timeout_seconds: float,
    ) -> None:
        self.address_family = family
        self.source = source
        self.timeout_seconds = timeout_seconds
        self._max_connections = max_connections
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._is_full = False
        super().__init__(bind_to, _Connection)

    def server_bind(self) -> None:
        """Bind without asking the name service who we are, which can take seconds."""
        TCPServer.server_bind(self)
        self.server_port = self.server_address[1]

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Take the connection if there is room; else say so and have it closed."""
        with self._lock:
            was_full, self._is_full = self._is_full, len(self._connections) >= self._max_connections
            if not self._is_full:
                self._connections.add(request)
                return True
        if not was_full:
            logger.warning("http connections refused open=%d newest_client=%s", self._max_connections, client_address)
        try:
            request.sendall(BUSY)
        except OSError:
            logger.debug("http client left client=%s", client_address)
        return False

    def shutdown_request(self, request: Any) -> None:
        """End one connection, answered or refused."""
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        """Wake every thread that waits for its client; each then closes its own connection."""
        with self._lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    logger.debug("http client left before the stop")

    def handle_error(self, _request: Any, client_address: Any) -> None:
        """Log why a connection broke: nothing to act on when the client went away."""
        error = sys.exception()
        level = logging.DEBUG if isinstance(error, OSError) else logging.ERROR
        logger.log(level, "http connection broke client=%s", client_address, exc_info=error)


class _Connection(BaseHTTPRequestHandler):
    """The requests of one connection."""

    server: _Server
    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.0"  # so that what cannot be read is refused with a status line
    server_version = "celery-slo"
    sys_version = ""
    disable_nagle_algorithm = True  # headers and body are two writes

    def setup(self) -> None:
        self.request.settimeout(self.server.timeout_seconds)
        super().setup()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        page = PAGES.get(path)
        if page is None:
            self._answer(HTTPStatus.NOT_FOUND, PLAIN, b"no such page: / lists them\n")
            return
        try:
            answer = page(self.server.source, self.headers.get("Accept", ""))
        except Exception as error:
            logger.exception("http page failed path=%s", path)
            text = f"{type(error).__name__} while making this page: the exporter's log says more\n"
            answer = HTTPStatus.INTERNAL_SERVER_ERROR, PLAIN, text.encode()
        self._answer(*answer)

    def do_HEAD(self) -> None:
        self.do_GET()

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Cache-Control", "no-store")
        if len(body) >= GZIP_FROM_BYTES:
            self.send_header("Vary", "Accept, Accept-Encoding")
            if wishes(self.headers.get("Accept-Encoding", "")).get("gzip", 0) > 0:
                body = gzip.compress(body, GZIP_LEVEL, mtime=0)
                self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            self.send_header("Connection", "close")  # a body that nobody reads would pass for the next request
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, _explain: str | None = None) -> None:
        """Refuse in one line of text what the base class cannot read, or has no method for."""
        if code == HTTPStatus.NOT_IMPLEMENTED:  # its word for a method without do_...
            code, message = HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD"
        body = f"{message or HTTPStatus(code).phrase}\n".encode()
        self.send_response(code)
        if code == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.send_header("Content-Type", PLAIN)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, template: str, *args: Any) -> None:
        logger.debug("http client=%s said=%r", self.client_address[0], template % args)


Answer = tuple[HTTPStatus, str, bytes]  # status, content type, body


def _metrics(source: ExporterSource, accept: str) -> Answer:
    openmetrics = prefers_openmetrics(accept)
    body = render(source.snapshot(), openmetrics=openmetrics)
    return HTTPStatus.OK, OPENMETRICS if openmetrics else PROMETHEUS_TEXT, body


def _snapshot(source: ExporterSource, _accept: str) -> Answer:
    return HTTPStatus.OK, JSON, msgspec.json.encode(source.snapshot())


def _targets(source: ExporterSource, _accept: str) -> Answer:
    return HTTPStatus.OK, JSON, msgspec.json.encode(source.targets())


def _healthz(_source: ExporterSource, _accept: str) -> Answer:
    return HTTPStatus.OK, PLAIN, b"ok\n"


def _readyz(source: ExporterSource, _accept: str) -> Answer:
    readiness = source.readiness()
    status = HTTPStatus.OK if readiness.ready else HTTPStatus.SERVICE_UNAVAILABLE
    lines = readiness.reasons or ("ready" if readiness.ready else "not ready",)
    return status, PLAIN, "".join(f"{line}\n" for line in lines).encode()


def _index(_source: ExporterSource, _accept: str) -> Answer:
    links = "".join(f'<li><a href="{path}">{path}</a></li>' for path in PAGES if path != "/")
    page = (
        f"<!doctype html><html lang=en><title>celery-slo exporter</title><h1>celery-slo exporter</h1><ul>{links}</ul>\n"
    )
    return HTTPStatus.OK, HTML, page.encode()


PAGES: dict[str, Callable[[ExporterSource, str], Answer]] = {
    "/": _index,
    "/metrics": _metrics,
    "/api/v1/snapshot": _snapshot,
    "/api/v1/targets": _targets,
    "/healthz": _healthz,
    "/readyz": _readyz,
}


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
