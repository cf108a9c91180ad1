"""Met or missed: decided at the deadline, on the marker's clock, once, and taken back by better evidence."""

from unittest.mock import patch

import msgspec
import pytest

from core.ledger import Identity
from core.metrics import UNKNOWN
from core.queue_book import SWEEP_ENTRIES
from core.stream import ALLOWANCE_SECONDS
from core.targets import parse_targets
from tests.core.replay import (
    T0,
    TARGETS,
    Replay,
    assert_sound,
    failed,
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
    tally,
)

DEADLINE = 30  # of a task sent at 0, by TARGETS
DECIDED = DEADLINE + ALLOWANCE_SECONDS  # the marker's time at which it is decided
OVERDUE = {"waiting": 1, "overdue": 1}


# Missed.


def test_missed_when_the_target_has_passed_by_the_markers_clock():
    replay = Replay().feed(sent("1", 0)).until(DECIDED - 1)
    before = replay.queue().slo, replay.gauges()
    replay.until(DECIDED)

    assert before == (slo(), {"waiting": 1})
    assert (replay.queue().slo, replay.gauges()) == (slo(missed_first=1), OVERDUE)


@pytest.mark.parametrize(("marker_at", "missed"), [(DECIDED - 0.01, 0), (DECIDED, 1), (DECIDED + 0.01, 1)])
def test_marker_decides_to_the_hundredth_of_a_second(marker_at, missed):
    replay = Replay(marked=False).feed(sent("1", 0)).until(40)
    replay.ledger.stream.mark(T0 + marker_at, replay.now)
    replay.ledger.tick(replay.now)

    assert replay.queue().slo.missed_first == missed


def test_counted_at_the_deadline_and_not_again_at_the_start():
    replay = Replay().feed(sent("1", 0)).until(100)
    before = replay.queue().slo
    replay.feed(started("1", 200), succeeded("1", 201, runtime=1.0))

    assert before == replay.queue().slo == slo(missed_first=1)
    assert (replay.waits(), replay.gauges()) == ((1, 200.0), {})


def test_missed_also_when_all_workers_are_dead_and_no_event_comes_any_more():
    replay = Replay().feed(online(0), *(sent(str(number), number) for number in range(5)), offline(6)).until(600)

    assert (replay.queue().slo, replay.gauges()) == (slo(missed_first=5), {"waiting": 5, "overdue": 5})


def test_missed_in_the_hands_of_a_worker_too():
    replay = Replay().feed(sent("1", 0), received("1", 1)).until(DECIDED)

    assert (replay.queue().slo, replay.gauges()) == (slo(missed_first=1), OVERDUE | {"reserved": 1})


def test_countdown_is_missed_after_its_eta_and_not_after_it_was_sent():
    replay = Replay().feed(sent("1", 0, eta=iso(100))).until(100 + DECIDED - 1)
    before = replay.queue().slo
    replay.until(100 + DECIDED)

    assert (before, replay.queue().slo) == (slo(), slo(missed_first=1))


def test_eta_without_a_zone_is_never_missed():
    replay = Replay().feed(sent("1", 0, eta=naive(5))).until(1000)

    assert (replay.queue().slo, replay.gauges()) == (slo(), {"scheduled": 1})


def test_tasks_are_decided_in_the_order_of_their_deadlines_whatever_the_order_in_which_they_came():
    replay = Replay().feed(
        sent("1", 10), late(sent("2", 0), 11), late(sent("3", 5), 12), sent("4", 14, eta=iso(16)), sent("5", 15)
    )

    missed = [replay.until(at).queue().slo.missed_first for at in (31, 32, 37, 42, 46, 47, 48)]

    assert missed == [0, 1, 2, 3, 3, 4, 5]


# Met.


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (0, slo(met_first=1)),
        (DEADLINE - 0.5, slo(met_first=1)),
        (DEADLINE, slo(met_first=1)),
        (DEADLINE + 0.5, slo(missed_first=1)),
        (DEADLINE + 500, slo(missed_first=1)),
    ],
)
def test_start_up_to_the_target_is_met_and_exactly_on_it_too(at, expected):
    replay = Replay().feed(sent("1", 0), started("1", at)).until(1000)

    assert replay.queue().slo == expected


