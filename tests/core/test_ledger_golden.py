"""Events of real workers: what they say happened is what is counted, in order, repeated and shuffled.

The numbers were worked out from the scenarios in golden/README.md and the raw lines, not from the ledger.
Waits are in seconds, from sent, eta or rejected{requeue} to started.
"""

from bisect import bisect_left
from random import Random

import msgspec
import pytest
from pytest import approx  # noqa: PT013 - stands in tables of expected values

from core.attempt import EXPIRED
from core.snapshot import HistogramView
from tests.core.replay import T0, Replay, assert_sound, golden, sent, slo, tallies, tally

SECOND = 1.0


def replay_of(arrivals, targets, seconds_after=10):
    """Feed events at the moments of their arrival, and let time run on for a while."""
    first_at = min(at for _, at in arrivals)
    replay = Replay(targets, since=first_at - SECOND).feed(*arrivals)
    return replay.until(replay.now - T0 + seconds_after)


# In order.


def test_every_way_in_which_a_task_can_end():
    replay = replay_of(golden("events-celery-5.6.jsonl"), "queue,target_seconds\ncelery,5\nother,3\nslow,30\n")

    one = {"sent": 1, "received": 1, "started": 1}
    assert replay.tasks() == tallies(
        tally("app.fail", "celery", **one, finished={"failed": 1}, failed={"ValueError": 1}),
        tally("app.ign", "celery", **one, finished={"ignored": 1}),
        tally("app.rej", "celery", **one, finished={"rejected": 1}),
        # Handed back to the broker by its own will, and by the death of its process: another attempt each.
        tally("app.rejq", "celery", sent=1, received=2, started=2, finished={"rejected": 1, "succeeded": 1},
              runtime_count=1, runtime_sum_seconds=approx(0.0001, abs=1e-4)),
        tally("app.suicide_late", "celery", sent=1, received=2, started=2, finished={"rejected": 1, "succeeded": 1},
              runtime_count=1, runtime_sum_seconds=approx(0.0003, abs=1e-4)),
        tally("app.suicide", "celery", **one, finished={"failed": 1}, failed={"WorkerLostError": 1}),
        tally("app.hard", "celery", **one, finished={"failed": 1}, failed={"TimeLimitExceeded": 1}),
        tally("app.nap", "celery", **one, finished={"revoked": 1}),  # terminated
        tally("no.such.task", "celery", sent=1, finished={"failed": 1}, failed={"NotRegistered": 1}),
        # eta, expired, revoked_eta, revoked_before, prio6, and exchange_rk: one message for three queues, three runs.
        tally("app.ok", "celery", sent=6, received=4, started=5, finished={"succeeded": 5, "revoked": 3},
              runtime_count=5, runtime_sum_seconds=approx(0.0011, abs=1e-4)),
        tally("app.limited", "celery", sent=2, received=2, started=2, finished={"succeeded": 2}, runtime_count=2,
              runtime_sum_seconds=approx(0.0002, abs=1e-4)),
        # ok and shadow, and the nine that nobody took.
        tally("app.ok", "other", sent=11, received=2, started=2, finished={"succeeded": 2}, runtime_count=2,
              runtime_sum_seconds=approx(0.0003, abs=1e-4)),
        tally("app.retry_once", "other", sent=2, received=2, started=2, finished={"retried": 1, "succeeded": 1},
              runtime_count=1, runtime_sum_seconds=approx(0.0003, abs=1e-4)),
        tally("app.nap", "other", sent=3, received=3, started=3, finished={"succeeded": 3}, runtime_count=3,
              runtime_sum_seconds=approx(18.001, abs=1e-3)),
        # Two ran in the worker that was killed; nine were in its hands and received again.
        tally("app.nap", "slow", sent=12, received=12, started=12, finished={"succeeded": 10, "lost": 2},
              runtime_count=10, runtime_sum_seconds=approx(30.007, abs=2e-3)),
    )  # fmt: skip
    assert_waits(
        replay,
        celery=[
            0.004, 0.001, 0.002,  # fail, ignore, reject
            0.002, 0.003, 0.005, 0.045,  # reject_requeue and suicide_late, twice each
            0.002, 0.003, 0.005, 0.002, 0.005, 0.003,  # suicide, hard, eta, terminated, exchange_rk, prio6
            0.002, 9.698,  # lim1, and lim2, which its rate limit held back
        ],
        other=[0.005, 0.003, 0.003, 0.002, 0.001, 6.001, 12.004],  # ok, shadow, retry twice, solo0, solo1, solo2
        slow=[0.004, 0.007, 104.430, 107.429, 107.430, 110.431, 110.430, 113.430, 113.431, 116.433, 104.421, 15.438],
    )  # fmt: skip
    assert {label: replay.queue(label).slo for label in ("celery", "other", "slow")} == {
        # The waits above but for lim2, and `unknown`, which ended in time; missed: lim2 and expired.
        "celery": slo(met_first=15, missed_first=2, expired=1, excluded={"revoked": 2}),
        # solo0 started in time, which its worker said after the deadline; solo1, solo2 and the nine were late.
        "other": slo(met_first=3, met_retry=1, missed_first=12, retracted=1),
        "slow": slo(met_first=3, missed_first=9),  # nap0, nap1, nap11
    }
    assert {label: replay.gauges(label) for label in ("celery", "other", "slow")} == {
        "celery": {},
        "other": {"waiting": 9, "overdue": 9},
        "slow": {},
    }
    # Everything that was opened is somewhere: requeued attempts and second runs count as their own.
    assert known(replay) == {"celery": 21, "other": 16, "slow": 12}
    assert replay.snapshot.exporter.negative_waits == 0
    assert_sound(replay.ledger)


