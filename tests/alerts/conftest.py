"""Queues, snapshots and small real HTTP servers for the tests of alerts."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pytest

from alerts.service import AlertService, AlertSettings
from core.snapshot import ExporterView, HistogramView, QueueView, RecentView, SloView, Snapshot
from core.targets import Page, QueueTarget
from core.verdict import Verdict
from history.board_file import read_board

NO_VALUES = HistogramView(counts=(0,), sum_seconds=0.0)


def _target(**fields):
    promise = {"queue": "mail", "target_seconds": 30.0, "page": Page.PAGE, "page_after_seconds": 300.0}
    return QueueTarget(**promise | fields)


def _queue(name="mail", **fields):
    view = {
        "queue": name,
        "target": _target(queue=name),
        "verdict": Verdict.OK,
        "reason": "",
        "waiting": 0,
        "overdue": 0,
        "scheduled": 0,
        "reserved": 0,
        "running": 0,
        "oldest_waiting_at": None,
        "newest_waiting_at": None,
        "last_sent_at": None,
        "last_start_at": None,
        "ready_messages": None,
        "consumers": None,
        "slots": None,
        "idle_slots": None,
        "slo": SloView(
            met_first=0, met_retry=0, missed_first=0, missed_retry=0, excluded={}, retracted=0, expired=0
        ),
        "time_to_start": NO_VALUES,
        "runtime": NO_VALUES,
        "recent": RecentView(started=0, p50_seconds=None, p95_seconds=None),
        "waits_by_source": {},
    }  # fmt: skip
    return QueueView(**view | fields)


def _snapshot(*queues, at=0.0, blind_reason=None, labels=None):
    exporter = ExporterView(
        broker="redis://127.0.0.1",
        broker_up=True,
        started_at=0.0,
        blind_reason=blind_reason,
        marker_at=None,
        event_lag_seconds=None,
        unobserved_seconds=0.0,
        events={},
        events_undecodable=0,
        reconnects=0,
        attribution={},
        tracked_attempts=0,
        folded=0,
        negative_waits=0,
        targets_valid=True,
    )
    return Snapshot(
        at=at,
        version="0",
        labels=labels or {},
        target_divisor=1.0,
        wait_bounds=(),
        runtime_bounds=(),
        exporter=exporter,
        queues=queues,
        tasks=(),
        workers=(),
    )


class Listener:
    """A real HTTP server. It records what is posted, and answers as it is told; stopped, it can start again."""

    def __init__(self):
        self.posts = []  # bodies that were taken, decoded
        self.requests = []  # (method, path, Authorization header)
        self.status = 200
        self.answer = b""
        self.content = lambda: b"{}"  # what a GET returns
        self.during = []  # each is called once, in the middle of a POST
        self.gate = threading.Event()  # answers wait for it
        self.gate.set()
        self._port = 0
        self._server = None

    @property
    def host(self):
        return f"127.0.0.1:{self._port}"

    def url(self, path="", credentials=""):
        return f"http://{credentials}{self.host}{path}"

    def start(self):
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self._answer(listener.content())

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                listener.gate.wait(10)
                if listener.during:
                    listener.during.pop(0)()
                if listener.status == 200:
                    listener.posts.append(json.loads(body))
                self._answer(listener.answer)

            def _answer(self, content):
                listener.requests.append((self.command, self.path, self.headers.get("Authorization")))
                self.send_response(listener.status)
                self.send_header("Content-Length", str(len(content)))
                self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def stop(self):
        self.gate.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def serve(self, *queues, **fields):
        """Be an exporter whose snapshots hold these queues from now on."""
        self.content = lambda: msgspec.json.encode(_snapshot(*queues, at=time.time(), **fields))


@pytest.fixture
def target():
    """Make a row of the targets file: a page after 5 min, for a target of 30 s."""
    return _target


@pytest.fixture
def queue():
    """Make the view of a queue, `mail` unless named."""
    return _queue


@pytest.fixture
def snapshot():
    """Make a snapshot of some queues."""
    return _snapshot


@pytest.fixture
def listen():
    """Start an HTTP server on a port of its own."""
    listeners = []

    def _listen():
        listeners.append(Listener().start())
        return listeners[-1]

    yield _listen
    for listener in listeners:
        listener.stop()


@pytest.fixture
def wait_until():
    """Wait until a condition holds."""

    def _wait_until(condition, seconds=10.0):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not come true in time"
            time.sleep(0.005)

    return _wait_until


class Scene:
    """A service that looks often at a fake exporter, and what it writes."""

    def __init__(self, exporter, state_dir, wait_until):
        self.exporter = exporter
        self.state_dir = state_dir
        self.wait_until = wait_until
        self._running = []

    def run(self, **settings):
        """Start a service; the settings are its receivers and what else differs."""
        defaults = {"interval_seconds": 0.02, "resend_seconds": 0.2, "retry_seconds": 0.05, "state_dir": self.state_dir}
        service = AlertService(AlertSettings(exporter_url=self.exporter.url(), **defaults | settings))
        stop = threading.Event()
        thread = threading.Thread(target=service.run, args=(stop,))
        thread.start()
        self._running.append((stop, thread))

    def end(self):
        """End every service, as a signal would."""
        for stop, thread in self._running:
            stop.set()
            thread.join(20)
            assert not thread.is_alive()
        self._running.clear()

    @property
    def board(self):
        return read_board(self.state_dir / "alerts.json")

    @property
    def alert(self):
        return self.board.alerts[0] if self.board is not None and self.board.alerts else None

    @property
    def undelivered(self):
        return {} if self.board is None else self.board.undelivered

    def is_state(self, state):
        return lambda: self.alert is not None and self.alert.state == state


@pytest.fixture
def scene(listen, wait_until, tmp_path):
    scene = Scene(listen(), tmp_path, wait_until)
    yield scene
    scene.end()


@pytest.fixture
def late(queue, target):
    """Make the queue `mail`, late since a minute; it fires almost at once."""
    row = target(page_after_seconds=0.001)
    return queue(
        target=row,
        verdict=Verdict.LATE,
        reason="all 4 slots are busy; 1 task waiting",
        oldest_waiting_at=time.time() - 60,
        waiting=1,
        overdue=1,
    )


@pytest.fixture
def fine(queue, target):
    """Make the queue `mail` with nothing in it."""
    return queue(target=target(page_after_seconds=0.001))