@pytest.mark.parametrize(("at", "expected"), [(DEADLINE, slo(met_first=1)), (DEADLINE + 0.5, slo(missed_first=1))])
def test_start_that_is_computed_from_the_end_is_judged_alike(at, expected):
    replay = Replay().feed(sent("1", 0), late(succeeded("1", at + 1, runtime=1.0), at)).until(1000)

    assert replay.queue().slo == expected


def test_later_news_of_an_attempt_that_is_met_change_nothing():
    replay = Replay().feed(sent("1", 0), started("1", 2), failed("1", 300), revoked("1", 301)).until(1000)

    assert replay.queue().slo == slo(met_first=1)


# Retracted.


def test_start_in_time_that_comes_late_takes_the_miss_back():
    """A solo worker says everything when its task has ended."""
    replay = Replay().feed(sent("1", 0)).until(60)
    before = replay.queue().slo
    replay.feed(late(received("1", 4), 60), late(started("1", 4), 60), late(succeeded("1", 60, runtime=56.0), 60))

    assert before == slo(missed_first=1)
    assert replay.queue().slo == slo(missed_first=1, retracted=1)
    assert (replay.waits(), replay.gauges()) == ((1, 4.0), {})


@pytest.mark.parametrize("repeats", [2, 5])
def test_miss_is_taken_back_once(repeats):
    replay = Replay().feed(sent("1", 0)).until(60)
    replay.feed(*[late(started("1", 4), 60)] * repeats, *[late(succeeded("1", 60, runtime=56.0), 60)] * repeats)

    assert replay.queue().slo == slo(missed_first=1, retracted=1)


def test_start_after_the_target_takes_nothing_back():
    replay = Replay().feed(sent("1", 0), started("1", 40))

    assert replay.queue().slo == slo(missed_first=1)


# Blind.


def test_nothing_is_decided_without_a_marker():
    replay = Replay(marked=False).feed(sent("1", 0)).until(600)

    assert (replay.queue().slo, replay.gauges()) == (slo(), {"waiting": 1})
    assert replay.queue().verdict == "blind"


def test_marker_that_stays_behind_holds_decisions_back():
    replay = Replay(marked=False).feed(sent("1", 0))
    for second in range(1, 100):
        replay.until(second)
        replay.ledger.stream.mark(T0 + second - 9, replay.now)
        replay.ledger.tick(replay.now)
        if replay.queue().slo != slo():
            break

    assert second == DECIDED + 9


def test_newest_event_is_no_marker():
    replay = Replay(marked=False).feed(sent("1", 0), *(sent(str(at), at) for at in range(2, 100)))

    assert replay.queue().slo == slo()


def test_nothing_is_decided_while_the_broker_is_lost():
    replay = Replay().feed(sent("1", 0)).until(10)
    replay.ledger.lose_broker(replay.now)
    replay.until(600)

    assert (replay.queue().slo, replay.gauges()) == (slo(), {"waiting": 1})


# Gaps.


def test_wait_that_overlaps_a_gap_is_excluded_as_unobserved():
    replay = Replay().feed(sent("1", 0)).cut(10, 20).until(51)
    undecided = replay.queue().slo

    replay.until(53)  # nobody has looked into the broker for 30 s since the gap, and 2 s allowance

    assert (undecided, replay.queue().slo, replay.gauges()) == (slo(), slo(excluded={"unobserved": 1}), OVERDUE)


def test_wait_that_overlaps_a_gap_is_decided_by_a_start_after_it():
    replay = Replay().feed(sent("1", 0), sent("2", 0)).cut(10, 20)
    replay.feed(started("1", 25), late(started("2", 31), 31)).until(100)

    assert replay.queue().slo == slo(met_first=1, missed_first=1)


def test_wait_that_was_missed_before_the_gap_stays_missed():
    replay = Replay().feed(sent("1", 0)).until(40).cut(40, 50).until(100)

    assert replay.queue().slo == slo(missed_first=1)


def test_wait_that_began_after_the_gap_is_judged_as_ever():
    replay = Replay().cut(10, 20).feed(sent("1", 21)).until(21 + DECIDED)

    assert replay.queue().slo == slo(missed_first=1)


def test_end_after_the_gap_does_not_say_when_it_started():
    """It may have started in the gap, and in time."""
    replay = Replay().feed(sent("1", 0), sent("2", 0)).cut(10, 28)
    replay.feed(failed("1", 31.5), succeeded("2", 31.5, runtime=6.5)).until(100)

    assert replay.queue().slo == slo(met_first=1, excluded={"unobserved": 1})


