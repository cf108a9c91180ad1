"""Debian's Alertmanager takes what the evaluator sends: alerts arrive, resolve, and come back after a restart."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pytest

from alerts.service import AlertService, AlertSettings
from core.snapshot import ExporterView, HistogramView, QueueView, RecentView, SloView, Snapshot
from core.targets import Page, QueueTarget
from core.verdict import Verdict
from tests.conftest import eventually
from tests.integration.alertmanager_server import AlertmanagerServer

pytestmark = pytest.mark.live

WAITED_SECONDS = 3 * 3600 + 5 * 60 + 20  # told as 3 h 5 min, also by a slow machine
NO_VALUES = HistogramView(counts=(0,), sum_seconds=0.0)


@pytest.fixture
def alertmanager(require_program, tmp_path):
    server = AlertmanagerServer(require_program("prometheus-alertmanager"), tmp_path)
    server.start()
    yield server
    server.stop()


class FakeExporter:
    """Serves snapshots of one queue, blocked or empty."""

    def __init__(self):
        self.is_blocked = True
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                content = msgspec.json.encode(snapshot(is_blocked=exporter.is_blocked))
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def exporter():
    fake = FakeExporter()
    yield fake
    fake.server.shutdown()
    fake.server.server_close()


@pytest.fixture
def evaluator(exporter, alertmanager, tmp_path):
    settings = AlertSettings(
        exporter_url=exporter.url,
        interval_seconds=0.05,
        alertmanager_urls=(alertmanager.url,),
        state_dir=tmp_path / "state",
        dashboard_url="http://127.0.0.1:8501",
        resend_seconds=0.5,
        retry_seconds=0.1,
    )
    stop = threading.Event()
    thread = threading.Thread(target=AlertService(settings).run, args=(stop,))
    thread.start()
    yield
    stop.set()
    thread.join(20)
    assert not thread.is_alive()


def snapshot(*, is_blocked):
    now = time.time()
    blocked = {
        "verdict": Verdict.BLOCKED,
        "reason": "nothing has started for 3 h beside 3 idle slots; 4 tasks waiting",
        "waiting": 4,
        "overdue": 4,
        "oldest_waiting_at": now - WAITED_SECONDS,
    }
    quiet = {"verdict": Verdict.OK, "reason": "", "waiting": 0, "overdue": 0, "oldest_waiting_at": None}
    slo = SloView(met_first=0, met_retry=0, missed_first=0, missed_retry=0, excluded={}, retracted=0, expired=0)
    row = QueueTarget(
        queue="mail",
        target_seconds=30.0,
        page=Page.PAGE,
        page_after_seconds=0.1,
        owner="team-mail",
        runbook_url="https://wiki/mail",
    )
    view = QueueView(
        queue="mail",
        target=row,
        scheduled=0,
        reserved=0,
        running=0,
        newest_waiting_at=None,
        last_sent_at=None,
        last_start_at=None,
        ready_messages=None,
        consumers=1,
        slots=3,
        idle_slots=3,
        slo=slo,
        time_to_start=NO_VALUES,
        runtime=NO_VALUES,
        recent=RecentView(started=0, p50_seconds=None, p95_seconds=None),
        waits_by_source={},
        **(blocked if is_blocked else quiet),
    )
    trust = ExporterView(
        broker="redis://127.0.0.1",
        broker_up=True,
        started_at=0.0,
        blind_reason=None,
        marker_at=now,
        event_lag_seconds=0.0,
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
        at=now,
        version="0",
        labels={"cluster": "eu-1"},
        target_divisor=1.0,
        wait_bounds=(),
        runtime_bounds=(),
        exporter=trust,
        queues=(view,),
        tasks=(),
        workers=(),
    )


def test_alert_arrives_with_its_cause_and_resolves(exporter, alertmanager, evaluator):
    (arrived,) = eventually(alertmanager.alerts, 20, "the alert to arrive")
    exporter.is_blocked = False
    eventually(lambda: alertmanager.alerts() == [], 20, "it to end")

    assert arrived["status"]["state"] in {"active", "unprocessed"}
    assert arrived["labels"] == {
        "alertname": "CeleryQueueLate",
        "queue": "mail",
        "severity": "critical",
        "owner": "team-mail",
        "cluster": "eu-1",
    }
    assert arrived["annotations"] == {
        "summary": (
            "Queue mail is late: oldest task waits 3 h 5 min, target 30 s; "
            "cause: nothing has started for 3 h beside 3 idle slots"
        ),
        "description": (
            "Queue mail breaks its promise: oldest task waits 3 h 5 min, target 30 s. "
            "Waiting: 4 tasks, 4 beyond the target. "
            "Probable cause: blocked, nothing has started for 3 h beside 3 idle slots."
        ),
        "runbook_url": "https://wiki/mail",
        "dashboard_url": "http://127.0.0.1:8501/?queue=mail",
    }


def test_alertmanager_that_was_restarted_gets_the_alert_again(alertmanager, evaluator):
    (before,) = eventually(alertmanager.alerts, 20, "the alert to arrive")

    alertmanager.stop()
    alertmanager.start()
    (after,) = eventually(alertmanager.alerts, 20, "it to arrive again")

    # It keeps no alerts on disk, so this one was sent again; the same alert, since the same moment.
    assert (after["fingerprint"], after["startsAt"]) == (before["fingerprint"], before["startsAt"])
