"""Counts and waits of a busy site, task by task: what the exporter shows is what happened."""

import subprocess
from collections import Counter
from contextlib import closing

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families

from tests.conftest import eventually
from tests.integration.conftest import EVERY_BROKER
from tests.integration.site import Site
from tests.integration.truth import tolerance

pytestmark = [pytest.mark.live, EVERY_BROKER]

QUEUES = ("orders", "mail", "reports", "imports")
WORKER_OF = {"orders": "prefork@test", "mail": "prefork@test", "reports": "threads@test", "imports": "threads@test"}
# What each queue is sent: 90 tasks of every fate, which make 97 attempts.
PROGRAMME = (
    ("ok", 60, {}),
    ("ok", 2, {"args": [0.2]}),
    ("ok", 4, {"countdown": 2}),
    ("ok", 2, {"expires": -1}),
    ("boom", 8, {}),
    ("boom_own", 4, {}),
    ("retry_once", 5, {}),
    ("reject", 2, {}),
    ("requeue_once", 2, {}),
    ("unregistered", 1, {}),
)
ATTEMPTS = len(QUEUES) * 97


@pytest.fixture(scope="module")
def site(broker, tmp_path_factory):
    """A site on which 360 tasks have been sent, run and counted."""
    with closing(Site(broker, tmp_path_factory.mktemp("site"))) as busy:
        busy.start_worker("prefork", ["orders", "mail"], pool="prefork", concurrency=2)
        busy.start_worker("threads", ["reports", "imports"], pool="threads", concurrency=4)
        busy.start_exporter("--static-label", "env=prod")
        busy.await_workers("prefork", "threads")
        for queue in QUEUES:
            for task, count, options in PROGRAMME:
                busy.send(task, queue, count, **options)
        eventually(lambda: len(busy.truth.records("ended")) == ATTEMPTS, 60, "all tasks to end")

        def has_seen_them_end():
            counted = busy.exporter.counts("celery_tasks_finished_total", "name", "queue", "outcome")
            assert counted == busy.truth.finished()
            return True

        eventually(has_seen_them_end, 30, "the exporter to see them end")
        yield busy


@pytest.mark.parametrize(("metric", "kind"), [("sent", "sent"), ("received", "received"), ("started", "started")])
def test_every_step_is_counted_once_by_name_and_queue(site, metric, kind):
    counted = site.exporter.counts(f"celery_tasks_{metric}_total", "name", "queue")

    assert counted == site.truth.counts(kind, "name", "queue")


def test_every_end_is_counted_once_by_outcome(site):
    counted = site.exporter.counts("celery_tasks_finished_total", "name", "queue", "outcome")

    assert counted == site.truth.finished()
    assert {outcome for _, _, outcome in counted} == {"succeeded", "failed", "retried", "revoked", "rejected"}


def test_failures_are_counted_by_the_class_that_was_raised(site):
    counted = site.exporter.counts("celery_tasks_failed_total", "name", "queue", "exception")

    assert counted == site.truth.failed()
    assert {exception for _, _, exception in counted} == {"ValueError", "MailboxFullError", "NotRegistered", "Reject"}


def test_waits_are_those_between_the_signals(site):
    waits = site.truth.waits()

    counted = site.exporter.counts("celery_queue_time_to_start_seconds_count", "queue")
    summed = site.exporter.counts("celery_queue_time_to_start_seconds_sum", "queue")

    assert counted == {(queue,): len(of_queue) for queue, of_queue in waits.items()}
    for queue, of_queue in waits.items():
        print(f"{queue}: waits of {summed[queue,]:.3f} s, truly {sum(of_queue):.3f} s, of {len(of_queue)} tasks")
        assert summed[queue,] == pytest.approx(sum(of_queue), abs=tolerance(of_queue)), queue