def test_end_within_the_target_says_enough_in_spite_of_the_gap():
    replay = Replay().feed(sent("1", 0)).cut(10, 20).feed(failed("1", 25)).until(100)

    assert replay.queue().slo == slo(met_first=1)


def test_expiry_that_passed_over_a_gap_is_not_held_against_the_queue():
    """It may have run in the gap."""
    replay = Replay().feed(sent("1", 0, expires=iso(15))).cut(10, 20).until(100)

    assert (replay.queue().slo, replay.gauges()) == (slo(excluded={"unobserved": 1}), {})


def test_worker_that_says_after_the_gap_that_it_expired_is_evidence():
    replay = Replay().feed(sent("1", 0, expires=iso(25))).cut(10, 20).feed(revoked("1", 24, expired=True)).until(100)

    assert replay.queue().slo == slo(missed_first=1, expired=1)


# Revoked and expired.


def test_revoked_by_a_caller_before_the_deadline_is_excluded():
    replay = Replay().feed(sent("1", 0), revoked("1", 20)).until(100)

    assert (replay.queue().slo, replay.gauges()) == (slo(excluded={"revoked": 1}), {})


def test_revoked_after_the_deadline_is_missed():
    replay = Replay().feed(sent("1", 0), revoked("1", 50)).until(100)

    assert (replay.queue().slo, replay.gauges()) == (slo(missed_first=1), {})


def test_revoked_after_the_deadline_is_missed_also_where_no_marker_had_decided_it():
    replay = Replay(marked=False).feed(sent("1", 0), revoked("1", 50))

    assert (replay.queue().slo, replay.gauges()) == (slo(missed_first=1), {})


def test_expired_before_the_deadline_is_missed_and_expired_at_the_expiry():
    replay = Replay().feed(sent("1", 0, expires=iso(10)))

    seen = [replay.until(at).queue().slo for at in (11, 12, 100)]

    assert seen == [slo(), slo(missed_first=1, expired=1), slo(missed_first=1, expired=1)]
    assert replay.gauges() == {}


def test_expired_after_the_deadline_is_missed_at_the_deadline_and_expired_later():
    replay = Replay().feed(sent("1", 0, expires=iso(60)))

    seen = [(replay.until(at).queue().slo, replay.gauges()) for at in (31, 32, 61, 62, 200)]

    assert seen == [
        (slo(), {"waiting": 1}),
        (slo(missed_first=1), OVERDUE),
        (slo(missed_first=1), OVERDUE),
        (slo(missed_first=1, expired=1), {}),
        (slo(missed_first=1, expired=1), {}),
    ]


def test_worker_that_throws_it_away_later_does_not_count_it_again():
    replay = Replay().feed(sent("1", 0, expires=iso(10)), revoked("1", 300, expired=True)).until(400)

    assert replay.queue().slo == slo(missed_first=1, expired=1)
    assert replay.tasks()["t", "mail"].finished == {"revoked": 1}
    assert replay.snapshot.exporter.tracked_attempts == 0


def test_worker_may_be_the_first_to_say_that_it_expired():
    """Its clock is ahead, or the expiry lay in the past when it was sent."""
    replay = Replay().feed(sent("1", 0, expires=iso(-3)), revoked("1", 0.5, expired=True)).until(100)

    assert (replay.queue().slo, replay.gauges()) == (slo(missed_first=1, expired=1), {})
    assert_sound(replay.ledger)


def test_expired_task_that_starts_all_the_same_in_time_is_no_miss():
    replay = Replay().feed(sent("1", 0, expires=iso(10)), late(started("1", 9.9), 15)).until(50)

    assert replay.queue().slo == slo(missed_first=1, expired=1, retracted=1)
    assert replay.gauges() == {"running": 1}


def test_expired_task_without_a_target_is_counted_as_expired_only():
    replay = Replay("queue\nmail\n").feed(sent("1", 0, expires=iso(10))).until(100)

    assert (replay.queue().slo, replay.gauges()) == (slo(expired=1), {})


def test_expiry_that_comes_before_the_eta_is_missed():
    replay = Replay().feed(sent("1", 0, eta=iso(60), expires=iso(10))).until(100)

    assert (replay.queue().slo, replay.gauges()) == (slo(missed_first=1, expired=1), {})


def test_expiry_without_a_zone_is_no_expiry():
    replay = Replay().feed(sent("1", 0, expires=naive(10))).until(100)

    assert (replay.queue().slo, replay.gauges()) == (slo(missed_first=1), OVERDUE)


