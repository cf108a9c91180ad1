"""The life of a task in any order of its events: what is counted, who waits, and how long the wait was.

The sequences are those that real workers send; their source is named where it is not the golden files.
"""

from itertools import permutations
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import ledger as ledger_module
from core import lives as lives_module
from core.metrics import OTHER, UNKNOWN
from tests.core.replay import (
    T0,
    Replay,
    assert_sound,
    failed,
    heartbeat,
    iso,
    late,
    naive,
    offline,
    online,
    received,
    rejected,
    retried,
    revoked,
    sent,
    slo,
    started,
    succeeded,
    tallies,
    tally,
)

# One plain task: sent at 0, received at 1, started at 3, succeeded at 8.
PLAIN = (sent("1", 0), received("1", 1), started("1", 3), succeeded("1", 8, runtime=5.0))
PLAIN_TALLY = tally(sent=1, received=1, started=1, finished={"succeeded": 1}, runtime_count=1, runtime_sum_seconds=5.0)


def together(*events, at=10):
    """All events arrive at one moment, in the given order: only the order differs from case to case."""
    return Replay().feed(*(late(event, at) for event in events))


# Any order, repeated.


def test_plain_task():
    replay = Replay().feed(*PLAIN)

    assert replay.tasks() == tallies(PLAIN_TALLY)
    assert (replay.waits(), replay.gauges(), replay.queue().slo) == ((1, 3.0), {}, slo(met_first=1))
    assert_sound(replay.ledger)


@pytest.mark.parametrize("order", list(permutations(PLAIN)), ids=lambda order: ",".join(e.type[5:] for e in order))
def test_order_of_the_events_changes_nothing(order):
    assert together(*order).snapshot == together(*PLAIN).snapshot


@pytest.mark.parametrize("order", list(permutations(PLAIN)), ids=lambda order: ",".join(e.type[5:] for e in order))
def test_every_event_twice_changes_nothing(order):
    assert together(*(event for event in order for _ in range(2))).essence() == together(*PLAIN).essence()


@given(st.permutations(PLAIN * 2))
@settings(max_examples=400, deadline=None)
def test_repeats_at_any_distance_change_nothing(order):
    replay = together(*order)

    assert replay.essence() == together(*PLAIN).essence()
    assert_sound(replay.ledger)


FAILING = (sent("1", 0), received("1", 1), started("1", 3), failed("1", 8))


@given(st.permutations(FAILING * 2))
@settings(max_examples=400, deadline=None)
def test_order_and_repeats_change_nothing_for_a_task_that_fails(order):
    """Its start cannot be computed from its end, which tells no run time; it is measured when its event comes."""
    replay = together(*order)

    assert replay.tasks() == tallies(
        tally(sent=1, received=1, started=1, finished={"failed": 1}, failed={"ValueError": 1})
    )
    assert (replay.waits(), replay.gauges(), replay.queue().slo) == ((1, 3.0), {}, slo(met_first=1))
    assert_sound(replay.ledger)


@pytest.mark.parametrize(
    ("end", "finished"),
    [
        (revoked("1", 8, terminated=True), "revoked"),
        (rejected("1", 8), "rejected"),
        (failed("1", 8, exception="<odd>"), "failed"),
    ],
)
def test_order_changes_nothing_for_other_ends_of_a_run(end, finished):
    orders = permutations((sent("1", 0), received("1", 1), started("1", 3), end))

    replays = [together(*order) for order in orders]

    assert [replay.essence() for replay in replays] == [replays[0].essence()] * len(replays)
    assert replays[0].tasks()["t", "mail"].finished == {finished: 1}
    assert (replays[0].waits(), replays[0].queue().slo) == ((1, 3.0), slo(met_first=1))


def test_start_that_is_not_heard_of_is_the_end_less_the_run_time():
    replay = Replay().feed(sent("1", 0), succeeded("1", 8, runtime=5.0))

    assert replay.tasks()["t", "mail"].started == 1
    assert (replay.waits(), replay.queue().slo) == ((1, 3.0), slo(met_first=1))


def test_start_that_comes_after_its_end_is_not_another_run_however_the_clocks_round():
    """The worker stamps the start when it hears of it, milliseconds after the run began."""
    for stamped in (2.99, 3.0, 3.01):
        replay = together(sent("1", 0), succeeded("1", 8, runtime=5.0), started("1", stamped), started("1", stamped))

        assert replay.tasks()["t", "mail"].started == 1
        assert replay.gauges() == {}


def test_task_is_judged_once_where_its_start_comes_after_its_end():
    replay = together(sent("1", 0), failed("1", 40), started("1", 3), at=41)

    assert replay.queue().slo == slo(missed_first=1, retracted=1)
    assert replay.waits() == (1, 3.0)


# Who waits, step by step.


def test_gauges_follow_a_task_through_its_life():
    replay = Replay()

    seen = []
    for event in PLAIN:
        replay.feed(event)
        seen.append(replay.gauges())

    assert seen == [{"waiting": 1}, {"waiting": 1, "reserved": 1}, {"running": 1}, {}]


def test_oldest_and_newest_of_the_waiting_and_the_last_of_all_are_told():
    replay = Replay().feed(sent("1", 0), sent("2", 1), sent("3", 2), received("2", 3), started("2", 4))

    view = replay.queue()

    assert (view.oldest_waiting_at, view.newest_waiting_at) == (T0, T0 + 2)
    assert (view.last_sent_at, view.last_start_at) == (T0 + 2, T0 + 4)


def test_queues_do_not_share_gauges_or_counters():
    replay = Replay("queue,target_seconds\nmail,30\nbulk,60\n").feed(
        sent("1", 0), sent("2", 0, queue="bulk"), started("2", 2), sent("3", 3, queue="new")
    )

    assert [replay.gauges(label) for label in ("mail", "bulk", "new")] == [
        {"waiting": 1},
        {"running": 1},
        {"waiting": 1},
    ]
    assert replay.tasks() == tallies(tally(sent=1), tally(queue="bulk", sent=1, started=1), tally(queue="new", sent=1))


def test_name_of_task_sent_holds_where_the_worker_calls_it_otherwise():
    """`shadow=` renames a task for its worker: an unbounded label."""
    replay = Replay().feed(sent("1", 0), received("1", 1, name="a name of its own"), started("1", 2))

    assert replay.tasks() == tallies(tally(sent=1, received=1, started=1))


# Later.


