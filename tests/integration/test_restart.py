"""The exporter is ended in a backlog and started again: every task keeps its right wait."""

import signal

import pytest

from tests.conftest import eventually
from tests.integration.exporter_client import refused

pytestmark = pytest.mark.live
BACKLOG = 300
WRITTEN_SECONDS = 3.0  # it writes behind once a second
TARGETS = "queue,target_seconds\norders,600\nmail,12\n"


@pytest.fixture
def backlog(site, tmp_path):
    """An exporter with a state directory, and tasks that wait because no worker is there."""
    site.start_exporter("--state-dir", tmp_path / "state", targets=TARGETS)
    site.send("ok", "orders", BACKLOG, args=[0])
    eventually(lambda: site.exporter.queue("orders").waiting == BACKLOG, 10, "the backlog to be seen")
    return site


def end(exporter, number):
    exporter.program.send(number)
    exporter.program.wait(10)
    exporter.program.kill()


def restart(site, tmp_path, number):
    """End the exporter by a signal once all that is known is written down, and start another."""
    known_at = site.exporter.snapshot().at
    eventually(lambda: site.exporter.snapshot().at > known_at + WRITTEN_SECONDS, 10, "time to pass")
    end(site.exporter, number)
    site.start_exporter("--state-dir", tmp_path / "state", targets=TARGETS)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_task_sent_before_the_restart_gets_its_right_wait(backlog, tmp_path, number):
    oldest_at = backlog.exporter.queue("orders").oldest_waiting_at

    restart(backlog, tmp_path, number)
    restored = backlog.exporter.queue("orders")
    backlog.start_worker("w1", ["orders"])
    eventually(lambda: backlog.exporter.queue("orders").waiting == 0, 30, "all tasks to have started")

    view = backlog.exporter.queue("orders")
    truth = backlog.truth.waits().get("orders", [])
    assert (restored.waiting, restored.oldest_waiting_at) == (BACKLOG, oldest_at)
    assert (view.time_to_start.count, view.slo.met_first, view.ghosts) == (BACKLOG, BACKLOG, {})
    assert view.time_to_start.sum_seconds == pytest.approx(sum(truth), rel=0.03)


def test_tasks_that_still_wait_are_missed_at_their_deadline_and_once(backlog, tmp_path):
    backlog.send("ok", "mail", 5, args=[0])
    eventually(lambda: backlog.exporter.queue("mail").waiting == 5, 10, "the tasks to be seen")

    restart(backlog, tmp_path, signal.SIGKILL)
    eventually(lambda: backlog.exporter.queue("mail").slo.missed_first == 5, 40, "all to be missed")
    restart(backlog, tmp_path, signal.SIGKILL)
    eventually(lambda: backlog.exporter.queue("mail").overdue == 5, 20, "the overdue tasks to be back")

    assert backlog.exporter.queue("mail").slo.missed_first == 0


def test_tasks_that_ran_while_nobody_watched_do_not_wait_for_ever(backlog, tmp_path):
    end(backlog.exporter, signal.SIGKILL)
    worker = backlog.start_worker("w1", ["orders"])
    eventually(lambda: len(backlog.truth.waits().get("orders", [])) == BACKLOG, 30, "all tasks to have run")
    worker.terminate()
    worker.wait(20)
    backlog.start_exporter("--state-dir", tmp_path / "state", targets=TARGETS)

    eventually(lambda: backlog.exporter.queue("orders").waiting == 0, 20, "the waiting set to follow the broker")
    assert backlog.exporter.queue("orders").slo.missed_first == 0


def test_a_second_exporter_on_the_same_state_directory_is_refused(backlog, tmp_path):
    state = tmp_path / "state"

    said = refused("--broker-url", backlog.url, "--state-dir", state, folder=tmp_path)

    assert said == f"--state-dir {state}: the journal in {state}/journal is in use by another exporter\n"
    assert backlog.exporter.is_ready()