def test_dead_queue_of_expiring_beat_tasks_does_not_look_perfect():
    replay = Replay().feed(*(sent(str(at), at, expires=iso(at + 10)) for at in range(0, 600, 60))).until(700)

    assert (replay.queue().slo, replay.gauges()) == (slo(missed_first=10, expired=10), {})


def test_run_that_outlives_its_expiry_is_not_expired():
    replay = Replay().feed(sent("1", 0, expires=iso(10)), started("1", 9)).until(100)

    assert replay.queue().slo == slo(met_first=1)


# First attempts and retries.


def test_first_attempts_and_retries_are_counted_apart():
    replay = Replay().feed(
        sent("1", 0), started("1", 1), sent("1", 2, retries=1), retried("1", 2.1), started("1", 3), retried("1", 4),
        sent("1", 4, retries=2), sent("2", 4),
    ).until(100)  # fmt: skip

    assert replay.queue().slo == slo(met_first=1, met_retry=1, missed_first=1, missed_retry=1)


def test_requeued_attempt_is_judged_again():
    replay = Replay().feed(sent("1", 0), started("1", 1), rejected("1", 5, requeue=True)).until(5 + DECIDED)

    assert replay.queue().slo == slo(met_first=1, missed_first=1)


# Ticks.


def test_tick_decides_no_more_than_its_limit_and_says_that_there_is_more():
    replay = Replay().feed(*(sent(str(number), 0) for number in range(25))).until(DECIDED - 1)
    ledger = replay.ledger
    ledger.stream.mark(T0 + DECIDED, T0 + DECIDED)

    steps = [(ledger.tick(T0 + DECIDED, limit=10), replay.queue().slo.missed_first) for _ in range(3)]

    assert steps == [(True, 10), (True, 20), (False, 25)]


def test_tick_shares_its_limit_among_queues_and_forgets_none():
    replay = Replay("queue,target_seconds\nmail,30\nbulk,30\n")
    replay.feed(*(sent(str(number), 0, queue=("mail", "bulk")[number % 2]) for number in range(20)))
    replay.until(DECIDED - 1)
    replay.ledger.stream.mark(T0 + DECIDED, T0 + DECIDED)

    steps = []
    for _ in range(3):
        more = replay.ledger.tick(T0 + DECIDED, limit=8)
        steps.append((more, replay.queue("mail").slo.missed_first + replay.queue("bulk").slo.missed_first))

    assert steps == [(True, 8), (True, 16), (False, 20)]


def test_tick_lets_no_more_etas_come_than_its_limit():
    replay = Replay().feed(*(sent(str(number), 0, eta=iso(10)) for number in range(25))).until(9)

    steps = [(replay.ledger.tick(T0 + 10, limit=10), replay.gauges()["waiting"]) for _ in range(3)]

    assert steps == [(True, 10), (True, 20), (False, 25)]


def test_tick_says_that_there_is_more_also_where_it_met_only_tasks_that_have_ended():
    """Else a flood of tasks that expire would leave more dead entries a second than are dropped."""
    replay = Replay().feed(*(sent(str(number), 0, expires=iso(10)) for number in range(25)))
    replay.feed(*(started(str(number), 1) for number in range(25)), sent("waits", 2, expires=iso(11))).until(9)
    replay.ledger.stream.mark(T0 + 20, T0 + 20)

    steps = [(replay.ledger.tick(T0 + 20, limit=10), replay.queue().slo.expired) for _ in range(3)]

    assert steps == [(True, 0), (True, 0), (False, 1)]


def test_flood_of_tasks_that_expire_in_a_day_does_not_stay_in_memory():
    replay = Replay(limit=100)
    entries = []
    for second in range(20):
        for number in range(500):
            uuid = f"{second} {number}"
            replay.feed(sent(uuid, second, expires=iso(86_000 + number / 10)), late(succeeded(uuid, second), second))
        replay.until(second + 1)
        entries.append(replay.ledger.lives.expiries.entries)

    assert max(entries) <= 500