def test_countdown_is_scheduled_then_waits_from_its_eta():
    replay = Replay().feed(sent("1", 0, eta=iso(20)), received("1", 1, eta=iso(20)))
    seen = [replay.until(at).gauges() for at in (19, 20, 25)]
    replay.feed(started("1", 26), succeeded("1", 27, runtime=1.0))

    assert seen == [{"scheduled": 1}, {"waiting": 1, "reserved": 1}, {"waiting": 1, "reserved": 1}]
    assert (replay.waits(), replay.queue().slo) == ((1, 6.0), slo(met_first=1))
    assert_sound(replay.ledger)


def test_eta_that_has_passed_when_it_is_sent_changes_nothing():
    replay = Replay().feed(sent("1", 10, eta=iso(4)), started("1", 12))

    assert replay.waits() == (1, 2.0)


@pytest.mark.parametrize("hours_east", [-8, 0, 5.5])
def test_eta_is_read_with_its_zone(hours_east):
    replay = Replay().feed(sent("1", 0, eta=iso(60, hours_east)), started("1", 66))

    assert replay.waits() == (1, 6.0)


def test_start_a_moment_before_the_eta_is_no_negative_wait():
    """Timers of workers run some milliseconds early."""
    replay = Replay().feed(sent("1", 0, eta=iso(60)), late(started("1", 59.95), 60.5))

    assert (replay.waits(), replay.snapshot.exporter.negative_waits) == ((1, 0.0), 0)


def test_start_before_the_eta_was_due_here_too_leaves_no_trace():
    replay = Replay().feed(sent("1", 0, eta=iso(60)), started("1", 59.95), succeeded("1", 59.97)).until(70)

    assert (replay.gauges(), replay.queue().slo) == ({}, slo(met_first=1))
    assert_sound(replay.ledger)


def test_eta_without_a_zone_is_scheduled_and_its_wait_is_not_measured():
    replay = Replay().feed(sent("1", 0, eta=naive(60)), received("1", 1)).until(3600)
    before = replay.gauges()
    replay.feed(started("1", 3600), succeeded("1", 3601, runtime=1.0))

    assert before == {"scheduled": 1}
    assert (replay.waits(), replay.gauges(), replay.queue().slo) == ((0, 0.0), {}, slo())
    assert replay.tasks()["t", "mail"].started == 1


def test_eta_without_a_zone_is_scheduled_also_where_task_sent_came_too_late():
    """By its worker's word, which has made the eta one of its own zone."""
    replay = Replay().feed(received("1", 1, eta=iso(60))).until(15)
    replay.feed(late(sent("1", 0, eta=naive(60)), 15))
    before = replay.gauges(), replay.gauges(UNKNOWN)
    replay.until(70).feed(started("1", 70))

    assert before == ({"scheduled": 1}, {})
    assert replay.waits() == (1, 10.0)


def test_eta_that_a_late_task_sent_puts_off_holds_up_no_other():
    replay = Replay().feed(received("1", 1, eta=iso(20))).until(15)
    replay.feed(late(sent("1", 0, eta=iso(50)), 15), sent("2", 16, eta=iso(30)))

    seen = [replay.until(at).gauges() for at in (29, 30, 49, 50)]

    assert seen == [
        {"scheduled": 2},
        {"scheduled": 1, "waiting": 1},
        {"scheduled": 1, "waiting": 1},
        {"waiting": 2, "reserved": 1},
    ]


def test_task_whose_worker_tells_an_eta_without_a_zone_does_not_wait():
    replay = Replay().feed(received("1", 1, eta=naive(600))).until(300)

    assert replay.gauges(UNKNOWN) == {"scheduled": 1}


# Retries.

# The order of a real worker: the next attempt is sent before this one is said to be retried.
RETRY = (
    sent("1", 0),
    received("1", 1),
    started("1", 2),
    sent("1", 4, retries=1, host="gen9@lab", eta=iso(60)),
    received("1", 4.1, retries=1, eta=iso(60)),
    retried("1", 4.2),
    started("1", 63),
    succeeded("1", 64, runtime=1.0),
)
RETRY_TALLY = tally(
    sent=2,
    received=2,
    started=2,
    finished={"retried": 1, "succeeded": 1},
    runtime_count=1,
    runtime_sum_seconds=1.0,
)


def test_retry_is_another_wait_from_its_eta():
    replay = Replay().feed(*RETRY)

    assert replay.tasks() == tallies(RETRY_TALLY)
    assert (replay.waits(), replay.gauges()) == ((2, 2.0 + 3.0), {})
    assert replay.queue().slo == slo(met_first=1, met_retry=1)


def test_gauges_follow_a_retry():
    replay = Replay()

    seen = []
    for event in RETRY:
        replay.feed(event)
        seen.append(replay.gauges())
        assert_sound(replay.ledger)

    assert seen == [
        {"waiting": 1},
        {"waiting": 1, "reserved": 1},
        {"running": 1},
        {"scheduled": 1, "running": 1},
        {"scheduled": 1, "running": 1},
        {"scheduled": 1},
        {"running": 1},
        {},
    ]


def test_every_event_of_a_retry_twice_changes_nothing():
    once = Replay().feed(*RETRY)
    twice = Replay().feed(*(event for event in RETRY for _ in range(2)))

    assert twice.essence() == once.essence()


def test_whole_history_of_a_retry_read_again_changes_nothing():
    """As when a connection breaks before the events it brought were acknowledged."""
    once = Replay().feed(*RETRY)
    twice = Replay().feed(*RETRY, *(late(event, 64) for event in RETRY))

    assert twice.essence() == once.essence()


@pytest.mark.parametrize("delays", [(0, 8), (8, 0), (8, 8), (3, 8), (8, 3)])
def test_task_sent_of_either_attempt_may_be_late(delays):
    first, again = delays
    soon = [msgspec.structs.replace(event, eta=None, timestamp=event.timestamp) for event in RETRY[:6]]
    events = [*soon, started("1", 4.3), succeeded("1", 4.4, runtime=0.1)]
    in_time = Replay().feed(*events).until(30)
    arrivals = {id(events[0]): first, id(events[3]): 4 + again}
    shuffled = sorted(
        (late(event, arrivals.get(id(event), event.timestamp - events[0].timestamp)) for event in events),
        key=lambda pair: pair[1],
    )
    replay = Replay().feed(sent("other", 0, queue="bulk"), *shuffled).until(30)

    assert replay.tasks().pop(("t", "bulk")) == tally(queue="bulk", sent=1)
    assert replay.tasks()["t", "mail"] == in_time.tasks()["t", "mail"]
    assert (replay.waits(), replay.gauges()) == (in_time.waits(), {})
    assert replay.queue().slo == in_time.queue().slo
    assert_sound(replay.ledger)


