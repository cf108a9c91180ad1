"""Two thousand tasks that were sent before there was a worker."""

import pytest

from tests.conftest import eventually
from tests.integration.truth import tolerance

pytestmark = pytest.mark.live

SENT = {"orders": 1_500, "mail": 500}


def test_waits_of_a_backlog_are_all_measured_on_their_queue(site):
    exporter = site.start_exporter()
    for queue, count in SENT.items():
        site.send("ok", queue, count)

    eventually(
        lambda: exporter.counts("celery_queue_ready_messages", "queue") == {("orders",): 1_500, ("mail",): 500},
        15,
        "the backlog to be seen in the broker",
    )
    site.start_worker("late", SENT)
    eventually(lambda: len(site.truth.records("ended")) == sum(SENT.values()), 60, "the backlog to be worked off")
    eventually(lambda: exporter.snapshot().exporter.tracked_attempts == 0, 10, "the exporter to have seen it")
    queues = [exporter.queue(name) for name in SENT]
    waits = site.truth.waits()

    assert {view.queue: view.time_to_start.count for view in queues} == SENT
    assert {view.queue: view.slo.met_first for view in queues} == SENT
    for view in queues:
        true_sum = sum(waits[view.queue])
        print(f"{view.queue}: waits of {view.time_to_start.sum_seconds:.1f} s, truly {true_sum:.1f} s")
        assert view.time_to_start.sum_seconds == pytest.approx(true_sum, abs=tolerance(waits[view.queue]))
