import pytest

from tests.core.replay import (
    T0,
    Replay,
    assert_sound,
    heartbeat,
    late,
    online,
    received,
    revoked,
    sent,
    slo,
    started,
    succeeded,
)

QUEUE = {"mail": 0}


def look(replay, *, ready=0, seen=(), complete=True, every=2.0, times=4):
    """Probe the broker so often, as the exporter does while there is doubt."""
    for _ in range(times):
        replay._until(replay.now + every)
        replay.ledger.observe_lengths({"mail": ready})
        for label in replay.ledger.doubtful_queues(replay.now):
            replay.ledger.observe_broker(label, set(seen), replay.now, complete=complete)
        replay._until(replay.now + 1.0)
    return replay


def test_a_task_that_nobody_has_any_more_waits_no_longer_and_is_held_against_nobody():
    replay = Replay().feed(sent("1", 0), sent("2", 0))

    look(replay)

    assert replay.gauges() == {}
    assert replay.queue().ghosts == {"not_found": 2}
    assert replay.queue().slo == slo(excluded={"ghost": 2})
    assert_sound(replay.ledger)


def test_a_purge_is_followed_within_fifteen_seconds():
    replay = Replay().feed(sent("1", 0))
    look(replay, ready=1, every=5.0, times=3)

    purged_at = replay.now
    while replay.gauges() and replay.now < purged_at + 60:
        look(replay, every=4.0, times=1)

    assert replay.now - purged_at <= 15


def test_who_is_in_the_broker_or_in_a_workers_hands_goes_on_waiting():
    replay = Replay().feed(sent("lost", 0), sent("queued", 0), sent("held", 0))

    look(replay, ready=1, seen=("queued", "held"))

    assert replay.gauges() == {"waiting": 2}
    assert replay.queue().ghosts == {"not_found": 1}


def test_who_was_seen_at_one_look_only_goes_on_waiting():
    replay = Replay().feed(sent("1", 0))

    look(replay, times=1)
    look(replay, times=1, seen=("1",))  # restored from one place to the other between two reads
    look(replay, times=1)

    assert replay.gauges() == {"waiting": 1}


def test_a_broker_that_has_all_tasks_is_not_doubted():
    replay = Replay().feed(sent("1", 0))

    replay.until(10).ledger.observe_lengths({"mail": 1})

    assert replay.ledger.doubtful_queues(replay.now) == {}


def test_a_young_task_is_not_doubted():
    replay = Replay().feed(sent("1", 0))

    replay.until(2).ledger.observe_lengths({"mail": 0})

    assert replay.ledger.doubtful_queues(replay.now) == {}


def test_nothing_is_doubted_before_the_broker_was_asked():
    replay = Replay().feed(sent("1", 0)).until(20)

    assert replay.ledger.doubtful_queues(replay.now) == {}


def test_nothing_is_doubted_while_the_stream_is_cut():
    replay = Replay().feed(sent("1", 0)).cut(5, 20)
    replay.ledger.observe_lengths({"mail": 0})
    replay.ledger.lose_broker(replay.now)

    assert replay.ledger.doubtful_queues(replay.now) == {}


def test_nothing_is_doubted_while_the_stream_lags():
    replay = Replay(marked=False).feed(sent("1", 0))
    replay.until(9).ledger.observe_lengths({"mail": 0})
    replay.ledger.stream.mark(replay.now - 5, replay.now)

    assert replay.ledger.doubtful_queues(replay.now) == {}


def test_while_a_worker_that_reads_the_queue_is_silent_its_task_is_presumed_to_run():
    replay = Replay().feed(online(0), sent("1", 1))
    replay.ledger.observe_worker("w1@lab", replay.now, queues=["mail"], slots=1, pool="solo")

    look(replay, times=10)

    assert replay.gauges() == {"waiting": 1}


def test_a_silent_solo_worker_speaks_at_last_and_the_wait_is_what_it_says():
    replay = Replay().feed(online(0), sent("1", 1))
    replay.ledger.observe_worker("w1@lab", replay.now, queues=["mail"], slots=1, pool="solo")
    look(replay, times=5)

    told = replay.now - T0
    replay.feed(*(late(event, told) for event in (received("1", 2), started("1", 2), succeeded("1", 17, runtime=15.0))))

    assert replay.waits() == (1, 1.0)
    assert replay.queue().ghosts == {}


def test_a_worker_that_has_spoken_since_cannot_be_running_it():
    replay = Replay().feed(online(0), sent("1", 1))
    replay.ledger.observe_worker("w1@lab", replay.now, queues=["mail"], slots=1, pool="prefork")

    for second in range(4, 20, 2):
        replay.feed(heartbeat(second))
        look(replay, times=1, every=0.5)

    assert replay.queue().ghosts == {"not_found": 1}


def test_of_a_long_list_only_who_is_older_than_its_oldest_message_is_doubted():
    replay = Replay().feed(sent("gone", 0), sent("oldest", 1), sent("beyond what was read", 2))

    look(replay, ready=1, seen=("oldest",), complete=False)

    assert replay.gauges() == {"waiting": 2}
    assert replay.queue().ghosts == {"not_found": 1}


def test_a_long_list_of_which_nothing_is_known_says_nothing():
    replay = Replay().feed(sent("1", 0), sent("2", 0))

    look(replay, ready=1, seen=("a stranger",), complete=False)

    assert replay.gauges() == {"waiting": 2}


def test_a_miss_that_was_counted_before_stays_a_miss():
    replay = Replay().feed(sent("1", 0)).until(40)

    look(replay)

    assert replay.queue().slo == slo(missed_first=1)
    assert replay.gauges() == {}


def test_what_a_worker_held_is_let_go():
    replay = Replay().feed(online(0), sent("1", 0), received("1", 0.1)).until(31)

    for second in range(31, 50, 2):
        replay.feed(heartbeat(second))
        look(replay, times=1, every=0.5)

    assert replay.gauges() == {}
    assert_sound(replay.ledger)


@pytest.mark.parametrize("event", [started("1", 20), succeeded("1", 20, runtime=1.0), revoked("1", 20)])
def test_an_event_of_a_ghost_that_comes_after_all_changes_no_gauge(event):
    replay = look(Replay().feed(sent("1", 0)))

    replay.feed(event)

    assert replay.gauges() == {}
    assert_sound(replay.ledger)


def test_many_ghosts_are_buried_in_pieces():
    replay = look(Replay().feed(*(sent(str(number), 0) for number in range(12_000))), times=2)
    replay.ledger.observe_broker("mail", set(), replay.now + 5, complete=True)

    more, waiting = [], []
    for _ in range(3):
        more.append(replay.ledger.tick(replay.now + 5, 5_000))
        waiting.append(replay.queue().waiting)

    assert (more, waiting) == ([True, True, False], [7_000, 2_000, 0])


def test_two_looks_in_quick_succession_are_as_good_as_one():
    replay = Replay().feed(sent("1", 0)).until(10)

    for moment in (10.0, 11.0, 13.9):
        replay.until(moment).ledger.observe_lengths({"mail": 0})
        replay.ledger.observe_broker("mail", set(), replay.now, complete=True)
    replay.ledger.tick(replay.now)

    assert replay.gauges() == {"waiting": 1}