def test_retry_that_overtakes_the_word_that_it_is_retried():
    """With countdown 0 another process of the pool may start it, and end it, first."""
    replay = Replay().feed(
        *RETRY[:3], sent("1", 4, retries=1), received("1", 4.1, retries=1), started("1", 4.2), retried("1", 4.3)
    )
    before = replay.gauges()
    replay.feed(succeeded("1", 9, runtime=4.8))

    assert before == {"running": 1}
    assert replay.gauges() == {}
    assert replay.tasks()["t", "mail"].finished == {"retried": 1, "succeeded": 1}


def test_retry_whose_task_sent_is_never_seen_is_counted_all_the_same():
    """A worker need not send task-sent where its producers do."""
    replay = Replay().feed(*(event for event in RETRY if event.retries != 1 or event.type != "task-sent")).until(90)

    assert replay.tasks() == tallies(msgspec.structs.replace(RETRY_TALLY, sent=1))
    assert (replay.gauges(), replay.waits()) == ({}, (1, 2.0))
    assert replay.queue().slo == slo(met_first=1, excluded={"wait_unknown": 1})


def test_retries_without_any_task_sent_are_counted_as_attempts():
    """Celery's default. All comes within the second for which task-sent is waited."""
    soon = [received("1", 1), started("1", 1.1), received("1", 1.2, retries=1), retried("1", 1.3)]
    replay = Replay().feed(*soon, started("1", 1.4), succeeded("1", 1.5, runtime=0.1)).until(90)

    assert replay.tasks() == tallies(
        msgspec.structs.replace(RETRY_TALLY, queue=UNKNOWN, sent=0, runtime_sum_seconds=0.1)
    )
    assert replay.gauges(UNKNOWN) == {}


def test_start_belongs_to_the_attempt_that_its_worker_holds():
    """The retry is sent, and taken by another worker, before the parent has said that its child began."""
    replay = Replay().feed(
        sent("1", 0), received("1", 1), sent("1", 4.0, retries=1), received("1", 4.003, retries=1, worker="w2@lab"),
        late(started("1", 4.001), 4.004), retried("1", 4.005),
    )  # fmt: skip
    before = replay.gauges()
    replay.feed(started("1", 7, worker="w2@lab"))

    assert (before, replay.gauges()) == ({"waiting": 1, "reserved": 1}, {"running": 1})
    assert replay.waits() == (2, pytest.approx(4.001 + 3.0))
    assert_sound(replay.ledger)


def test_task_sent_of_the_retry_may_come_before_that_of_the_first_attempt():
    """Each on a connection of its own; the worker's events come after both."""
    replay = Replay().feed(
        late(sent("1", 4, retries=1), 5), late(sent("1", 0), 5.1), late(sent("1", 0), 5.1), late(received("1", 1), 5.2),
        late(started("1", 3), 5.2), late(received("1", 4.1, retries=1), 5.2), late(retried("1", 4.2), 5.2),
    )  # fmt: skip
    before = replay.gauges()
    replay.feed(started("1", 6), succeeded("1", 7, runtime=1.0))

    assert before == {"waiting": 1, "reserved": 1}
    assert replay.tasks()["t", "mail"] == RETRY_TALLY
    assert (replay.waits(), replay.queue().slo) == ((2, 3.0 + 2.0), slo(met_first=1, met_retry=1))
    assert_sound(replay.ledger)


def test_first_attempt_whose_events_are_lost_does_not_wait_for_ever():
    """It goes on waiting as long as its start could still be heard of, then it is given up."""
    replay = Replay().feed(sent("1", 0), sent("1", 4, retries=1), received("1", 5, retries=1, worker="w2@lab"))
    replay.feed(started("1", 6, worker="w2@lab"), succeeded("1", 7, runtime=1.0, worker="w2@lab"))
    before = replay.gauges()
    replay.until(1_000)

    assert (before, replay.gauges()) == ({"waiting": 1}, {})
    assert replay.queue().ghosts == {"superseded": 1}
    assert_sound(replay.ledger)


def test_worker_that_takes_the_first_attempt_once_more_does_not_hold_the_retry():
    """Its message is delivered again, by visibility timeout, while the retry waits."""
    replay = Replay().feed(*RETRY[:3], sent("1", 4, retries=1), retried("1", 4.2), received("1", 5, worker="w2@lab"))
    before = replay.gauges()
    replay.feed(received("1", 6, retries=1))

    assert (before, replay.gauges()) == ({"waiting": 1}, {"waiting": 1, "reserved": 1})
    assert replay.tasks()["t", "mail"].received == 2


def test_word_of_a_retry_whose_own_start_is_lost_ends_the_first_attempt_and_not_the_next():
    replay = Replay().feed(RETRY[0], *RETRY[3:])

    assert replay.tasks()["t", "mail"].finished == {"retried": 1, "succeeded": 1}
    assert replay.gauges() == {}


def test_retry_of_a_task_of_which_nothing_was_seen_before_is_counted():
    """The exporter was started while the first attempt ran."""
    replay = Replay().feed(*RETRY[3:6], retried("1", 4.2), *RETRY[6:])

    assert replay.tasks()["t", "mail"].finished == {"retried": 1, "succeeded": 1}
    assert (replay.waits(), replay.queue().slo, replay.gauges()) == ((1, 3.0), slo(met_retry=1), {})


def test_many_retries_of_one_task_do_not_grow_without_bound():
    replay = Replay()
    for attempt in range(50):
        replay.feed(
            sent("1", attempt, retries=attempt),
            received("1", attempt + 0.1, retries=attempt),
            started("1", attempt + 0.2),
            retried("1", attempt + 0.3),
        )

    attempts, newest = 0, replay.ledger.lives.find("1")
    while newest is not None:
        attempts, newest = attempts + 1, newest.older
    assert attempts <= lives_module.MAX_CHAIN + 1
    assert replay.tasks()["t", "mail"].finished == {"retried": 50}


# Once more under the same number: replace(), fixed ids, requeues, redeliveries.


