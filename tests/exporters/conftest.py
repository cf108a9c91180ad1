"""Builders of sample views: everything idle and known unless a test says otherwise."""

from types import SimpleNamespace

import pytest

from core.snapshot import (
    ExporterView,
    HistogramView,
    QueueView,
    RecentView,
    SloView,
    Snapshot,
    TaskView,
    WorkerView,
)
from core.targets import Page, QueueTarget, TargetClass

WAIT_BOUNDS = (0.1, 30.0, 1_000_000.0)
RUNTIME_BOUNDS = (1.0,)

MAIL_TARGET = QueueTarget(
    queue="mail",
    target_class=TargetClass.SECONDS,
    target_seconds=30.0,
    objective=0.99,
    io_bound=True,
    cadence="always",
    owner="people",
    page=Page.PAGE,
    runbook_url="https://runbooks/mail",
)


def slo_view(**changes):
    counts = ("met_first", "met_retry", "missed_first", "missed_retry", "retracted", "expired")
    return SloView(**{**dict.fromkeys(counts, 0), "excluded": {}, **changes})


def queue_view(queue="mail", **changes):
    idle = {
        "target": None,
        "verdict": "quiet",
        "reason": "no traffic seen",
        "waiting": 0,
        "overdue": 0,
        "scheduled": 0,
        "reserved": 0,
        "running": 0,
        "oldest_waiting_at": None,
        "newest_waiting_at": None,
        "last_sent_at": None,
        "last_start_at": None,
        "ready_messages": 0,
        "consumers": 1,
        "slots": 4,
        "idle_slots": 4,
        "slo": slo_view(),
        "time_to_start": HistogramView((0,) * (len(WAIT_BOUNDS) + 1), 0.0),
        "runtime": HistogramView((0,) * (len(RUNTIME_BOUNDS) + 1), 0.0),
        "recent": RecentView(started=0, p50_seconds=None, p95_seconds=None),
        "waits_by_source": {},
    }
    return QueueView(queue=queue, **{**idle, **changes})


def task_view(name="app.send", queue="mail", **changes):
    counts = ("sent", "received", "started", "runtime_count")
    new = {**dict.fromkeys(counts, 0), "finished": {}, "failed": {}, "runtime_sum_seconds": 0.0}
    return TaskView(name=name, queue=queue, **{**new, **changes})


def worker_view(worker="celery@alpha", **changes):
    known = {
        "online": True,
        "last_seen_at": 1_700_000_000.0,
        "running": 0,
        "processed": 0,
        "task_events": 0,
        "sw_ver": "5.5.3",
        "pool": "prefork",
        "slots": 4,
        "queues": ("mail",),
    }
    return WorkerView(worker=worker, **{**known, **changes})


def exporter_view(**changes):
    seeing = {
        "broker": "redis://broker:6379/0",
        "broker_up": True,
        "started_at": 1_699_999_000.0,
        "blind_reason": None,
        "marker_at": 1_700_000_000.25,
        "event_lag_seconds": 0.002,
        "unobserved_seconds": 0.0,
        "events": {},
        "events_undecodable": 0,
        "reconnects": 0,
        "attribution": {},
        "tracked_attempts": 0,
        "folded": 0,
        "negative_waits": 0,
        "targets_valid": True,
    }
    return ExporterView(**{**seeing, **changes})


def snapshot_of(*, queues=(), tasks=(), workers=(), **changes):
    whole = {
        "at": 1_700_000_001.0,
        "version": "0.1.0",
        "labels": {},
        "target_divisor": 1.0,
        "wait_bounds": WAIT_BOUNDS,
        "runtime_bounds": RUNTIME_BOUNDS,
        "exporter": exporter_view(),
    }
    views = {"queues": tuple(queues), "tasks": tuple(tasks), "workers": tuple(workers)}
    return Snapshot(**{**whole, **views, **changes})


@pytest.fixture(scope="session")
def build():
    """Make views of any kind; what is not named is idle and known."""
    return SimpleNamespace(
        snapshot=snapshot_of, exporter=exporter_view, queue=queue_view, slo=slo_view, task=task_view, worker=worker_view
    )


@pytest.fixture(scope="session")
def mail_target():
    return MAIL_TARGET


@pytest.fixture
def busy():
    """One queue, task and worker, with every value present and no two alike in one family."""
    queue = queue_view(
        target=MAIL_TARGET,
        verdict="late",
        waiting=7,
        overdue=2,
        scheduled=3,
        reserved=4,
        running=5,
        oldest_waiting_at=1_699_999_940.5,
        newest_waiting_at=1_699_999_999.125,
        last_sent_at=1_699_999_999.75,
        last_start_at=1_699_999_998.5,
        ready_messages=6,
        consumers=2,
        slots=8,
        idle_slots=1,
        slo=slo_view(
            met_first=100,
            met_retry=10,
            missed_first=20,
            missed_retry=2,
            excluded={"revoked": 3, "name": 1},
            retracted=4,
            expired=5,
        ),
        time_to_start=HistogramView((90, 10, 19, 1), 1234.5),
        runtime=HistogramView((50, 60), 99.25),
        waits_by_source={"sent": 110, "broker_seen": 10},
        ghosts={"not_found": 7},
    )
    task = task_view(
        sent=130,
        received=125,
        started=120,
        finished={"succeeded": 110, "failed": 9},
        failed={"ValueError": 8, "OSError": 1},
        runtime_count=110,
        runtime_sum_seconds=99.25,
    )
    worker = worker_view(running=5, processed=120, task_events=480)
    exporter = exporter_view(
        unobserved_seconds=1.5,
        events={"task-sent": 130, "task-received": 125},
        events_undecodable=1,
        reconnects=2,
        attribution={"sent": 130},
        workers_lost={"silent": 2},
        tracked_attempts=15,
        folded=6,
        negative_waits=3,
    )
    return snapshot_of(queues=[queue], tasks=[task], workers=[worker], exporter=exporter, labels={"cluster": "prod"})
