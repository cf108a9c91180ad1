"""`celery-slo up` against a broker: three programs, one tree, and what happens when a part of it dies."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.compose.process_tree import ProcessTree
from tests.conftest import eventually
from tests.integration.program import free_port

pytestmark = pytest.mark.live
COMMAND = (sys.executable, "-m", "celery_slo", "up")


@pytest.fixture
def tree(tmp_path):
    one = ProcessTree(tmp_path)
    yield one
    one.kill()


class Up:
    """One start of it on free ports."""

    def __init__(self, tree, broker_url):
        self.tree = tree
        self.port, self.dashboard_port = free_port(), free_port()
        options = (f"--port={self.port}", f"--dashboard-port={self.dashboard_port}", f"--broker-url={broker_url}")
        self.process = tree.run(*COMMAND, *options)
        eventually(lambda: self.answers(self.dashboard_port, "/_stcore/health"), 30, "the dashboard to answer")

    def answers(self, port, path):
        assert self.process.poll() is None, self.tree.said
        try:
            return requests.get(f"http://127.0.0.1:{port}{path}", timeout=5).ok
        except requests.ConnectionError:
            return False


@pytest.fixture
def up(tree, site):
    return Up(tree, site.url)


def pid_of(tree, command):
    """The process that runs this command of ours (its guardian's command line only ends with it)."""
    wanted = f"{sys.executable}\0-P\0-m\0celery_slo\0{command}\0".encode()
    (found,) = [pid for pid in tree.living() if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(wanted)]
    return found


def test_a_part_that_dies_is_started_again_and_it_is_said(up, tree):
    eventually(lambda: up.answers(up.port, "/readyz"), 10, "the exporter to see the broker")

    os.kill(pid_of(tree, "exporter"), signal.SIGKILL)
    tree.await_words("child ended, restarting name=exporter signal=SIGKILL")

    eventually(lambda: up.answers(up.port, "/readyz"), 15, "the exporter to be back")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_behind_however_it_ends(up, tree, number):
    up.process.send_signal(number)

    tree.await_end(15)


def test_a_taken_dashboard_port_is_one_line_and_exit_status_2():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = subprocess.run(
            [*COMMAND, "--broker-url=redis://127.0.0.1:1/0", f"--dashboard-port={port}"],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip

    assert (ended.returncode, ended.stderr) == (
        2,
        f"the dashboard cannot listen on 127.0.0.1:{port}: Address already in use\n",
    )


def test_a_taken_exporter_port_ends_everything_with_exit_status_2(tree):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        options = ("--broker-url=redis://127.0.0.1:1/0", f"--port={port}", f"--dashboard-port={free_port()}")
        process = tree.run(*COMMAND, *options)
        assert process.wait(30) == 2
        tree.await_end(10)

    assert tree.said == f"the exporter cannot listen on 127.0.0.1:{port}: Address already in use\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--alertmanager-url=u:pw@foo:9093"], "--alertmanager-url: not an HTTP address; expected http"),
        (["--port=20001", "--dashboard-port=20001"], "port 20001 is named for more than one of exporter, dashboard"),
    ],
)
def test_what_cannot_work_is_one_line_and_nothing_is_started(options, said):
    command = [*COMMAND, "--broker-url=redis://127.0.0.1:1/0", *options]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert ended.stderr.startswith(said)