def test_replaced_task_keeps_id_and_retries_and_is_another_generation():
    """Task.replace(): the task ends without a word (Ignore), after it has sent its successor."""
    replay = Replay().feed(
        online(0),
        sent("1", 1),
        received("1", 2),
        started("1", 3),
        sent("1", 4, name="successor", host="gen9@lab"),
        received("1", 4.1, name="successor"),
        started("1", 5),
        succeeded("1", 6, runtime=1.0),
    )
    before = replay.gauges()
    replay.feed(heartbeat(8, processed=2), heartbeat(10, processed=2)).until(11)

    assert before == {"running": 1}  # of the first nothing was heard yet
    assert replay.gauges() == {}
    assert replay.tasks() == tallies(
        tally(sent=1, received=1, started=1, finished={"ignored": 1}),
        tally(
            "successor", sent=1, received=1, started=1, finished={"succeeded": 1}, runtime_count=1,
            runtime_sum_seconds=1.0,
        ),
    )  # fmt: skip
    assert (replay.waits(), replay.queue().slo) == ((2, 2.0 + 1.0), slo(met_first=2))
    assert_sound(replay.ledger)


def test_fixed_id_may_be_sent_again_when_it_has_ended():
    replay = Replay().feed(*PLAIN, sent("1", 20), received("1", 21), started("1", 24), failed("1", 25))

    assert replay.tasks() == tallies(
        tally(
            sent=2, received=2, started=2, finished={"succeeded": 1, "failed": 1}, failed={"ValueError": 1},
            runtime_count=1, runtime_sum_seconds=5.0,
        )
    )  # fmt: skip
    assert (replay.waits(), replay.gauges()) == ((2, 3.0 + 4.0), {})


@pytest.mark.parametrize(
    "end", [revoked("1", 8), revoked("1", 8, expired=True), failed("1", 8, exception="NotRegistered('t')")]
)
def test_fixed_id_may_be_sent_again_when_it_has_ended_without_a_start(end):
    replay = Replay().feed(sent("1", 0), end, sent("1", 20))
    before = replay.gauges()
    replay.feed(received("1", 21), started("1", 24), succeeded("1", 25, runtime=1.0))

    assert before == {"waiting": 1}
    assert replay.tasks()["t", "mail"].sent == 2
    assert (replay.waits(), replay.gauges()) == ((1, 4.0), {})


def test_fixed_id_that_is_sent_twice_while_it_waits_is_one_wait():
    replay = Replay().feed(sent("1", 0), sent("1", 2), started("1", 5), succeeded("1", 6, runtime=1.0))

    assert replay.tasks()["t", "mail"].sent == 2
    assert (replay.waits(), replay.gauges()) == ((1, 5.0), {})


def test_end_that_is_repeated_does_not_end_the_next_generation():
    replay = Replay().feed(*PLAIN, sent("1", 20), late(PLAIN[-1], 21))

    assert replay.gauges() == {"waiting": 1}
    assert replay.tasks()["t", "mail"].finished == {"succeeded": 1}


REQUEUE = (
    sent("1", 0),
    received("1", 1),
    started("1", 2),
    rejected("1", 10, requeue=True),
    received("1", 12),
    started("1", 15),
    succeeded("1", 16, runtime=1.0),
)


def test_requeue_after_a_start_opens_another_wait():
    """Reject(requeue=True), and acks_late with a lost child."""
    replay = Replay().feed(*REQUEUE[:4])
    before = replay.gauges()
    replay.feed(*REQUEUE[4:])

    assert before == {"waiting": 1}
    assert replay.tasks() == tallies(
        tally(
            sent=1, received=2, started=2, finished={"rejected": 1, "succeeded": 1}, runtime_count=1,
            runtime_sum_seconds=1.0,
        )
    )  # fmt: skip
    assert (replay.waits(), replay.queue().slo) == ((2, 2.0 + 5.0), slo(met_first=2))
    assert_sound(replay.ledger)


@pytest.mark.parametrize("order", ["each twice", "all again"])
def test_requeue_that_is_repeated_opens_no_third_wait(order):
    repeated = (
        [event for event in REQUEUE for _ in range(2)]
        if order == "each twice"
        else [*REQUEUE, *(late(event, 16) for event in REQUEUE)]
    )

    assert Replay().feed(*repeated).essence() == Replay().feed(*REQUEUE).essence()


def test_requeued_task_may_start_elsewhere_before_its_worker_has_said_that_it_was_rejected():
    """Both runs end, and the second has a wait of its own, whatever comes first."""
    replay = Replay().feed(
        *REQUEUE[:3], late(started("1", 10.002, worker="w2@lab"), 10.003), late(rejected("1", 10, requeue=True), 10.01)
    )
    before = replay.gauges()
    replay.feed(rejected("1", 10, requeue=True), succeeded("1", 12, runtime=1.998, worker="w2@lab"))

    assert (before, replay.gauges()) == ({"running": 1}, {})
    assert replay.tasks()["t", "mail"].finished == {"rejected": 1, "succeeded": 1}
    assert (replay.waits(), replay.queue().slo) == ((2, pytest.approx(2.0 + 0.002)), slo(met_first=2))
    assert_sound(replay.ledger)


def test_requeue_before_any_start_goes_on_with_the_same_wait():
    replay = Replay().feed(sent("1", 0), received("1", 1), rejected("1", 10, requeue=True))
    before = replay.gauges()
    replay.feed(received("1", 12, worker="w2@lab"), started("1", 15, worker="w2@lab"))

    assert before == {"waiting": 1}
    assert (replay.waits(), replay.queue().slo) == ((1, 15.0), slo(met_first=1))
    assert replay.tasks()["t", "mail"].finished == {}


def test_failure_beside_a_requeue_is_one_end_and_another_wait():
    """Celery's development version says task-failed and task-rejected of one run."""
    replay = Replay().feed(*REQUEUE[:3], failed("1", 10), *REQUEUE[3:])

    assert replay.tasks()["t", "mail"].finished == {"failed": 1, "succeeded": 1}
    assert replay.waits() == (2, 2.0 + 5.0)


def test_redelivery_of_a_task_that_never_started_continues_its_wait():
    replay = Replay().feed(sent("1", 0), received("1", 1), received("1", 20, worker="w2@lab"))
    before = replay.gauges()
    replay.feed(started("1", 25, worker="w2@lab"), succeeded("1", 26, runtime=1.0, worker="w2@lab"))

    assert before == {"waiting": 1, "reserved": 1}
    assert replay.tasks()["t", "mail"].received == 1
    assert (replay.waits(), replay.queue().slo, replay.gauges()) == ((1, 25.0), slo(met_first=1), {})


