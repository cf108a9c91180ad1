"""A made-up fleet whose truth is known: whatever the lags between its connections, the ledger finds it.

Every producer, worker and pool child has its own connection, which keeps the order of what is said on it.
What two connections say may come in any order: task-sent seconds late, workers some milliseconds apart.
"""

from random import Random

import pytest
from pytest import approx  # noqa: PT013 - stands in tables of expected values

from tests.core.replay import (
    T0,
    Replay,
    assert_sound,
    failed,
    heartbeat,
    iso,
    received,
    rejected,
    retried,
    revoked,
    sent,
    slo,
    started,
    succeeded,
    tally,
)

SECONDS = 40
TASKS = 40
WORKER_LAG_SECONDS = 0.02
WORKERS = ("w1@lab", "w2@lab")
MOMENT = 0.01  # what two processes of one host may be apart


class World:
    """Sends tasks, runs them, and keeps the books that the ledger must find."""

    def __init__(self, seed):
        self.chance = Random(seed)
        self.said = []  # (connection, event)
        self.busy = []  # (worker, from, to)
        self.truth = {"sent": 0, "received": 0, "started": 0, "finished": {}, "failed": {}}
        self.waits = []
        self.judged = {"first": 0, "retry": 0, "revoked": 0}
        for number in range(TASKS):
            self.send(str(number), self.chance.uniform(1, SECONDS), "producer" + str(number % 2))

    def say(self, connection, event):
        self.said.append((connection, event))

    def soon(self):
        return self.chance.uniform(0.0005, MOMENT)

    def send(self, uuid, at, connection, retries=0, countdown=0.0):
        due = at + countdown
        eta = {"eta": iso(due)} if countdown else {}
        self.say(connection, sent(uuid, at, retries=retries, host=f"gen@{connection}", **eta))
        self.truth["sent"] += 1
        self.wait(uuid, at, due, retries, eta)

    def wait(self, uuid, taken_at, due, retries, eta, *, again=False):
        """Some worker takes it, perhaps not the one that will start it."""
        unseen = [] if again or retries else ["revoke", "unknown"]
        end = self.chance.choice(["succeed", "succeed", "fail", "retry", "requeue", "terminate", *unseen])
        worker = self.chance.choice(WORKERS)
        if again:  # another worker takes it when this one has been heard: whose start came first could not be told
            taken_at += 3 * WORKER_LAG_SECONDS
        if end == "unknown":
            self.say(worker, failed(uuid, due + self.soon(), worker=worker, exception="NotRegistered('t')"))
            self.judged["first"] += 1
            self.finish("failed", "NotRegistered")
            return
        self.truth["received"] += 1
        self.say(worker, received(uuid, taken_at + self.soon(), worker=worker, retries=retries, **eta))
        began = max(due, taken_at) + MOMENT + self.chance.choice([0.0, self.chance.uniform(0, 5)])
        if self.chance.random() < 0.2:  # handed back without a word, and delivered again
            worker = self.chance.choice(WORKERS)
            self.say(worker, received(uuid, began, worker=worker, retries=retries, **eta))
            began += self.soon()
        if end == "revoke":
            self.say(worker, revoked(uuid, began, worker=worker))
            self.judged["revoked"] += 1
            self.finish("revoked")
            return
        self.run(uuid, began, due, retries, worker, end)

    def run(self, uuid, began, due, retries, worker, end):
        ended = began + self.chance.choice([self.soon(), self.chance.uniform(0.1, 4)])
        heard_at = min(began + self.soon(), ended)  # the parent stamps the start, its child has begun
        self.say(worker, started(uuid, heard_at, worker=worker))
        self.truth["started"] += 1
        self.waits.append(heard_at - due)
        self.judged["retry" if retries else "first"] += 1
        told_at = ended + self.soon()
        self.busy.append((worker, heard_at, told_at))
        if end == "retry" and retries < 3:
            self.say(worker, retried(uuid, told_at, worker=worker))
            self.finish("retried")
            self.send(uuid, ended, f"child of {worker}", retries + 1, self.chance.choice([0.0, 0.0, 2.0]))
        elif end == "requeue":
            self.say(worker, rejected(uuid, told_at, requeue=True, worker=worker))
            self.finish("rejected")
            self.wait(uuid, told_at, told_at, retries, {}, again=True)
        elif end == "terminate":
            self.say(worker, revoked(uuid, told_at, terminated=True, worker=worker))
            self.finish("revoked")
        elif end == "fail":
            self.say(worker, failed(uuid, told_at, worker=worker))
            self.finish("failed", "ValueError")
        else:
            self.say(worker, succeeded(uuid, told_at, runtime=ended - began, worker=worker))
            self.finish("succeeded")

    def finish(self, outcome, exception=None):
        self.truth["finished"][outcome] = self.truth["finished"].get(outcome, 0) + 1
        if exception is not None:
            self.truth["failed"][exception] = self.truth["failed"].get(exception, 0) + 1

    def arrivals(self, sender_lag_seconds):
        """What was said, with the moments at which it comes: each connection has its lag, and keeps its order."""
        last_at = max(event.timestamp for _, event in self.said) - T0
        for worker in WORKERS:
            for at in range(0, int(last_at) + 3, 2):
                active = sum(one == worker and begin <= at < end for one, begin, end in self.busy)
                self.say(worker, heartbeat(at, worker=worker, active=active))
        for at in range(0, int(last_at) + 3, 5):
            self.say("bystander", sent(f"other {at}", at, queue="bulk", name="other"))
        lags = {"bystander": 0.0} | {worker: self.chance.uniform(0, WORKER_LAG_SECONDS) for worker in WORKERS}
        reached, found = {}, []
        for connection, event in sorted(self.said, key=lambda said: said[1].timestamp):
            lag = lags.setdefault(connection, self.chance.uniform(0, sender_lag_seconds))
            at = event.timestamp + self.chance.uniform(lag / 2, lag)
            reached[connection] = max(at, reached.get(connection, at))
            found.append((event, reached[connection]))
        return sorted(found, key=lambda arrival: arrival[1])


@pytest.mark.parametrize("sender_lag_seconds", [0.02, 4.0])
@pytest.mark.parametrize("seed", range(25))
def test_ledger_finds_the_truth_whatever_the_lags(seed, sender_lag_seconds):
    world = World(seed)

    replay = Replay("queue,target_seconds\nmail,600\n").feed(*world.arrivals(sender_lag_seconds))
    replay.until(replay.now - T0 + 15)

    view = replay.tasks()["t", "mail"]
    runtimes = {"runtime_count": view.runtime_count, "runtime_sum_seconds": view.runtime_sum_seconds}
    assert view == tally(**world.truth, **runtimes)
    assert replay.gauges() == {}
    assert replay.waits() == (len(world.waits), approx(sum(world.waits), abs=2 * MOMENT * TASKS))
    excluded = {"excluded": {"revoked": world.judged["revoked"]}} if world.judged["revoked"] else {}
    assert replay.queue().slo == slo(met_first=world.judged["first"], met_retry=world.judged["retry"], **excluded)
    assert view.runtime_count == world.truth["finished"]["succeeded"]
    assert_sound(replay.ledger)
