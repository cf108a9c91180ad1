"""Workers of every kind: without -E, in another time zone, of every pool."""

import pytest

from tests.conftest import eventually
from tests.integration.truth import tolerance

pytestmark = pytest.mark.live

KINDS = ("sent", "received", "started")


def see_all_ends(site, count):
    """Wait until so many attempts have ended, and the exporter has counted them."""
    eventually(lambda: len(site.truth.records("ended")) == count, 30, "all tasks to end")

    def are_counted():
        assert site.exporter.counts("celery_tasks_finished_total", "name", "queue", "outcome") == site.truth.finished()
        return True

    eventually(are_counted, 15, "the exporter to see them end")


def assert_counts_are_true(site):
    counted = {kind: site.exporter.counts(f"celery_tasks_{kind}_total", "name", "queue") for kind in KINDS}

    assert counted == {kind: site.truth.counts(kind, "name", "queue") for kind in KINDS}


def assert_waits_are_true(site):
    for queue, waits in site.truth.waits().items():
        view = site.exporter.queue(queue)
        assert view.time_to_start.count == len(waits)
        assert view.time_to_start.sum_seconds == pytest.approx(sum(waits), abs=tolerance(waits)), queue


def test_task_events_of_workers_without_them_are_turned_on(site):
    site.start_worker("early", ["orders"], events=False)
    site.await_workers("early")
    # Celery takes this variable for more than any URL it is given; we must not.
    exporter = site.start_exporter(env={"CELERY_BROKER_URL": "redis://127.0.0.1:1/0"})
    site.start_worker("late", ["mail"], pool="threads", events=False)

    eventually(
        lambda: exporter.counts("celery_queue_consumers", "queue") == {("orders",): 1, ("mail",): 1},
        30,
        "both workers to have answered",
    )
    for queue in ("orders", "mail"):
        site.send("ok", queue, 30)
        site.send("boom", queue, 5)
    see_all_ends(site, 70)

    assert_counts_are_true(site)
    assert {view.worker: view.task_events > 0 for view in exporter.snapshot().workers} == {
        "early@test": True,
        "late@test": True,
    }


def test_waits_are_as_true_where_the_worker_lives_in_another_time_zone(site):
    site.start_worker("kolkata", ["orders"], env={"TZ": "Asia/Kolkata"})
    site.start_worker("here", ["mail"])
    site.start_exporter()
    site.await_workers("kolkata", "here")

    for queue in ("orders", "mail"):
        site.send("ok", queue, 30)
        site.send("ok", queue, 3, countdown=1.5)
    see_all_ends(site, 66)

    assert_counts_are_true(site)
    assert_waits_are_true(site)


@pytest.mark.parametrize("pool", ["solo", "gevent"])
def test_counts_and_waits_of_other_pools_are_true(site, pool):
    site.start_worker("other", ["orders"], pool=pool)
    exporter = site.start_exporter()
    site.await_workers("other")

    site.send("ok", "orders", 20, args=[0.02])
    site.send("boom", "orders", 5)
    site.send("ok", "orders", 3, countdown=1.5)
    see_all_ends(site, 28)

    assert_counts_are_true(site)
    assert_waits_are_true(site)
    eventually(
        lambda: [(view.worker, view.pool) for view in exporter.snapshot().workers] == [("other@test", pool)],
        10,
        "the worker to tell its pool",
    )


def test_task_that_ends_without_a_word_is_counted_as_ignored(site):
    site.start_worker("idle", ["orders"])
    exporter = site.start_exporter()
    site.await_workers("idle")
    eventually(lambda: [view.running for view in exporter.snapshot().workers] == [0], 10, "an idle heartbeat")

    site.send("ignore", "orders", 3)
    eventually(lambda: len(site.truth.records("ended")) == 3, 10, "the tasks to end")

    eventually(
        lambda: exporter.counts("celery_tasks_finished_total", "outcome") == {("ignored",): 3},
        20,
        "the exporter to notice that they run no longer",
    )
    assert exporter.queue("orders").running == 0


def test_tasks_that_a_caller_took_back_are_judged_by_nobody(site):
    site.start_worker("busy", ["orders"], concurrency=1)
    exporter = site.start_exporter()
    site.await_workers("busy")

    site.send("ok", "orders", args=[2])
    eventually(lambda: site.truth.records("started"), 10, "the worker to be busy")
    site.revoke(site.send("ok", "orders", 3))
    see_all_ends(site, 4)

    view = exporter.queue("orders")
    assert exporter.counts("celery_tasks_finished_total", "outcome") == {("succeeded",): 1, ("revoked",): 3}
    assert (view.slo.met_first, view.slo.missed_first, view.slo.excluded) == (1, 0, {"revoked": 3})
    assert (view.waiting, view.overdue, view.reserved, view.running) == (0, 0, 0, 0)


def test_failures_that_the_worker_reports_for_its_child_have_their_classes(site):
    site.start_worker("robust", ["orders"])
    exporter = site.start_exporter()
    site.await_workers("robust")

    site.send("die", "orders")
    site.send("ok", "orders", args=[60], time_limit=0.5)

    eventually(
        lambda: (
            exporter.counts("celery_tasks_failed_total", "name", "exception")
            == {("truth.die", "WorkerLostError"): 1, ("truth.ok", "TimeLimitExceeded"): 1}
        ),
        20,
        "both failures to be counted",
    )
    assert exporter.counts("celery_tasks_finished_total", "outcome") == {("failed",): 2}


def test_ready_messages_are_counted_over_all_priorities(site):
    exporter = site.start_exporter()

    for priority, count in ((0, 5), (3, 4), (6, 3), (9, 2)):
        site.send("ok", "orders", count, priority=priority)
        site.send("ok", "mail", 1, priority=priority)

    eventually(
        lambda: exporter.counts("celery_queue_ready_messages", "queue") == {("orders",): 14, ("mail",): 4},
        15,
        "all messages to be seen in the broker",
    )