def test_second_start_is_a_second_run_and_no_second_wait():
    """Visibility timeout: the message is delivered again while, or after, the first run goes on."""
    replay = Replay().feed(
        sent("1", 0), received("1", 1), started("1", 2), received("1", 40, worker="w2@lab"),
        started("1", 41, worker="w2@lab"),
    )  # fmt: skip
    both = replay.gauges()
    replay.feed(succeeded("1", 50, runtime=48.0), succeeded("1", 90, runtime=49.0, worker="w2@lab"))

    assert both == {"running": 2}
    assert replay.tasks() == tallies(
        tally(sent=1, received=1, started=2, finished={"succeeded": 2}, runtime_count=2, runtime_sum_seconds=97.0)
    )  # fmt: skip
    assert (replay.waits(), replay.queue().slo, replay.gauges()) == ((1, 2.0), slo(met_first=1), {})


def test_second_start_in_the_same_worker_does_not_end_the_first_run():
    replay = Replay().feed(sent("1", 0), received("1", 1), started("1", 2), received("1", 60), started("1", 61))
    both = replay.gauges()
    replay.feed(succeeded("1", 70, runtime=68.0))
    one = replay.gauges()
    replay.feed(succeeded("1", 70, runtime=68.0))
    again = replay.gauges()
    replay.feed(succeeded("1", 130, runtime=69.0))

    assert (both, one, again, replay.gauges()) == ({"running": 2}, {"running": 1}, {"running": 1}, {})
    assert replay.tasks()["t", "mail"].finished == {"succeeded": 2}
    assert_sound(replay.ledger)


def test_end_of_one_run_that_is_repeated_does_not_end_the_run_of_another_worker():
    replay = Replay().feed(
        sent("1", 0), started("1", 2), started("1", 41, worker="w2@lab"), succeeded("1", 50, runtime=48.0),
        succeeded("1", 50, runtime=48.0),
    )  # fmt: skip

    assert replay.gauges() == {"running": 1}
    assert replay.tasks()["t", "mail"].finished == {"succeeded": 1}


def test_one_message_for_many_workers_is_one_wait_and_many_runs():
    """A broadcast. Each worker has its own connection: their starts come in any order."""
    workers = [f"w{number}@lab" for number in range(9)]
    starts = [started("1", 1 + number / 1000, worker=worker) for number, worker in enumerate(workers)]
    ends = [succeeded("1", 5 + number, runtime=4.0, worker=worker) for number, worker in enumerate(workers)]
    replay = Replay().feed(sent("1", 0), *(received("1", 0.5, worker=worker) for worker in workers))
    replay.feed(*(late(start, 2) for start in reversed(starts)))
    running = replay.gauges()
    replay.feed(*ends)

    assert (running, replay.gauges()) == ({"running": 9}, {})
    assert replay.tasks()["t", "mail"].started == 9
    assert replay.tasks()["t", "mail"].finished == {"succeeded": 9}
    assert replay.waits()[0] == 1


def test_many_redeliveries_while_the_runs_go_on_do_not_leave_runs_behind():
    """As many as are kept go on; the runs before them cannot be found any more, and are given up."""
    replay = Replay().feed(sent("1", 0), *(started("1", 2 + 10 * number) for number in range(8)))
    running = replay.gauges()
    replay.feed(online(80))

    assert running == {"running": lives_module.MAX_CHAIN + 1}
    assert replay.gauges() == {}
    assert replay.tasks()["t", "mail"].finished == {"lost": 8}
    assert_sound(replay.ledger)


# Ends.


def test_unregistered_task_is_sent_and_fails():
    """No received, no started: the worker knows no such task."""
    replay = Replay().feed(sent("1", 0), failed("1", 2, exception="NotRegistered('t')"))

    assert replay.tasks() == tallies(tally(sent=1, finished={"failed": 1}, failed={"NotRegistered": 1}))
    assert (replay.gauges(), replay.waits()) == ({}, (0, 0.0))
    assert_sound(replay.ledger)


def test_task_that_ends_without_a_start_is_not_overdue():
    replay = Replay().feed(sent("1", 0), sent("2", 0), failed("1", 2), revoked("2", 3), sent("3", 4)).until(40)

    assert replay.gauges() == {"waiting": 1, "overdue": 1}


def test_failure_that_is_told_twice_is_counted_once():
    """Hard time limits, in Celery's development version."""
    replay = Replay().feed(*FAILING, failed("1", 8.001))

    assert replay.tasks() == tallies(
        tally(sent=1, received=1, started=1, finished={"failed": 1}, failed={"ValueError": 1})
    )


def test_failures_are_counted_by_class_and_folded_beyond_a_bound():
    replay = Replay()
    for number in range(25):
        replay.feed(sent(str(number), number), failed(str(number), number + 0.5, exception=f"Error{number}()"))

    failures = replay.tasks()["t", "mail"].failed

    assert failures == {**{f"Error{number}": 1 for number in range(20)}, OTHER: 5}
    assert replay.snapshot.exporter.folded == 5


def test_failure_that_does_not_say_its_class_is_counted_as_unknown():
    replay = Replay().feed(sent("1", 0), started("1", 1), failed("1", 2, exception="<odd repr>"))

    assert replay.tasks()["t", "mail"].failed == {UNKNOWN: 1}


def test_rejected_for_good_is_an_end():
    replay = Replay().feed(*REQUEUE[:3], rejected("1", 10), rejected("1", 10))

    assert replay.tasks()["t", "mail"].finished == {"rejected": 1}
    assert replay.gauges() == {}


def test_rejected_beside_failed_is_one_end_and_the_first_counts():
    """Reject in Celery's development version."""
    replay = Replay().feed(*REQUEUE[:3], failed("1", 10, exception="reject requeue=False: no"), rejected("1", 10))

    assert replay.tasks()["t", "mail"].finished == {"failed": 1}


def test_revoked_before_it_starts():
    replay = Replay().feed(sent("1", 0), received("1", 1), revoked("1", 5))

    assert replay.tasks() == tallies(tally(sent=1, received=1, finished={"revoked": 1}))
    assert (replay.gauges(), replay.queue().slo) == ({}, slo(excluded={"revoked": 1}))
    assert_sound(replay.ledger)


def test_revoked_while_it_is_scheduled():
    replay = Replay().feed(sent("1", 0, eta=iso(60)), received("1", 1, eta=iso(60)), revoked("1", 61)).until(200)

    assert (replay.gauges(), replay.queue().slo) == ({}, slo(excluded={"revoked": 1}))


