"""The broker is not there, goes away, comes back, or hangs: the exporter says so, and recovers by itself."""

import re
import signal

import pytest

from tests.conftest import eventually

pytestmark = pytest.mark.live

READY_SECONDS = 10.0


def unreadiness(exporter):
    """What /readyz says while it is not ready, else nothing."""
    answer = exporter.get("/readyz")
    return answer.text if answer.status_code == 503 else ""


def test_exporter_serves_without_a_broker_and_sees_it_come(mortal_broker, mortal_site):
    exporter = mortal_site.start_blind_exporter()

    assert exporter.get("/healthz").status_code == 200
    assert exporter.value("celery_exporter_broker_up") == 0
    # Long enough for several attempts to connect.
    eventually(
        lambda: re.fullmatch(r"broker not reached for [5-9](\.\d)? s: .*refused.*\n", unreadiness(exporter)),
        15,
        "a reason with its age",
    )
    assert exporter.value("celery_queue_target_met_total", queue="orders", attempt="first") == 0
    assert exporter.value("celery_queue_consumers", queue="orders") is None
    assert exporter.value("celery_queue_ready_messages", queue="orders") is None
    assert [view.verdict for view in exporter.snapshot().queues] == ["blind"] * 4
    assert len(exporter.lines("WARNING")) == 1
    assert f"127.0.0.1:{mortal_broker.port}" in exporter.lines("WARNING")[0]

    mortal_broker.start()

    eventually(exporter.is_ready, READY_SECONDS, "the exporter to be ready")
    assert exporter.value("celery_exporter_broker_up") == 1
    assert exporter.value("celery_exporter_unobserved_seconds_total") == 0
    assert len(exporter.lines("WARNING")) == 1
    mortal_site.send("ok", "orders", 3)
    eventually(
        lambda: exporter.value("celery_tasks_sent_total", name="truth.ok", queue="orders") == 3, 5, "tasks to be seen"
    )


def test_broker_that_was_restarted_is_found_again(mortal_broker, mortal_site):
    mortal_broker.start()
    mortal_site.start_worker("faithful", ["orders"])
    exporter = mortal_site.start_exporter()
    mortal_site.await_workers("faithful")
    mortal_site.send("ok", "orders", 5)
    eventually(lambda: exporter.queue("orders").slo.met_first == 5, 10, "the first tasks to be met")

    mortal_broker.stop()
    eventually(lambda: unreadiness(exporter).startswith("broker lost "), 5, "the loss to be told")
    assert exporter.value("celery_exporter_broker_up") == 0
    assert exporter.value("celery_queue_ready_messages", queue="orders") is None
    mortal_broker.start()

    eventually(exporter.is_ready, READY_SECONDS, "the exporter to be ready again")
    mortal_site.send("ok", "orders", 5)
    eventually(lambda: len(mortal_site.truth.records("ended")) == 10, 30, "the worker to be back")
    eventually(lambda: exporter.queue("orders").slo.met_first == 10, 10, "the later tasks to be met")
    assert exporter.value("celery_tasks_sent_total", name="truth.ok", queue="orders") == 10
    assert exporter.value("celery_exporter_reconnects_total") == 1
    assert exporter.value("celery_exporter_unobserved_seconds_total") > 0
    assert len(exporter.lines("WARNING")) == 1
    eventually(lambda: exporter.value("celery_queue_consumers", queue="orders") == 1, 15, "its consumer to be known")
    eventually(lambda: exporter.value("celery_queue_ready_messages", queue="orders") == 0, 10, "its length to be known")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_exporter_at_once(site, number):
    exporter = site.start_exporter()

    exporter.program.send(number)

    assert exporter.program.wait(within_seconds=5) == 0


def test_broker_that_hangs_is_told_and_does_not_keep_the_exporter_from_ending(mortal_broker, mortal_site):
    mortal_broker.start()
    exporter = mortal_site.start_exporter()

    mortal_broker.pause()
    try:
        eventually(lambda: unreadiness(exporter), 15, "the silence to be told")
        mortal_broker.resume()
        eventually(exporter.is_ready, 2 * READY_SECONDS, "the exporter to be ready again")
        mortal_broker.pause()
        eventually(lambda: unreadiness(exporter), 15, "the silence to be told again")
        exporter.stop(within_seconds=5)
    finally:
        mortal_broker.resume()