def test_flood_past_a_blocked_head_does_not_stay_in_memory():
    with patch("core.queue_book.SWEEP_ENTRIES", 1_000):
        replay = Replay().feed(sent("blocked", 0))
        entries = []
        for second in range(5):
            for number in range(5_000):
                uuid = f"{second} {number}"
                replay.feed(sent(uuid, second), late(succeeded(uuid, second, runtime=0.0), second))
            replay.until(second + 1)
            entries.append(replay.ledger.series.queues["mail"]._undecided.entries)

    assert max(entries) <= 2_100
    assert SWEEP_ENTRIES == 20_000
    assert replay.gauges() == {"waiting": 1}


# Who is judged, and by what.


def test_queue_without_a_target_decides_nothing():
    replay = Replay("queue\nmail\n").feed(
        sent("1", 0), sent("2", 0), started("2", 50), sent("3", 0), revoked("3", 50), sent("4", 0), failed("4", 50)
    ).until(100)  # fmt: skip

    assert (replay.queue().slo, replay.gauges()) == (slo(), {"waiting": 1, "running": 1})
    assert replay.waits() == (1, 50.0)


def test_undocumented_queue_decides_nothing_and_counts_everything():
    replay = Replay().feed(sent("1", 0, queue="new"), started("1", 50), sent("2", 50, queue="new")).until(100)

    assert (replay.queue("new").target, replay.queue("new").slo) == (None, slo())
    assert replay.tasks()["t", "new"] == tally(queue="new", sent=2, started=1)


def test_names_of_celery_itself_are_counted_and_not_judged():
    replay = Replay().feed(
        sent("1", 0, name="celery.backend_cleanup"), started("1", 1), sent("2", 0, name="celery.chord_unlock"),
        sent("3", 0, name="celeryish"),
    ).until(50)  # fmt: skip

    assert replay.queue().slo == slo(missed_first=1, excluded={"not_judged": 2})
    assert replay.gauges() == {"waiting": 2, "overdue": 2, "running": 1}
    assert replay.tasks()["celery.backend_cleanup", "mail"].started == 1


def test_names_that_are_not_judged_may_be_others():
    replay = Replay(unjudged=("canary", "*.probe")).feed(
        sent("1", 0, name="canary"), sent("2", 0, name="app.probe"), sent("3", 0, name="celery.backend_cleanup")
    ).until(100)  # fmt: skip

    assert replay.queue().slo == slo(missed_first=1, excluded={"not_judged": 2})


def test_divided_targets_are_in_force_and_told():
    targets = parse_targets(TARGETS).divided_by(10.0)
    replay = Replay(identity=Identity(target_divisor=10.0))
    replay.ledger.replace_targets(targets)
    replay.feed(sent("1", 0), sent("2", 0), started("2", 3), sent("3", 0)).feed(started("3", 3.5)).until(100)

    assert replay.queue().slo == slo(met_first=1, missed_first=2)
    assert (replay.queue().target.target_seconds, replay.snapshot.target_divisor) == (3.0, 10.0)


MANY_KINDS = "queue,kind,target_seconds\nmail:slow.*,task,600\nmail,queue,30\ntenant-*,pattern,60\n"


def test_task_row_judges_its_tasks_and_the_queue_row_all_others():
    replay = Replay(MANY_KINDS).feed(sent("1", 0, name="slow.report"), sent("2", 0, name="quick")).until(100)

    assert [replay.queue(label).slo for label in ("mail:slow.*", "mail")] == [slo(), slo(missed_first=1)]
    assert [replay.gauges(label) for label in ("mail:slow.*", "mail")] == [{"waiting": 1}, OVERDUE]
    replay.until(700)
    assert replay.queue("mail:slow.*").slo == slo(missed_first=1)
    assert set(replay.tasks()) == {("slow.report", "mail:slow.*"), ("quick", "mail")}


def test_pattern_row_judges_its_queues_as_one():
    replay = Replay(MANY_KINDS).feed(sent("1", 0, queue="tenant-a"), sent("2", 0, queue="tenant-b")).until(100)

    assert replay.queue("tenant-*").slo == slo(missed_first=2)
    assert replay.gauges("tenant-*") == {"waiting": 2, "overdue": 2}
    assert [view.queue for view in replay.snapshot.queues] == ["mail:slow.*", "mail", "tenant-*"]
    assert set(replay.ledger.queue_names()) == {"mail", "tenant-a", "tenant-b"}