def test_endings_of_the_development_version():
    replay = replay_of(golden("events-celery-main.jsonl"), "queue,target_seconds\ncelery,5\n")

    one = {"sent": 1, "received": 1, "started": 1}
    assert replay.tasks() == tallies(
        tally("app.rej", "celery", **one, finished={"failed": 1}, failed={"Reject": 1}),  # said first, then rejected
        tally("app.rejq", "celery", sent=1, received=2, started=2, finished={"rejected": 1, "succeeded": 1},
              runtime_count=1, runtime_sum_seconds=approx(0.0003, abs=1e-4)),
        tally("app.hard", "celery", **one, finished={"failed": 1}, failed={"TimeLimitExceeded": 1}),  # said twice
        tally("app.suicide", "celery", **one, finished={"failed": 1}, failed={"WorkerLostError": 1}),
        tally("app.ign", "celery", **one, finished={"ignored": 1}),
        tally("app.retry_once", "celery", sent=2, received=2, started=2, finished={"retried": 1, "succeeded": 1},
              runtime_count=1, runtime_sum_seconds=approx(0.0002, abs=1e-4)),
    )  # fmt: skip
    # reject, reject_requeue twice, hard (started a moment before it was sent, by the stamps), suicide, ignore, retry.
    assert_waits(replay, celery=[0.008, 0.004, 0.002, 0.0, 0.002, 0.049, 0.004, 0.002])
    assert replay.queue("celery").slo == slo(met_first=7, met_retry=1)
    assert (replay.gauges("celery"), known(replay)) == ({}, {"celery": 8})
    assert replay.snapshot.exporter.negative_waits == 0
    assert_sound(replay.ledger)


def test_stops_and_restarts():
    replay = replay_of(golden("events-celery-5.7.jsonl"), "queue,target_seconds\nmain,12\n")

    assert replay.tasks() == tallies(
        # It replaced itself and said no more. One idle heartbeat came before the worker was busy again: not enough.
        tally("app.replaced", "main", sent=1, received=1, started=1, finished={"lost": 1}),
        tally("app.again", "main", sent=2, received=2, started=2, finished={"retried": 1, "succeeded": 1},
              runtime_count=1, runtime_sum_seconds=approx(0.0004, abs=1e-4)),
        # The successor of the first and five naps. Nobody lost a run: not by SIGTERM, not by the cut connection.
        tally("app.nap", "main", sent=6, received=6, started=6, finished={"succeeded": 6}, runtime_count=6,
              runtime_sum_seconds=approx(31.003, abs=1e-3)),
    )  # fmt: skip
    # replaced and its successor, again twice, nap0, nap1; nap2 to nap4 were taken by two processes.
    assert_waits(replay, main=[0.002, 0.002, 0.002, 0.002, 0.004, 0.002, 17.144, 11.142, 11.141])
    assert replay.queue("main").slo == slo(met_first=7, met_retry=1, missed_first=1)
    assert (replay.gauges("main"), known(replay)) == ({}, {"main": 9})
    assert (replay.snapshot.workers, replay.ledger.workers.lost) == ((), {})
    assert_sound(replay.ledger)