def test_terminated_while_it_runs():
    replay = Replay().feed(sent("1", 0), started("1", 2), revoked("1", 5, terminated=True), revoked("1", 5.1))

    assert replay.tasks() == tallies(tally(sent=1, started=1, finished={"revoked": 1}))
    assert (replay.gauges(), replay.queue().slo) == ({}, slo(met_first=1))


def test_second_delivery_that_is_thrown_away_does_not_end_the_run():
    """A task that expires, delivered again while it runs: the second worker only says that it will not run it."""
    replay = Replay().feed(
        sent("1", 0, expires=iso(40)), started("1", 2), revoked("1", 41, expired=True, worker="w2@lab")
    )
    before = replay.gauges()
    replay.feed(succeeded("1", 50, runtime=48.0))

    assert (before, replay.gauges()) == ({"running": 1}, {})
    assert replay.tasks()["t", "mail"].finished == {"succeeded": 1}
    assert replay.queue().slo == slo(met_first=1)


def test_revoked_after_it_has_ended_changes_nothing():
    replay = Replay().feed(*PLAIN, revoked("1", 9))

    assert replay.tasks() == tallies(PLAIN_TALLY)


# Workers.


def test_ignored_task_leaves_by_two_idle_heartbeats():
    """Ignore sends nothing at all."""
    replay = Replay().feed(online(0), sent("1", 1), received("1", 2), started("1", 3), heartbeat(4)).until(5)
    one = replay.gauges()
    replay.feed(heartbeat(6)).until(7)

    assert (one, replay.gauges()) == ({"running": 1}, {})
    assert replay.tasks() == tallies(tally(sent=1, received=1, started=1, finished={"ignored": 1}))


def test_idle_heartbeats_of_before_do_not_end_a_task():
    replay = (
        Replay().feed(sent("1", 1), online(2), heartbeat(4), heartbeat(6), started("1", 6.5), heartbeat(8)).until(9)
    )

    assert replay.gauges() == {"running": 1}


def test_heartbeat_that_is_repeated_is_one_heartbeat():
    replay = Replay().feed(sent("1", 1), started("1", 2), heartbeat(4), heartbeat(4)).until(9)

    assert replay.gauges() == {"running": 1}


def test_busy_heartbeats_end_nothing():
    replay = Replay().feed(sent("1", 1), started("1", 2), *(heartbeat(at, active=1) for at in range(4, 300, 2)))

    assert replay.gauges() == {"running": 1}


def test_heartbeat_without_numbers_ends_nothing():
    """The answer to a broadcast heartbeat carries none."""
    empty = [heartbeat(at, active=None, processed=None) for at in range(4, 60, 2)]
    replay = Replay().feed(sent("1", 1), started("1", 2), *empty)

    assert replay.gauges() == {"running": 1}


def test_worker_that_stops_hands_back_what_it_holds_and_finishes_what_it_runs():
    """SIGTERM: worker-offline comes first, the ends of its tasks after it, without a heartbeat between."""
    replay = Replay().feed(
        online(0), sent("1", 1), sent("2", 1), received("1", 2), received("2", 2), started("1", 3),
        offline(5, active=1, processed=1),
    )  # fmt: skip
    before = replay.gauges(), [worker.worker for worker in replay.snapshot.workers]
    replay.feed(succeeded("1", 30, runtime=27.0)).until(200)

    assert before == ({"waiting": 1, "running": 1}, [])
    assert replay.gauges() == {"waiting": 1, "overdue": 1}
    assert replay.tasks()["t", "mail"].finished == {"succeeded": 1}
    assert replay.snapshot.workers == ()
    assert replay.ledger.workers.lost == {}
    assert_sound(replay.ledger)


def test_what_a_stopped_worker_still_ran_is_lost_when_nothing_more_is_heard_of_it():
    replay = Replay().feed(online(0), sent("1", 1), started("1", 3), offline(5, active=1)).until(60)
    before = replay.gauges()
    replay.until(70)

    assert (before, replay.gauges()) == ({"running": 1}, {})
    assert replay.tasks()["t", "mail"].finished == {"lost": 1}
    assert replay.ledger.workers.lost == {}  # it said goodbye


def test_worker_that_only_lost_its_connection_goes_on():
    """It says offline and online, with tasks that run and a history; what it held is delivered again."""
    replay = Replay().feed(
        online(0), sent("1", 1), sent("2", 1), received("1", 2), received("2", 2), started("1", 3),
        offline(5, active=1, processed=1), online(5.1, active=1, processed=1), received("2", 6),
    )  # fmt: skip
    before = replay.gauges()
    replay.feed(succeeded("1", 13, runtime=10.0), started("2", 14), succeeded("2", 15, runtime=1.0))

    assert before == {"waiting": 1, "reserved": 1, "running": 1}
    assert replay.tasks() == tallies(
        tally(
            sent=2, received=2, started=2, finished={"succeeded": 2}, runtime_count=2, runtime_sum_seconds=11.0
        )
    )  # fmt: skip
    assert replay.waits() == (2, 2.0 + 13.0)


def test_connection_that_was_lost_without_a_goodbye_ends_no_run_either():
    replay = Replay().feed(
        online(0), sent("1", 1), sent("2", 1), received("2", 2), started("1", 3), online(9, active=1, processed=1)
    )

    assert replay.gauges() == {"waiting": 1, "running": 1}


def test_silent_worker_is_lost_with_what_it_ran_and_what_it_held_goes_on_waiting():
    replay = Replay().feed(
        online(0), sent("1", 1), sent("2", 1), received("1", 2), received("2", 2), started("1", 3), heartbeat(4)
    )
    before = replay.until(63).gauges()
    replay.until(66)

    assert before == {"waiting": 1, "reserved": 1, "overdue": 1, "running": 1}
    assert replay.gauges() == {"waiting": 1, "overdue": 1}
    assert replay.tasks()["t", "mail"].finished == {"lost": 1}
    assert (replay.ledger.workers.lost, [worker.online for worker in replay.snapshot.workers]) == (
        {"silent": 1},
        [False],
    )
    assert_sound(replay.ledger)


def test_what_a_lost_worker_held_is_received_once_though_it_is_delivered_twice():
    replay = Replay().feed(online(0), sent("1", 1), received("1", 2)).until(70)
    replay.feed(received("1", 80, worker="w2@lab"), started("1", 81, worker="w2@lab"))

    assert replay.tasks() == tallies(tally(sent=1, received=1, started=1))
    assert replay.waits() == (1, 80.0)


