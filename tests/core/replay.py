"""Feeds events into a ledger under a clock that the test holds."""

import json
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec

from core.attempt import ENDED, EXPIRED, OPEN, RUNNING, SCHEDULED, WAITING
from core.events import Event
from core.ledger import TICK_LIMIT, Ledger
from core.snapshot import SloView, TaskView
from core.targets import parse_targets

T0 = 1_700_000_000.0  # 2023-11-14T22:13:20Z
TARGETS = "queue,target_seconds\nmail,30\n"
PRODUCER = "gen1@web"
WORKER = "w1@lab"
GOLDEN = Path(__file__).with_name("golden")


class Replay:
    """A ledger and its clock. Every second the stream is marked as read and the ledger ticks."""

    def __init__(self, targets=TARGETS, *, since=T0, connected=True, marked=True, limit=TICK_LIMIT, **settings):
        self.ledger = Ledger(parse_targets(targets), started_at=since, **settings)
        self.now = since
        self.events_on = True  # workers run with -E, and have said so
        self.marked = marked  # False = markers stop coming back
        self.limit = limit  # of a tick
        if connected:
            self.ledger.stream.connect(since)
            self._second()

    def feed(self, *events):
        """Let time run to each event's arrival and apply it; one that is early arrives now."""
        for one in events:
            event, arrives_at = one if isinstance(one, tuple) else (one, one.timestamp)
            self._until(arrives_at)
            self.ledger.apply(event, self.now)
            if event.type == "worker-online" and self.events_on:
                worker = self.ledger.workers.get(event.hostname)
                worker.sends_task_events = worker.has_answered = True
        return self

    def until(self, at):
        """Let time run, in seconds since T0."""
        self._until(T0 + at)
        return self

    def cut(self, at, back_at):
        """The stream is lost for a while, in seconds since T0: nothing that is said in between is heard."""
        self._until(T0 + at)
        self.ledger.lose_broker(self.now)
        self._until(T0 + back_at)
        self.ledger.stream.connect(self.now)
        self._second()
        return self

    def _until(self, now):
        while self.now + 1.0 - self.now % 1.0 <= now:
            self.now += 1.0 - self.now % 1.0
            self._second()
        self.now = max(self.now, now)

    def _second(self):
        if self.marked and self.ledger.stream.up:
            self.ledger.stream.mark(self.now, self.now)
        while self.ledger.tick(self.now, self.limit):
            pass

    # -- what came of it

    @property
    def snapshot(self):
        return self.ledger.snapshot(self.now)

    def essence(self):
        """The snapshot, but for what counts messages and not tasks."""
        snapshot = self.snapshot
        return msgspec.structs.replace(
            snapshot,
            workers=tuple(msgspec.structs.replace(worker, task_events=0) for worker in snapshot.workers),
            exporter=msgspec.structs.replace(snapshot.exporter, events={}, attribution={}),
        )

    def queue(self, label="mail"):
        return next(view for view in self.snapshot.queues if view.queue == label)

    def tasks(self):
        """The counters of all task names, without those that counted nothing."""
        return {(view.name, view.queue): view for view in self.snapshot.tasks if view != tally(view.name, view.queue)}

    def gauges(self, label="mail"):
        """What is not 0 of the queue's gauges."""
        view = self.queue(label)
        names = ("waiting", "overdue", "scheduled", "reserved", "running")
        return {name: getattr(view, name) for name in names if getattr(view, name)}

    def waits(self, label="mail"):
        """How many waits were measured, and their sum in seconds."""
        view = self.queue(label)
        return view.time_to_start.count, view.time_to_start.sum_seconds


def tally(name="t", queue="mail", **counts):
    """The counters of one task name; what is not given is 0."""
    nothing = {"sent": 0, "received": 0, "started": 0, "finished": {}, "failed": {}}
    return TaskView(name=name, queue=queue, **(nothing | {"runtime_count": 0, "runtime_sum_seconds": 0.0} | counts))


def tallies(*views):
    """The same, as Replay.tasks() gives them."""
    return {(view.name, view.queue): view for view in views}


def slo(**counts):
    """The counters of one promise; what is not given is 0."""
    names = ("met_first", "met_retry", "missed_first", "missed_retry", "retracted", "expired")
    return SloView(**(dict.fromkeys(names, 0) | {"excluded": {}} | counts))


# Events of task `uuid`, `at` seconds after T0.