def test_readers_of_a_queue_are_readers_of_its_task_rows_and_patterns():
    replay = Replay(MANY_KINDS).feed(sent("1", 0, name="slow.report"), sent("2", 0, queue="tenant-a"))
    replay.ledger.observe_worker("w1@lab", replay.now, queues=["mail", "tenant-a"], slots=4, pool="prefork")
    replay.feed(msgspec.structs.replace(online(1), active=1))

    views = {view.queue: (view.consumers, view.slots, view.idle_slots) for view in replay.snapshot.queues}
    assert views == {"mail:slow.*": (1, 4, 3), "mail": (1, 4, 3), "tenant-*": (1, 4, 3)}


def test_documented_queues_are_shown_from_the_start_in_the_order_of_the_file():
    replay = Replay("queue,target_seconds\nb,30\na,30\nc,\n")

    assert [(view.queue, view.slo, view.verdict) for view in replay.snapshot.queues] == [
        ("b", slo(), "quiet"),
        ("a", slo(), "quiet"),
        ("c", slo(), "quiet"),
    ]


# Other targets.


def test_replaced_targets_keep_all_counts():
    replay = Replay().feed(sent("1", 0), sent("2", 0), started("2", 3)).until(50)
    before = replay.tasks(), replay.queue().slo, replay.waits(), replay.gauges()
    replay.ledger.replace_targets(parse_targets("queue,target_seconds\nmail,600\nnew,5\n"))

    assert (replay.tasks(), replay.queue().slo, replay.waits(), replay.gauges()) == before
    assert [view.queue for view in replay.snapshot.queues] == ["mail", "new"]


def test_replaced_target_holds_for_those_who_wait():
    replay = Replay().feed(sent("1", 0)).until(20)
    replay.ledger.replace_targets(parse_targets("queue,target_seconds\nmail,60\n"))

    seen = [replay.until(at).queue().slo for at in (61, 62)]

    assert seen == [slo(), slo(missed_first=1)]
    assert replay.queue().target.target_seconds == 60


def test_target_that_shrinks_is_missed_at_once_by_those_who_wait_longer():
    replay = Replay().feed(sent("1", 0), sent("2", 18)).until(20)
    replay.ledger.replace_targets(parse_targets("queue,target_seconds\nmail,10\n"))
    replay.until(21)

    assert (replay.queue().slo, replay.gauges()) == (slo(missed_first=1), {"waiting": 2, "overdue": 1})


def test_queue_whose_row_is_taken_away_is_judged_no_longer():
    replay = Replay().feed(sent("1", 0)).until(20)
    replay.ledger.replace_targets(parse_targets("queue,target_seconds\nother,10\n"))
    replay.until(100).feed(sent("2", 100)).until(200)

    assert (replay.queue().target, replay.queue().slo) == (None, slo())
    assert replay.gauges() == {"waiting": 2}


def test_queue_that_gets_a_row_is_judged_from_then_on():
    replay = Replay().feed(sent("1", 0, queue="new")).until(100)
    before = replay.queue("new").slo
    replay.ledger.replace_targets(parse_targets("queue,target_seconds\nmail,30\nnew,50\n"))
    replay.until(101)

    assert (before, replay.queue("new").slo) == (slo(), slo(missed_first=1))


def test_tasks_sent_after_a_reload_follow_the_new_rows():
    replay = Replay().feed(sent("1", 0, name="slow"))
    replay.ledger.replace_targets(parse_targets("queue,kind,target_seconds\nmail:slow,task,600\nmail,queue,30\n"))
    replay.feed(sent("2", 1, name="slow"))

    assert [replay.gauges(label) for label in ("mail", "mail:slow")] == [{"waiting": 1}, {"waiting": 1}]


# Guessed queues.


def test_unknown_queue_judges_nobody():
    replay = Replay().feed(received("1", 0), started("2", 0)).until(100)

    assert replay.queue(UNKNOWN).slo == slo()


# Sums.


def test_every_wait_is_decided_once():
    events = []
    for number in range(60):
        uuid, at = str(number), number * 2
        ends = [
            [started(uuid, at + 5)],
            [started(uuid, at + 50)],
            [],
            [revoked(uuid, at + 10)],
            [revoked(uuid, at + 45)],
            [failed(uuid, at + 10)],
        ][number % 6]
        events += [sent(uuid, at, expires=iso(at + 20) if number % 12 == 2 else None), *ends]
    replay = Replay().feed(*sorted(events, key=lambda event: event.timestamp)).until(300)

    view = replay.queue().slo

    assert view == slo(met_first=20, missed_first=30, expired=5, excluded={"revoked": 10})
    assert_sound(replay.ledger)
