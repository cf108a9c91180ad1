"""A worker that does not tell about its tasks: what it does is not seen, and nobody is blamed for that."""

import pytest

from tests.core.replay import Replay, heartbeat, online, sent, slo, started, succeeded


@pytest.fixture
def replay():
    one = Replay()
    one.events_on = False
    return one


def look(replay, seen, *, times=2):
    """The exporter looks into the broker, and the worker speaks in between."""
    for _ in range(times):
        replay.ledger.observe_lengths({"mail": len(seen)})
        for label in replay.ledger.doubtful_queues(replay.now):
            replay.ledger.observe_broker(label, seen, replay.now, complete=True)
        replay.ledger.workers.hear("w1@lab", replay.now + 5)
        replay._until(replay.now + 5)
    return replay


def reads_mail(replay):
    replay.ledger.observe_worker("w1@lab", replay.now, queues=["mail"], slots=1, pool="prefork")
    return replay


def test_what_ran_before_its_events_were_on_is_no_miss(replay):
    reads_mail(replay.feed(online(0), sent("1", 1), sent("2", 1)))
    replay.until(3).ledger.observe_task_events("w1@lab", replay.now, were_off=True)

    look(replay.until(5), {"2"}).feed(started("2", 15)).until(60)

    assert replay.queue().slo == slo(met_first=1, excluded={"unobserved": 1})
    assert replay.queue().ghosts == {"not_found": 1}


def test_an_answer_that_says_on_already_does_not_say_since_when(replay):
    reads_mail(replay.feed(online(0), sent("1", 1)))
    replay.until(3).ledger.observe_task_events("w1@lab", replay.now, were_off=False)

    look(replay.until(5), set()).until(60)

    assert replay.queue().slo == slo(excluded={"unobserved": 1})


def test_what_still_lies_in_the_broker_at_its_deadline_is_missed(replay):
    reads_mail(replay.feed(online(0), sent("1", 1)))
    replay.until(3).ledger.observe_task_events("w1@lab", replay.now, were_off=True)

    look(replay.until(20), {"1"}).until(34)

    assert replay.queue().slo == slo(missed_first=1)


def test_while_it_is_not_known_whether_it_tells_nothing_is_decided_for_half_a_minute(replay):
    reads_mail(replay.feed(online(20), sent("1", 0)))

    replay.until(49)

    assert replay.queue().slo == slo()


def test_a_worker_that_never_tells_leaves_its_queue_blind_and_its_waits_undecided(replay):
    reads_mail(replay.feed(online(0), sent("1", 1)))
    for second in range(2, 60, 2):
        replay.feed(heartbeat(second, processed=1))

    view = replay.queue()

    assert (view.verdict, view.reason) == ("blind", "worker w1@lab sends no task events, so its starts are not seen")
    assert view.slo == slo(excluded={"unobserved": 1})


def test_a_worker_that_tells_by_itself_needs_no_answer(replay):
    reads_mail(replay.feed(online(0), sent("1", 1), started("1", 1.5), succeeded("1", 2, runtime=0.5), sent("2", 3)))

    replay.until(36)

    assert replay.queue().slo == slo(met_first=1, missed_first=1)


def test_a_queue_that_it_does_not_read_is_judged_as_ever(replay):
    replay.ledger.observe_worker("w1@lab", replay.now, queues=["other"], slots=1, pool="prefork")

    replay.feed(sent("1", 0)).until(33)

    assert replay.queue().slo == slo(missed_first=1)


# Messages that nobody was seen to send.


def test_messages_that_were_not_seen_to_be_sent_are_never_called_in_time():
    replay = Replay().until(1)
    for _ in range(2):
        replay.ledger.observe_lengths({"mail": 300})

    view = replay.queue()

    assert (view.verdict, view.reason) == (
        "blind",
        "300 messages in the broker not seen to be sent: their waits are not known (task_send_sent_event may be off)",
    )


def test_and_where_nobody_reads_them_that_is_said():
    replay = reads_mail(Replay().feed(online(0)))
    replay.ledger.workers.dismiss("w1@lab", replay.now)
    for _ in range(2):
        replay.ledger.observe_lengths({"mail": 300})

    view = replay.queue()

    assert (view.verdict, view.reason) == (
        "no_consumers",
        "no worker reads this queue; 300 messages in the broker not seen to be sent",
    )


def test_a_message_whose_event_is_on_its_way_blinds_nobody():
    replay = Replay().until(1)
    replay.ledger.observe_lengths({"mail": 1})
    replay.feed(sent("1", 1)).ledger.observe_lengths({"mail": 1})

    assert replay.queue().verdict == "ok"


def test_starts_whose_waits_are_not_known_are_never_called_in_time():
    replay = reads_mail(Replay().feed(online(0)))
    replay.feed(started("1", 1), succeeded("1", 2, runtime=1.0)).until(20)

    view = replay.queue()

    assert (view.verdict, view.reason) == (
        "blind",
        "tasks start, but no task-sent event says how long they waited (task_send_sent_event is off)",
    )


# A solo worker is silent while it runs a task.


def test_a_silent_solo_worker_is_not_taken_for_idle():
    replay = Replay().feed(online(0), heartbeat(2), sent("long", 3), sent("next", 4))
    replay.ledger.observe_worker("w1@lab", replay.now, queues=["mail"], slots=1, pool="solo")

    replay.until(25)

    assert replay.queue().idle_slots is None
    assert replay.queue().verdict == "ok"
