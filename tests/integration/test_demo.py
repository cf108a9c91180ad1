"""The demo as a new user sees it: everything comes up, trouble shows, is told, and ends; nothing is left behind."""

import signal
import sys
import time
from pathlib import Path

import msgspec
import pytest
import requests

from core.alert import AlertState
from core.snapshot import Snapshot
from tests.compose.process_tree import ProcessTree
from tests.conftest import eventually
from tests.integration.alertmanager_server import AlertmanagerServer
from tests.integration.program import free_port

pytestmark = pytest.mark.live

DOCUMENTED_QUEUES = 25
DIVISOR = 10.0
TROUBLED = "export_download_queue"  # the first trouble of the day: one long task takes its only slot
DELAY_SECONDS = 300 / DIVISOR
MAX_PSS_MB = 1500


class Demo:
    """A demo on ports of its own."""

    def __init__(self, tree, alertmanager_url):
        self.exporter_url = f"http://127.0.0.1:{free_port()}"
        self.dashboard_url = f"http://127.0.0.1:{free_port()}"
        self.flower_url = f"http://127.0.0.1:{free_port()}"
        ports = [url.rpartition(":")[2] for url in (self.exporter_url, self.dashboard_url, self.flower_url)]
        self.tree = tree
        self.process = tree.run(
            *(sys.executable, "-m", "celery_slo", "demo", f"--port={ports[0]}", f"--dashboard-port={ports[1]}"),
            *(f"--flower-port={ports[2]}", f"--alertmanager-url={alertmanager_url}"),
        )

    def snapshot(self):
        assert self.process.poll() is None, self.tree.said
        try:
            return msgspec.json.decode(
                requests.get(f"{self.exporter_url}/api/v1/snapshot", timeout=5).content, type=Snapshot
            )
        except requests.ConnectionError:
            return None

    def queue(self, name):
        return next(view for view in self.snapshot().queues if view.queue == name)

    def alert(self, name):
        """The state of the queue's alert in the snapshot; None = there is none."""
        board = self.snapshot().alerts
        found = [one.state for one in board.alerts if one.labels["queue"] == name] if board else []
        return found[0] if found else None


@pytest.fixture
def tree(tmp_path):
    one = ProcessTree(tmp_path)
    yield one
    one.kill()


@pytest.fixture
def alertmanager(require_program, tmp_path):
    server = AlertmanagerServer(require_program("prometheus-alertmanager"), tmp_path)
    server.start()
    yield server
    server.stop()


def pss_mb(pids):
    """Memory of processes, what they share counted once; proc_pid_smaps_rollup."""
    texts = (Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii") for pid in pids)
    return sum(int(line.split()[1]) for text in texts for line in text.splitlines() if line.startswith("Pss:")) / 1024


def test_trouble_shows_is_told_and_ends_and_nothing_is_left_behind(tree, alertmanager):
    began_at = time.monotonic()
    demo = Demo(tree, alertmanager.url)

    def is_seen():
        snapshot = demo.snapshot()
        return snapshot and sum(view.last_start_at is not None for view in snapshot.queues) == DOCUMENTED_QUEUES

    def names_in_alertmanager():
        return [alert["labels"]["queue"] for alert in alertmanager.alerts()]

    # In this order they come; each is waited for from the one before.
    eventually(demo.snapshot, 30, "the exporter to answer")
    eventually(lambda: TROUBLED in {q.queue for q in demo.snapshot().queues if q.verdict == "late"}, 90, "trouble")
    late_seen_at = time.monotonic()
    eventually(lambda: demo.alert(TROUBLED) is AlertState.PENDING, 30, "the alert to be pending")
    memory_mb = pss_mb(tree.living())
    assert requests.get(demo.dashboard_url, timeout=5).ok
    assert requests.get(f"{demo.flower_url}/api/workers", timeout=10).ok
    eventually(lambda: demo.alert(TROUBLED) is AlertState.FIRING, DELAY_SECONDS + 30, "the alert to fire")
    fired_after_seconds = time.monotonic() - late_seen_at
    eventually(lambda: TROUBLED in names_in_alertmanager(), 10, "Alertmanager to be told")
    eventually(lambda: demo.alert(TROUBLED) is AlertState.RESOLVED, 120, "the alert to resolve")
    eventually(lambda: TROUBLED not in names_in_alertmanager(), 10, "Alertmanager to be told of the end")
    eventually(is_seen, 120 - min(100, time.monotonic() - began_at), "all queues to have been seen at work")
    demo.process.send_signal(signal.SIGINT)
    tree.await_end(15)

    assert fired_after_seconds > DELAY_SECONDS - 10
    assert memory_mb < MAX_PSS_MB
    assert demo.process.wait() == 0
    assert [line for line in tree.said.splitlines() if " ERROR " in line or "Traceback" in line] == []
