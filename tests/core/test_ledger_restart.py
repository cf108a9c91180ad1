"""What one process wrote down, the next one takes back: a restart changes no wait and judges nothing twice."""

import pytest

from tests.core.replay import (
    T0,
    Replay,
    assert_sound,
    heartbeat,
    iso,
    late,
    received,
    retried,
    sent,
    slo,
    started,
    succeeded,
)

DOWN_SECONDS = 10


def restart(before, *, down_seconds=DOWN_SECONDS, **settings):
    """Write everything down, and begin anew some seconds later with what was written."""
    records, _ = before.ledger.records(before.ledger.take_changes())
    after = Replay(since=before.now + down_seconds, connected=False, **settings)
    after.ledger.restore(sorted(records, key=lambda record: record.eligible_at), after.now)
    after.ledger.stream.connect(after.now)
    after._second()
    return after


@pytest.fixture
def before():
    replay = Replay()
    replay.ledger.keep_changes()
    return replay


def look(replay, seen):
    """The exporter holds the line against the broker, twice, and the ledger takes note."""
    for _ in range(2):
        replay.ledger.observe_lengths({"mail": len(seen)})
        for label in replay.ledger.doubtful_queues(replay.now):
            replay.ledger.observe_broker(label, seen, replay.now, complete=True)
        replay._until(replay.now + 5)
    return replay


def test_a_wait_that_began_before_the_restart_is_measured_from_its_beginning(before):
    after = restart(before.feed(sent("1", 0)).until(5))

    after.feed(started("1", 20))

    assert after.waits() == (1, 20.0)
    assert after.queue().slo == slo(met_first=1)
    assert_sound(after.ledger)


def test_gauges_are_what_they_were(before):
    before.feed(sent("1", 0), sent("2", 0, eta=iso(600)), sent("3", 1), started("3", 2)).until(5)

    after = restart(before)

    assert after.gauges() == before.gauges() == {"waiting": 1, "scheduled": 1, "running": 1}
    assert after.queue().oldest_waiting_at == T0
    assert_sound(after.ledger)


def test_counters_begin_at_zero(before):
    after = restart(before.feed(sent("1", 0)).until(5))

    assert after.tasks() == {}


def test_a_miss_that_was_counted_before_is_not_counted_again(before):
    after = restart(before.feed(sent("1", 0)).until(40))

    after.until(120).feed(started("1", 120))

    assert (before.queue().slo, after.queue().slo) == (slo(missed_first=1), slo())


def test_who_still_lies_in_the_broker_after_the_restart_is_missed_at_its_deadline(before):
    after = restart(before.feed(sent("1", 0)).until(5))

    look(after, {"1"}).until(33)

    assert after.queue().slo == slo(missed_first=1)


def test_who_vanished_while_we_were_away_is_held_against_nobody(before):
    after = restart(before.feed(sent("1", 0)).until(5))

    look(after, set()).until(120)

    assert after.gauges() == {}
    assert after.queue().slo == slo(excluded={"unobserved": 1})


def test_a_start_before_the_look_decides_at_once(before):
    after = restart(before.feed(sent("1", 0)).until(5))

    after.feed(started("1", 34))

    assert after.queue().slo == slo(missed_first=1)


def test_who_was_sent_after_the_restart_is_missed_without_a_look(before):
    after = restart(before.until(5))

    after.feed(sent("2", 16)).until(49)

    assert after.queue().slo == slo(missed_first=1)


def test_a_running_task_ends_under_its_own_name(before):
    after = restart(before.feed(sent("1", 0), started("1", 1)).until(5))

    after.feed(heartbeat(16, active=1), succeeded("1", 20, runtime=19.0))

    assert after.gauges() == {}
    assert after.tasks()["t", "mail"].finished == {"succeeded": 1}


def test_a_running_task_of_a_worker_that_is_not_heard_any_more_is_lost(before):
    after = restart(before.feed(sent("1", 0), started("1", 1)).until(5))

    after.until(90)

    assert after.gauges() == {}
    assert after.tasks()["t", "mail"].finished == {"lost": 1}


def test_a_retry_chain_survives(before):
    before.feed(sent("1", 0), received("1", 0.1), started("1", 1), sent("1", 2, retries=1, eta=iso(30))).until(3)

    after = restart(before)
    after.feed(late(retried("1", 2.1), 14), received("1", 30, retries=1), started("1", 31))

    assert after.waits() == (1, 1.0)
    assert after.gauges() == {"running": 1}
    assert_sound(after.ledger)


def test_an_eta_that_came_while_we_were_away_is_due(before):
    after = restart(before.feed(sent("1", 0, eta=iso(8))).until(5))

    assert after.gauges() == {"waiting": 1}
    assert after.queue().oldest_waiting_at == T0 + 8


def test_who_came_and_went_between_two_flushes_is_never_written_down(before):
    before.feed(sent("1", 0), started("1", 1), succeeded("1", 2, runtime=1.0))

    assert before.ledger.records(before.ledger.take_changes()) == ([], [])


def test_who_was_written_down_and_ended_is_struck_out_once(before):
    before.feed(sent("1", 0))
    before.ledger.records(before.ledger.take_changes())

    before.feed(started("1", 1), succeeded("1", 2, runtime=1.0))

    assert before.ledger.records(before.ledger.take_changes()) == ([], [("1", 0, T0)])
    assert before.ledger.records(before.ledger.take_changes()) == ([], [])


def test_a_late_task_sent_strikes_out_the_record_that_had_another_beginning(before):
    before.feed(received("1", 5)).until(20)  # adopted: no task-sent came in time
    before.ledger.records(before.ledger.take_changes())

    before.feed(late(sent("1", 0), 21))
    records, ended = before.ledger.records(before.ledger.take_changes())

    assert ([record.key() for record in records], ended) == ([("1", 0, T0)], [("1", 0, T0 + 5)])


def test_a_pattern_keeps_the_names_of_its_queues(before):
    targets = "queue,kind,target_seconds\ntenant_*,pattern,30\n"
    before = Replay(targets)
    before.ledger.keep_changes()

    after = restart(before.feed(sent("1", 0, queue="tenant_7")).until(5), targets=targets)

    assert after.gauges("tenant_*") == {"waiting": 1}
    assert "tenant_7" in after.ledger.queue_names()


def test_without_a_journal_nothing_is_noted():
    replay = Replay().feed(sent("1", 0))

    assert replay.ledger.take_changes() == []