def sent(uuid="1", at=0.0, *, queue="mail", name="t", retries=0, host=PRODUCER, **fields):
    return Event("task-sent", T0 + at, host, uuid, name=name, retries=retries, queue=queue, **fields)


def received(uuid="1", at=0.0, *, worker=WORKER, name="t", retries=0, **fields):
    return Event("task-received", T0 + at, worker, uuid, name=name, retries=retries, **fields)


def started(uuid="1", at=0.0, *, worker=WORKER):
    return Event("task-started", T0 + at, worker, uuid)


def succeeded(uuid="1", at=0.0, *, runtime=None, worker=WORKER):
    return Event("task-succeeded", T0 + at, worker, uuid, runtime=runtime)


def failed(uuid="1", at=0.0, *, exception="ValueError('x')", worker=WORKER, traceback=None):
    return Event("task-failed", T0 + at, worker, uuid, exception=exception, traceback=traceback)


def retried(uuid="1", at=0.0, *, worker=WORKER):
    return Event("task-retried", T0 + at, worker, uuid, exception="ValueError('x')")


def revoked(uuid="1", at=0.0, *, worker=WORKER, terminated=False, expired=False):
    return Event("task-revoked", T0 + at, worker, uuid, terminated=terminated, expired=expired)


def rejected(uuid="1", at=0.0, *, requeue=False, worker=WORKER):
    return Event("task-rejected", T0 + at, worker, uuid, requeue=requeue)


def online(at=0.0, *, worker=WORKER, active=0, processed=0):
    return Event("worker-online", T0 + at, worker, active=active, processed=processed, sw_ver="5.6.2")


def heartbeat(at=0.0, *, worker=WORKER, active=0, processed=0):
    return Event("worker-heartbeat", T0 + at, worker, active=active, processed=processed, sw_ver="5.6.2")


def offline(at=0.0, *, worker=WORKER, active=0, processed=0):
    return Event("worker-offline", T0 + at, worker, active=active, processed=processed, sw_ver="5.6.2")


def late(event, at):
    """The event arrives then, in seconds since T0, and not when it was stamped."""
    return event, T0 + at


def iso(at, hours_east=0.0):
    """An eta or expiry so many seconds after T0, as Celery writes it."""
    return datetime.fromtimestamp(T0 + at, timezone(timedelta(hours=hours_east))).isoformat()


def naive(at):
    """The same without a zone, as it is when the caller gave a datetime without one."""
    return iso(at).removesuffix("+00:00")


def golden(name):
    """The events of a captured file, each with the moment of its arrival, in that order."""
    lines = (json.loads(line) for line in (GOLDEN / name).read_text(encoding="utf-8").splitlines())
    arrivals = ((line.get("_recv") or line.get("local_received") or line["timestamp"], line) for line in lines)
    return [(msgspec.convert(line, Event), at) for at, line in arrivals]


def assert_sound(ledger):
    """What must hold after any history: gauges are what their attempts say, and nobody is judged twice."""
    attempts = _all_attempts(ledger)
    for book in ledger.series.queues.values():
        mine = [attempt for attempt in attempts if attempt.series.queue is book]
        states = Counter(attempt.state for attempt in mine)
        waiting = [attempt for attempt in mine if attempt.state == WAITING]
        assert {
            "waiting": book.waiting,
            "scheduled": book.scheduled,
            "running": book.running,
            "overdue": book.overdue,
            "reserved": book.reserved,
        } == {
            "waiting": states[WAITING],
            "scheduled": states[SCHEDULED],
            "running": states[RUNNING],
            "overdue": sum(attempt.decision != OPEN for attempt in waiting),
            "reserved": sum(attempt.worker is not None for attempt in waiting),
        }, book.label
        assert 0 <= book.retracted <= sum(book.missed), book.label
        assert {id(attempt) for attempt in waiting} == {id(attempt) for attempt in _in_line(book)}, book.label
    assert all(attempt.state in {SCHEDULED, WAITING, EXPIRED, RUNNING, ENDED} for attempt in attempts)


def _in_line(book):
    return [*book._overdue, *book._undecided]


def _all_attempts(ledger):
    """Every attempt that an event could still find."""
    lives = ledger.lives
    held = [attempt for worker in ledger.workers.all() for attempt in worker.held.values()]
    found = {}
    for newest in [
        *lives._newest.values(),
        *lives._recent._young.values(),
        *lives._recent._old.values(),
        *held,
        *lives._recent._forgotten,
    ]:
        attempt = newest
        while attempt is not None:
            found[id(attempt)] = attempt
            attempt = attempt.older
    return list(found.values())
