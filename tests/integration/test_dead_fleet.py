"""All workers are gone: what waits is missed when its deadline passes, while nothing starts."""

import pytest

from tests.conftest import eventually

pytestmark = pytest.mark.live

TARGET_SECONDS = 3.0
TARGETS = f"queue,target_seconds\norders,{TARGET_SECONDS}\nmail,{TARGET_SECONDS}\n"
# From a deadline to its miss: 2 s in case events come late, 1 s each for marker and tick, and a busy machine.
DECIDED_SECONDS = 2.0 + 1.0 + 1.0 + 4.0
SENT = {"orders": 40, "mail": 20}


def test_tasks_are_missed_at_their_deadlines_and_not_before(site):
    exporter = site.start_exporter(targets=TARGETS)
    worker = site.start_worker("mortal", SENT)
    site.await_workers("mortal")
    eventually(
        lambda: exporter.counts("celery_queue_consumers", "queue") == {("orders",): 1, ("mail",): 1},
        15,
        "the worker to be counted",
    )
    site.send("ok", "orders", 4)
    eventually(lambda: exporter.queue("orders").slo.met_first == 4, 10, "the worker's tasks to be met")

    worker.terminate()
    assert worker.wait(15) == 0
    eventually(lambda: exporter.value("celery_queue_consumers", queue="orders") == 0, 5, "no consumer to be left")
    for queue, count in SENT.items():
        site.send("ok", queue, count)
    snapshots = []

    def all_are_missed():
        snapshots.append(exporter.snapshot())
        return {view.queue: view.slo.missed_first for view in snapshots[-1].queues} == SENT

    eventually(all_are_missed, TARGET_SECONDS + DECIDED_SECONDS, "all to be missed")
    for queue, count in SENT.items():
        sent_at = [record["at"] for record in site.truth.records("sent", queue=queue)][-count:]
        view = exporter.queue(queue)
        early = [
            snapshot.at
            for snapshot in snapshots
            for view in snapshot.queues
            if view.queue == queue and view.slo.missed_first and snapshot.at < sent_at[0] + TARGET_SECONDS
        ]

        assert early == []
        assert (view.waiting, view.overdue, view.reserved, view.consumers) == (count, count, 0, 0)
        assert view.verdict == "no_consumers"
        assert view.oldest_waiting_at == pytest.approx(sent_at[0], abs=0.1)
        assert view.newest_waiting_at == pytest.approx(sent_at[-1], abs=0.1)

    site.start_worker("successor", SENT)
    eventually(lambda: len(site.truth.records("ended")) == 4 + sum(SENT.values()), 30, "all to be run after all")
    eventually(lambda: exporter.snapshot().exporter.tracked_attempts == 0, 10, "the exporter to see it")

    slos = {
        view.queue: (view.slo.met_first, view.slo.missed_first, view.slo.retracted)
        for view in exporter.snapshot().queues
    }
    assert slos == {"orders": (4, 40, 0), "mail": (0, 20, 0)}