def test_task_events_that_are_turned_on_between_two_tasks():
    replay = replay_of(golden("events-enable-events.jsonl"), "queue,target_seconds\ncelery,5\nother,5\n", 3)

    assert replay.tasks() == tallies(
        tally("app.ok", "celery", sent=2, received=1, started=1, finished={"succeeded": 1}, runtime_count=1,
              runtime_sum_seconds=approx(0.0001, abs=1e-4)),
        tally("app.ok", "other", sent=2),
    )  # fmt: skip
    assert_waits(replay, celery=[0.003], other=[])
    # The first one ran before its worker spoke of tasks: events alone leave it waiting.
    assert [replay.gauges(label) for label in ("celery", "other")] == [
        {"waiting": 1, "overdue": 1},
        {"waiting": 2, "overdue": 1},
    ]
    assert_sound(replay.ledger)


def test_redelivery_by_visibility_timeout():
    replay = replay_of(golden("events-redelivery.jsonl"), "queue,target_seconds\nmain,60\n")

    assert replay.tasks() == tallies(
        # Three runs, two of them in one worker; the file ends before the second and third do.
        tally("t.late", "main", sent=1, received=1, started=3, finished={"succeeded": 1}, runtime_count=1,
              runtime_sum_seconds=approx(230.013, abs=1e-3)),
        tally("t.noop", "main", sent=1, received=1, started=3, finished={"succeeded": 3}, runtime_count=3,
              runtime_sum_seconds=approx(0.0005, abs=1e-4)),
    )  # fmt: skip
    assert_waits(replay, main=[0.021, 0.007])  # from sent; from the eta: one wait each
    assert (replay.queue("main").slo, replay.gauges("main")) == (slo(met_first=2), {"running": 2})
    assert {worker.worker: worker.running for worker in replay.snapshot.workers} == {"w6@vm": 1, "w7@vm": 1}
    assert known(replay) == {"main": 6}
    assert_sound(replay.ledger)


def assert_waits(replay, **expected):
    """Each wait is in the bucket of its length, and their sum is right to half a millisecond each."""
    bounds = replay.snapshot.wait_bounds
    for label, waits in expected.items():
        counts = [0] * (len(bounds) + 1)
        for wait in waits:
            counts[bisect_left(bounds, wait)] += 1
        total = approx(sum(waits), abs=0.0005 * len(waits))
        assert replay.queue(label).time_to_start == HistogramView(counts=tuple(counts), sum_seconds=total), label


def known(replay):
    """Attempts by queue: those that ended and those that did not."""
    found = {}
    for view in replay.snapshot.queues:
        ended = sum(sum(task.finished.values()) for task in replay.snapshot.tasks if task.queue == view.queue)
        expired = sum(one.state == EXPIRED for one in replay.ledger.lives._newest.values())
        found[view.queue] = ended + view.waiting + view.scheduled + view.running + expired
    return found


# Repeated.

FILES = {
    "events-celery-5.6.jsonl": "queue,target_seconds\ncelery,60\nother,60\nslow,60\n",
    "events-celery-main.jsonl": "queue,target_seconds\ncelery,60\n",
    "events-celery-5.7.jsonl": "queue,target_seconds\nmain,60\n",
    "events-enable-events.jsonl": "queue,target_seconds\ncelery,60\nother,60\n",
    "events-redelivery.jsonl": "queue,target_seconds\nmain,60\n",
}


@pytest.mark.parametrize("file", FILES)
def test_every_event_twice_changes_nothing(file):
    once = replay_of(golden(file), FILES[file])
    twice = replay_of([arrival for arrival in golden(file) for _ in range(2)], FILES[file])

    assert without_runtimes(twice) == without_runtimes(once)
    assert_sound(twice.ledger)


def without_runtimes(replay):
    """The essence, but for how long runs were: of two runs that overlap, a repeated end is taken for the other's."""
    essence = replay.essence()
    queues = tuple(msgspec.structs.replace(view, runtime=None) for view in essence.queues)
    tasks = tuple(msgspec.structs.replace(view, runtime_sum_seconds=0.0) for view in essence.tasks)
    return msgspec.structs.replace(essence, queues=queues, tasks=tasks)


@pytest.mark.parametrize("file", FILES)
def test_all_task_events_once_more_at_the_end_change_nothing(file):
    """As when a connection breaks before what it brought was acknowledged: up to that, all is read again."""
    events = golden(file)
    last_at = events[-1][1]
    again = [(event, last_at) for event, _ in events if event.type.startswith("task-") and event.type != "task-sent"]
    once = replay_of(events, FILES[file])
    twice = replay_of([*events, *again], FILES[file])

    assert twice.tasks() == once.tasks()
    assert_sound(twice.ledger)


# Shuffled.

