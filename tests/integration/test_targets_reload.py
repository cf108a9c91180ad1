"""The targets file changes under a running exporter."""

import signal

import pytest

from tests.conftest import eventually

pytestmark = pytest.mark.live

FIRST = "queue,target_seconds\norders,600\nmail,600\n"
SECOND = "queue,target_seconds\norders,30\nreports,60\n"
BROKEN = "queue,target_seconds\norders,soon\n"
THIRD = "queue,target_seconds\norders,45\n"
NOTICED_SECONDS = 15.0


def targets(exporter):
    return exporter.counts("celery_queue_target_seconds", "queue")


def test_new_targets_are_in_force_and_no_count_is_lost(site):
    exporter = site.start_exporter(targets=FIRST)
    site.start_worker("steady", ["orders", "mail"])
    site.await_workers("steady")
    site.send("ok", "orders", 7)
    site.send("ok", "mail", 3)
    eventually(lambda: exporter.counts("celery_queue_target_met_total", "queue").total() == 10, 10, "all to be met")

    site.targets_path.write_text(SECOND)
    eventually(
        lambda: targets(exporter) == {("orders",): 30, ("reports",): 60}, NOTICED_SECONDS, "the new file to be in force"
    )
    site.send("ok", "orders", 1)
    eventually(lambda: exporter.queue("orders").slo.met_first == 8, 10, "the counter to go on")
    assert exporter.value("celery_tasks_sent_total", name="truth.ok", queue="mail") == 3
    assert exporter.value("celery_queue_time_to_start_seconds_count", queue="mail") == 3
    assert exporter.value("celery_exporter_targets_valid") == 1

    site.targets_path.write_text(BROKEN)
    eventually(lambda: exporter.value("celery_exporter_targets_valid") == 0, NOTICED_SECONDS, "the error to be shown")
    assert targets(exporter) == {("orders",): 30, ("reports",): 60}
    (error,) = exporter.lines("ERROR")
    assert f'{site.targets_path}: line 2, column target_seconds: "soon" is not a number' in error

    site.targets_path.write_text(THIRD)
    exporter.program.send(signal.SIGHUP)
    eventually(lambda: targets(exporter) == {("orders",): 45}, NOTICED_SECONDS, "the repaired file to be in force")
    assert exporter.value("celery_exporter_targets_valid") == 1
    assert exporter.queue("orders").slo.met_first == 8


def test_targets_file_that_was_deleted_leaves_the_targets_in_force(site):
    exporter = site.start_exporter(targets=FIRST)

    site.targets_path.unlink()

    eventually(lambda: exporter.value("celery_exporter_targets_valid") == 0, NOTICED_SECONDS, "the loss to be shown")
    assert targets(exporter) == {("orders",): 600, ("mail",): 600}