def test_solo_worker_is_not_silent_while_its_task_runs():
    replay = Replay()
    replay.ledger.observe_worker("w1@lab", replay.now, queues=["mail"], slots=1, pool="solo")
    replay.feed(online(0), sent("1", 1)).until(300)

    assert [worker.online for worker in replay.snapshot.workers] == [True]


def test_nobody_is_silent_while_we_do_not_listen():
    replay = Replay().feed(online(0), sent("1", 1), started("1", 2)).cut(10, 200).until(250)
    before = replay.gauges()
    replay.until(262)

    assert (before, replay.gauges()) == ({"running": 1}, {})


def test_new_process_of_the_same_name_does_not_run_what_the_old_one_did():
    """SIGKILL and a quick restart: no goodbye."""
    replay = Replay().feed(
        online(0), sent("1", 1), sent("2", 1), received("1", 2), received("2", 2), started("1", 3), online(6)
    )
    before = replay.gauges()
    replay.feed(received("2", 7), started("2", 8), succeeded("2", 9, runtime=1.0))

    assert before == {"waiting": 1}
    assert replay.gauges() == {}
    assert replay.tasks()["t", "mail"].finished == {"lost": 1, "succeeded": 1}
    assert replay.waits() == (2, 2.0 + 7.0)


def test_new_process_of_a_stopped_worker_ends_what_the_old_one_did_not():
    replay = Replay().feed(online(0), sent("1", 1), started("1", 2), offline(5, active=1), online(9))

    assert (replay.gauges(), replay.tasks()["t", "mail"].finished) == ({}, {"lost": 1})


def test_scheduled_task_whose_worker_went_waits_in_nobodys_hands_when_it_is_due():
    replay = Replay().feed(online(0), sent("1", 0, eta=iso(60)), received("1", 1, eta=iso(60)), offline(5)).until(61)

    assert replay.gauges() == {"waiting": 1}
    assert_sound(replay.ledger)


def test_retry_that_was_lost_is_ended_with_its_worker_although_the_next_attempt_has_ended():
    """Its task-retried is lost: the next attempt must not hide it."""
    replay = Replay().feed(online(0), *RETRY[:5], *RETRY[6:])
    before = replay.gauges()
    replay.feed(heartbeat(66, processed=2), heartbeat(68, processed=2)).until(69)

    assert (before, replay.gauges()) == ({"running": 1}, {})
    assert replay.tasks()["t", "mail"].finished == {"ignored": 1, "succeeded": 1}
    assert_sound(replay.ledger)


def test_worker_that_is_lost_is_shown_for_an_hour():
    replay = Replay().feed(online(0)).until(3599)
    before = len(replay.snapshot.workers)
    replay.until(3602)

    assert (before, replay.snapshot.workers) == (1, ())


# Clocks.


def test_producer_whose_clock_is_ahead_gives_no_negative_wait_and_no_phantom():
    """Its task-sent is stamped five seconds after the start."""
    replay = Replay().feed(
        late(sent("1", 7), 1), late(received("1", 1.5), 1.5), late(started("1", 2), 2),
        late(succeeded("1", 3, runtime=1.0), 3),
    ).until(60)  # fmt: skip

    assert replay.tasks() == tallies(msgspec.structs.replace(PLAIN_TALLY, runtime_sum_seconds=1.0))
    assert (replay.waits(), replay.gauges(), replay.queue().slo) == ((1, 0.0), {}, slo(met_first=1))
    assert replay.snapshot.exporter.negative_waits == 1


@pytest.mark.parametrize("place", range(4))
def test_producer_whose_clock_is_ahead_gives_no_phantom_in_any_order(place):
    others = [received("1", 1.5), started("1", 2), succeeded("1", 3, runtime=1.0)]
    replay = together(*others[:place], sent("1", 7), *others[place:], at=5).until(60)

    assert (replay.gauges(), replay.tasks()["t", "mail"].started) == ({}, 1)
    assert replay.waits() == (1, 0.0)


def test_producer_whose_clock_is_ahead_and_late_gives_no_phantom():
    replay = Replay().feed(received("1", 1.5), started("1", 2), succeeded("1", 3, runtime=1.0)).until(20)
    replay.feed(late(sent("1", 7), 20)).until(60)

    assert (replay.gauges(), replay.gauges(UNKNOWN)) == ({}, {})
    assert replay.tasks()["t", "mail"].sent == 1


# No task-sent.


def test_late_task_sent_after_everything_completes_the_task():
    replay = Replay().feed(
        sent("other", 0, queue="bulk", name="other"), received("1", 1), started("1", 3), succeeded("1", 8, runtime=5.0)
    )
    replay.until(30).feed(late(sent("1", 0), 30))

    assert replay.waits() == (1, 3.0)
    assert replay.gauges() == replay.gauges(UNKNOWN) == {}
    assert {key: view.sent for key, view in replay.tasks().items()} == {
        ("other", "bulk"): 1,
        ("t", "mail"): 1,
        ("t", UNKNOWN): 0,
    }


@pytest.mark.parametrize(
    ("first", "gauges"),
    [
        (received("1", 1), {"waiting": 1, "reserved": 1}),
        (received("1", 1, eta=iso(60)), {"scheduled": 1}),
        (started("1", 1), {"running": 1}),
    ],
)
def test_late_task_sent_moves_a_task_to_its_queue_wherever_it_is(first, gauges):
    replay = Replay().feed(first).until(15)
    before = replay.gauges(UNKNOWN)
    replay.feed(late(sent("1", 0, eta=first.eta), 15), late(sent("1", 0, eta=first.eta), 15))

    assert (before, replay.gauges(UNKNOWN), replay.gauges()) == (gauges, {}, gauges)
    assert_sound(replay.ledger)
    replay.until(100)
    assert (replay.queue().slo.missed_first, replay.queue(UNKNOWN).slo) == (int("running" not in gauges), slo())
    assert_sound(replay.ledger)


def test_late_task_sent_of_a_task_that_runs_counts_its_end_on_its_queue():
    replay = Replay().feed(received("1", 1), started("1", 3)).until(30)
    before = replay.gauges(UNKNOWN)
    replay.feed(late(sent("1", 0), 30), succeeded("1", 31, runtime=28.0))

    assert (before, replay.gauges(UNKNOWN), replay.gauges()) == ({"running": 1}, {}, {})
    assert replay.tasks()["t", "mail"].finished == {"succeeded": 1}
    assert replay.waits() == (1, 3.0)
    assert_sound(replay.ledger)


