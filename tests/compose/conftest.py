"""A supervisor under test, the processes that it starts, and ways to look at both."""

import fcntl
import http.server
import logging
import os
import signal
import sys
import termios
import threading
from contextlib import contextmanager

import pytest

from compose.supervisor import Supervisor
from tests.compose import small_programs as programs
from tests.compose.process_tree import MARK_VARIABLE, SOON, ProcessTree


@pytest.fixture
def tree(monkeypatch, tmp_path):
    """All processes that the test starts; none of them outlives it."""
    tree = ProcessTree(tmp_path)
    monkeypatch.setenv(MARK_VARIABLE, tree.mark)
    yield tree
    tree.kill()


@pytest.fixture
def supervise(tree, caplog):
    """Make a supervisor in this process, which is stopped at the end."""
    caplog.set_level(logging.INFO, "compose.supervisor")
    supervisors = []

    def supervise(*children, **options):
        supervisors.append(Supervisor(children, **options))
        return supervisors[-1]

    yield supervise
    for supervisor in supervisors:
        supervisor.stop()


@pytest.fixture
def web_port():
    """Of a server with a page of each kind: /fine, /garbage, and errors."""

    class Pages(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answers = {"/fine": b"HTTP/1.0 200 OK\r\n\r\n", "/garbage": b"-ERR unknown command\r\n"}
            self.wfile.write(answers.get(self.path, b"HTTP/1.0 503 Busy\r\n\r\n"))

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def signing_program(tree, tmp_path, eventually):
    """A supervisor, and its child that signs off at SIGTERM, which it gets when its parent dies."""
    child = {"name": "one", "argv": (*programs.SIGN_OFF, "begun", "0"), "cwd": str(tmp_path)}
    program = tree.supervise({**child, "parent_death_signal": signal.SIGTERM})
    eventually((tmp_path / "begun").exists, SOON, "the child to begin")
    return program


@pytest.fixture
def counting_program(tree, tmp_path):
    """A supervisor with a pipe for stderr, and what can be read from it; its child writes numbers without end."""
    ours, theirs = os.pipe()
    program = tree.supervise({"name": "one", "argv": programs.COUNT, "cwd": str(tmp_path)}, stderr=theirs)
    with os.fdopen(ours, "rb") as output:
        yield program, output


@contextmanager
def ignored(*numbers):
    """Ignore signals, as nohup and background jobs do; what is started meanwhile inherits it."""
    earlier = [(number, signal.signal(number, signal.SIG_IGN)) for number in numbers]
    yield
    for number, handler in earlier:
        signal.signal(number, handler)


def phases(supervisor):
    """Name -> phase."""
    return {status.name: status.phase for status in supervisor.status()}


def await_phase(supervisor, name, phase):
    """Supervise until this child is in this phase."""
    assert supervisor.wait_until(lambda: phases(supervisor)[name] is phase, SOON)


def said(caplog, level):
    """The messages logged at this level."""
    return [record.getMessage() for record in caplog.records if record.levelno == level]


def unread_bytes(pipe):
    """How much lies in a pipe; ioctl_tty(2)."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)