def test_run_times_are_those_between_the_signals(site):
    runtimes = site.truth.runtimes("SUCCESS")

    counted = site.exporter.counts("celery_task_runtime_seconds_count", "name", "queue")
    summed = site.exporter.counts("celery_task_runtime_seconds_sum", "name", "queue")

    assert counted == {key: len(of_task) for key, of_task in runtimes.items()}
    for key, of_task in runtimes.items():
        assert summed[key] == pytest.approx(sum(of_task), abs=tolerance(of_task)), key


def test_every_attempt_is_judged_once(site):
    firsts = Counter(record["queue"] for record in site.truth.records("started", retries=0))
    retries = Counter(record["queue"] for record in site.truth.records("started", retries=1))

    met = site.exporter.counts("celery_queue_target_met_total", "queue", "attempt")
    missed = site.exporter.counts("celery_queue_target_missed_total", "queue", "attempt")
    expired = site.exporter.counts("celery_queue_expired_total", "queue")

    # The unregistered task was met by a worker in time too, though none could start it.
    assert met == {(queue, "first"): firsts[queue] + 1 for queue in QUEUES} | {
        (queue, "retry"): retries[queue] for queue in QUEUES
    }
    assert missed == {(queue, "first"): 2 for queue in QUEUES}
    assert expired == {(queue,): 2 for queue in QUEUES}


def test_nothing_is_left_when_all_has_ended(site):
    queues = [view for view in site.exporter.snapshot().queues if view.queue in QUEUES]

    left = {(view.queue, view.waiting, view.overdue, view.scheduled, view.reserved, view.running) for view in queues}

    assert left == {(queue, 0, 0, 0, 0, 0) for queue in QUEUES}


def test_queues_show_the_workers_that_read_them(site):
    def is_known():
        assert site.exporter.counts("celery_queue_consumers", "queue") == {(queue,): 1 for queue in QUEUES}
        return True

    eventually(is_known, 10, "the workers to have answered")

    slots = site.exporter.counts("celery_queue_slots", "queue")
    pools = {view.worker: (view.online, view.pool, view.slots) for view in site.exporter.snapshot().workers}
    assert slots == {("orders",): 2, ("mail",): 2, ("reports",): 4, ("imports",): 4}
    assert pools == {"prefork@test": (True, "prefork", 2), "threads@test": (True, "threads", 4)}


def test_workers_show_how_many_tasks_they_have_taken_up(site):
    processed = Counter(WORKER_OF[record["queue"]] for record in site.truth.records("received"))

    eventually(
        lambda: (
            site.exporter.counts("celery_worker_processed_total", "worker")
            == {(worker,): count for worker, count in processed.items()}
        ),
        10,
        "heartbeats that came after the last task",
    )
    assert site.exporter.counts("celery_worker_running_tasks", "worker") == {}


def test_the_stream_was_read_whole(site):
    exporter = site.exporter.snapshot().exporter

    assert exporter.events["task-sent"] == len(site.truth.records("sent"))
    assert exporter.attribution == {"sent": len(site.truth.records("sent"))}
    assert (exporter.events_undecodable, exporter.reconnects, exporter.folded, exporter.negative_waits) == (0, 0, 0, 0)


def test_every_sample_bears_the_static_label(site):
    without = [name for name, labels in site.exporter.samples() if ("env", "prod") not in labels]

    assert without == []


def test_promtool_finds_nothing_to_complain_of(site, require_program, tmp_path):
    page = tmp_path / "metrics"
    page.write_bytes(site.exporter.get("/metrics").content)

    with page.open("rb") as scrape:
        check = subprocess.run(
            [require_program("promtool"), "check", "metrics"],
            stdin=scrape,
            capture_output=True,
            timeout=20,
            check=False,
        )

    assert (check.returncode, check.stdout, check.stderr) == (0, b"", b"")


def test_openmetrics_is_negotiated_and_says_the_same(site):
    answer = site.exporter.get("/metrics", accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5")

    sent = {
        (sample.labels["name"], sample.labels["queue"]): sample.value
        for family in openmetrics_families(answer.text)
        for sample in family.samples
        if sample.name == "celery_tasks_sent_total"
    }

    assert answer.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert sent == site.truth.counts("sent", "name", "queue")