def test_miss_on_a_guessed_queue_is_not_taken_back_on_the_true_one():
    """The name's last queue promised 30 s, the true one 600 s."""
    replay = Replay("queue,target_seconds\nmail,30\nbulk,600\n").feed(
        sent("0", 0), started("0", 1), received("1", 1), started("1", 50)
    )
    guessed = replay.queue().slo
    replay.feed(late(sent("1", 0, queue="bulk"), 51))

    assert guessed == slo(met_first=1, missed_first=1)
    assert [replay.queue(label).slo.retracted for label in ("mail", "bulk")] == [0, 0]
    assert_sound(replay.ledger)


def test_without_task_sent_a_task_waits_since_its_worker_took_it():
    replay = Replay("queue,target_seconds\nmail,30\n")
    replay.ledger.observe_worker("w1@lab", replay.now, queues=["mail"], slots=1, pool="prefork")
    replay.feed(received("1", 1)).until(5)
    before = replay.gauges()
    replay.feed(started("1", 8), succeeded("1", 9, runtime=1.0))

    assert before == {"waiting": 1, "reserved": 1}
    assert replay.tasks() == tallies(
        tally(received=1, started=1, finished={"succeeded": 1}, runtime_count=1, runtime_sum_seconds=1.0)
    )
    assert (replay.waits(), replay.queue().slo) == ((0, 0.0), slo(excluded={"wait_unknown": 1}))
    assert replay.snapshot.exporter.attribution == {"worker": 1}


def test_without_task_sent_a_miss_is_certain_when_the_worker_held_it_for_too_long():
    replay = Replay()
    replay.ledger.observe_worker("w1@lab", replay.now, queues=["mail"], slots=1, pool="prefork")
    replay.feed(received("1", 1)).until(40)

    assert (replay.queue().slo, replay.gauges()) == (
        slo(missed_first=1),
        {"waiting": 1, "reserved": 1, "overdue": 1},
    )


def test_without_task_sent_tasks_are_counted_under_the_last_queue_of_their_name():
    replay = Replay().feed(sent("0", 0, queue="bulk"), received("1", 1), started("1", 2)).until(15)

    assert replay.tasks()["t", "bulk"] == tally(queue="bulk", sent=1, received=1, started=1)
    assert replay.snapshot.exporter.attribution == {"sent": 1, "name": 1}


def test_without_task_sent_and_any_evidence_tasks_are_counted_as_unknown_and_never_as_celery():
    replay = Replay("queue,target_seconds\ncelery,30\n").feed(*PLAIN[1:], started("2", 9)).until(30)

    assert {key: (view.received, view.started) for key, view in replay.tasks().items()} == {
        ("t", UNKNOWN): (1, 1),
        (UNKNOWN, UNKNOWN): (0, 1),
    }
    assert replay.snapshot.exporter.attribution == {"unknown": 2}


def test_task_sent_without_a_queue_is_unknown():
    replay = Replay("queue,target_seconds\ncelery,30\n").feed(sent("1", 0, queue=None))

    assert replay.gauges(UNKNOWN) == {"waiting": 1}


def test_task_sent_is_waited_for_ten_seconds_where_others_come():
    others = [sent(f"other {at}", at, queue="bulk", name="other") for at in range(0, 30, 5)]
    arrivals = sorted([*(late(event, at) for at, event in zip(range(0, 30, 5), others, strict=True)),
                       late(received("1", 1), 1), late(started("1", 2), 2), late(sent("1", 0), 10)],
                      key=lambda pair: pair[1])  # fmt: skip
    replay = Replay().feed(*arrivals)

    assert replay.tasks()["t", "mail"] == tally(sent=1, received=1, started=1)
    assert replay.waits() == (1, 2.0)


def test_task_sent_is_waited_for_one_second_where_none_comes_at_all():
    replay = Replay().feed(received("1", 100)).until(102)

    assert replay.gauges(UNKNOWN) == {"waiting": 1, "reserved": 1}


# Bounds.


def test_tasks_beyond_the_bound_are_counted_and_not_tracked():
    with patch.object(lives_module, "MAX_TRACKED", 3):
        replay = Replay().feed(*(sent(str(number), 0) for number in range(5)))
        replay.feed(*(received(str(number), 1) for number in range(5, 10))).until(30)

    assert replay.tasks()["t", "mail"].sent == 5
    assert replay.snapshot.exporter.tracked_attempts == 3
    assert replay.snapshot.exporter.folded == 7
    assert len(replay.ledger._orphans) == 0
    assert_sound(replay.ledger)


def test_tasks_that_expired_unseen_do_not_keep_out_those_that_wait():
    """RabbitMQ drops expired messages without a word."""
    with patch.object(lives_module, "MAX_TRACKED", 20), patch.object(lives_module, "MAX_EXPIRED", 5):
        replay = Replay().feed(*(sent(str(number), 0, expires=iso(5)) for number in range(20))).until(10)
        replay.feed(sent("new", 11))

    assert replay.gauges() == {"waiting": 1}
    assert replay.queue().slo == slo(missed_first=20, expired=20)
    assert replay.snapshot.exporter.tracked_attempts == 6


def test_event_types_are_bounded():
    replay = Replay()
    for number in range(100):
        replay.feed(msgspec.structs.replace(heartbeat(1), type=f"custom-{number}"))

    events = replay.snapshot.exporter.events

    assert len(events) == ledger_module.MAX_TYPES + 1
    assert events[OTHER] == 50


def test_events_of_unknown_types_change_nothing_else():
    replay = Replay().feed(*PLAIN, msgspec.structs.replace(started("1", 9), type="task-custom"))

    assert replay.tasks() == tallies(PLAIN_TALLY)


def test_a_start_stamped_after_the_retry_was_sent_is_the_first_attempts():
    # The pool's child sends the retry; its parent stamps the start 7 ms later.
    replay = Replay().feed(
        sent("1", 0.0),
        received("1", 0.46),
        sent("1", 0.531, retries=1, host="gen2@lab", eta=iso(1.5)),
        started("1", 0.538),
        retried("1", 0.539),
        received("1", 0.633, retries=1, eta=iso(1.5)),
        started("1", 1.531),
        succeeded("1", 1.532, runtime=0.001),
    )

    assert replay.gauges() == {}
    assert replay.queue().slo == slo(met_first=1, met_retry=1)
    assert replay.waits() == (2, pytest.approx(0.538 + 0.031))
    assert replay.snapshot.exporter.negative_waits == 0
    assert_sound(replay.ledger)