# What ran more than once under one id. Starts and ends do not say to which attempt they belong; it is told by their
# place among the other events of their worker. Where these overtake each other by seconds, it cannot be told.
SEVERAL_RUNS = {
    "5a5f9581-5010-4eb7-b514-f908c705cac2",  # retry
    "4faa321c-5354-4053-8bb7-e8ba40aa40e4",  # reject_requeue
    "cda5fd3a-ced5-4e87-a9f7-1eb2fb492950",  # suicide_late
    "b47a5360-37e3-484c-8031-64f62d3cf31c",  # exchange_rk
    "3f6cfc8b-7a2f-42f8-b013-c5aa4664badb",  # reject_requeue
    "93505a33-fd48-450c-93ed-439019812e82",  # retry
    "3daa84f4-069e-4293-839b-0eef3fa4e9c8",  # replaced
    "cffc5895-e4de-4bbd-91ef-b89cfd2edcd0",  # again
    "e58bcb00-928f-436f-925f-a49915c58892",  # late
    "cfa0787b-a128-4a91-8580-5d8dc57f3928",  # noop
}
# Failed and rejected are both said of its one run, and the first to come counts.
TWO_ENDS = {"273e221c-b25a-4bb0-bd03-6e2bf5fe4414"}
# Its successor has its id and its retries: before its task-sent has come, its start is a second run of the first.
REPLACED = {"3daa84f4-069e-4293-839b-0eef3fa4e9c8"}
SEEDS = range(6)
SHUFFLED_SECONDS = 9.9  # for ten seconds a task-sent is waited for
NOISE = "noise"


def shuffled(arrivals, seed, is_late):
    """Let some events come late, each by its own time; another producer speaks all the while."""
    chance = Random(seed)
    delayed = [(event, at + chance.uniform(0, SHUFFLED_SECONDS) * is_late(event)) for event, at in arrivals]
    first_at, last_at = arrivals[0][1], arrivals[-1][1]
    for second in range(int(last_at - first_at) // 5 + 3):
        at = first_at + 5 * second
        delayed.append((sent(f"noise {second}", at - T0, queue=NOISE, name=NOISE), at))
    return sorted(delayed, key=lambda arrival: arrival[1])


def assert_same_counts(replay, expected):
    ours, theirs = ({key: view for key, view in one.tasks().items() if NOISE not in key} for one in (replay, expected))
    assert ours == theirs
    for label in [view.queue for view in expected.snapshot.queues if view.queue != NOISE]:
        count, total = expected.waits(label)
        assert replay.waits(label) == (count, approx(total, abs=0.01 * count))  # a start may be computed from its end
        assert replay.queue(label).slo == expected.queue(label).slo
        assert replay.gauges(label) == expected.gauges(label)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("file", FILES)
def test_late_task_sent_changes_nothing(file, seed):
    """Each worker's own events keep their order: they share one connection. Producers have their own."""
    arrivals = [arrival for arrival in golden(file) if arrival[0].uuid not in REPLACED]
    expected = replay_of(arrivals, FILES[file], 20)

    replay = replay_of(shuffled(arrivals, seed, lambda event: event.type == "task-sent"), FILES[file], 20)

    assert_sound(replay.ledger)
    assert_same_counts(replay, expected)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("file", FILES)
def test_whatever_is_late_and_repeated_changes_nothing_for_tasks_with_one_run(file, seed):
    """Without heartbeats: an idle one that overtakes the end of a task says that it ended unseen."""
    arrivals = [
        (event, at)
        for event, at in golden(file)
        if event.type.startswith("task-") and event.uuid not in SEVERAL_RUNS | TWO_ENDS
    ]
    expected = replay_of(arrivals, FILES[file], 20) if arrivals else Replay(FILES[file])

    replay = replay_of(shuffled(arrivals * 2, seed, lambda _: True), FILES[file], 20) if arrivals else expected

    assert_sound(replay.ledger)
    assert_same_counts(replay, expected)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("file", FILES)
def test_whatever_is_late_and_repeated_leaves_the_ledger_sound(file, seed):
    arrivals = shuffled(golden(file) * 2, seed, lambda _: True)
    replay = Replay(FILES[file], since=arrivals[0][1] - SECOND)

    for arrival in arrivals:
        replay.feed(arrival)
        assert_sound(replay.ledger)

    judged = {view.queue: view.slo for view in replay.snapshot.queues}
    for label, counts in judged.items():
        decided = counts.met_first + counts.met_retry + counts.missed_first + counts.missed_retry
        decided += sum(counts.excluded.values())
        opened = sum(task.sent + task.started for task in replay.snapshot.tasks if task.queue == label)
        assert decided <= opened
