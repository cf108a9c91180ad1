"""The verdict of a queue, as one numbered table: situation, verdict, and the whole reason."""

import msgspec
import pytest

from core.verdict import BLOCKED_SECONDS, Situation, Verdict, judge

NOW = 1_700_000_000.0


def at(**known):
    """A queue with a target of 30 s that two workers with four slots read, one of them idle; nothing waits."""
    usual = {
        "at": NOW,
        "target_seconds": 30.0,
        "seen": True,
        "consumers": 2,
        "slots": 4,
        "idle_slots": 1,
        "running": 3,
        "last_start_at": NOW - 1,
    }
    return Situation(**(usual | known))


def waits(number, seconds, **known):
    return at(waiting=number, oldest_waiting_at=NOW - seconds, **known)


FULL = {"idle_slots": 0, "running": 4}
UNSEEN = {"seen": False, "running": 0, "last_start_at": None}
NOBODY = {"consumers": None, "slots": None, "idle_slots": None}

CASES = [
    # Rule 1: blind, whatever else is known.
    (1, at(blind_reason="broker lost 5 s ago"), "blind", "broker lost 5 s ago"),
    (2, waits(9, 900, blind_reason="broker lost 5 s ago", consumers=0), "blind", "broker lost 5 s ago"),
    (3, at(blind_reason="", **UNSEEN), "blind", ""),
    # Rule 2: nobody reads it, and something waits.
    (
        4,
        waits(1, 4, consumers=0, slots=0, idle_slots=0, running=0),
        "no_consumers",
        "no worker reads this queue; 1 task waiting, the oldest for 4 s (target 30 s)",
    ),
    (
        5,
        waits(1204, 7200, consumers=0, target_seconds=None),
        "no_consumers",
        "no worker reads this queue; 1,204 tasks waiting, the oldest for 2 h",
    ),
    (
        6,
        waits(2, 40, unread=True, **NOBODY),
        "no_consumers",
        "no worker is known to read this queue; 2 tasks waiting, the oldest for 40 s (target 30 s)",
    ),
    (7, at(consumers=0, slots=0, idle_slots=0, running=0), "ok", "tasks start in time"),
    (
        8,
        waits(2, 20, **NOBODY),
        "ok",
        "tasks start in time",
    ),
    # Rule 3: tasks wait beside idle slots.
    (
        9,
        waits(3, 20, last_start_at=NOW - 300),
        "blocked",
        "nothing has started for 20 s beside 1 idle slot; 3 tasks waiting, the oldest for 20 s (target 30 s)",
    ),
    (
        10,
        waits(3, 300, idle_slots=2, last_start_at=NOW - 60),
        "blocked",
        "nothing has started for 1 min beside 2 idle slots; 3 tasks waiting, the oldest for 5 min (target 30 s)",
    ),
    (
        11,
        waits(3, BLOCKED_SECONDS, last_start_at=None, target_seconds=None),
        "blocked",
        "nothing has started for 15 s beside 1 idle slot; 3 tasks waiting, the oldest for 15 s",
    ),
    (12, waits(3, BLOCKED_SECONDS - 0.1, last_start_at=None), "ok", "tasks start in time"),
    (13, waits(3, 29, last_start_at=NOW - BLOCKED_SECONDS + 0.1), "ok", "tasks start in time"),
    (
        14,
        waits(3, 60, reserved=3, held_beside_idle_slots=True, idle_slots=0, last_start_at=NOW - 20),
        "blocked",
        "nothing has started for 20 s in workers with idle slots; 3 tasks waiting, the oldest for 1 min (target 30 s)",
    ),
    (
        15,  # held behind running ones while others idle: not blocked
        waits(3, 20, reserved=3, last_start_at=NOW - 300),
        "ok",
        "tasks start in time",
    ),
    (
        16,
        waits(3, 20, idle_slots=None, last_start_at=None),
        "ok",
        "tasks start in time",
    ),
    # Rule 4: late.
    (
        17,
        waits(7, 30.5, **FULL),
        "late",
        "all 4 slots are busy; 7 tasks waiting, the oldest for 30 s (target 30 s)",
    ),
    (18, waits(7, 30, idle_slots=2), "ok", "tasks start in time"),
    (
        19,
        waits(1, 90, slots=1, idle_slots=0, running=1, consumers=1),
        "late",
        "its only slot is busy; 1 task waiting, the oldest for 1 min 30 s (target 30 s)",
    ),
    (
        20,
        waits(7, 60, idle_slots=2),
        "late",
        "2 of 4 slots are idle; 7 tasks waiting, the oldest for 1 min (target 30 s)",
    ),
    (
        21,
        waits(7, 60, reserved=7, idle_slots=2),
        "late",
        "held by prefetch in busy workers; 7 tasks waiting, the oldest for 1 min (target 30 s)",
    ),
    (
        22,
        waits(7, 60, slots=None, idle_slots=None),
        "late",
        "its workers' slots are not known; 7 tasks waiting, the oldest for 1 min (target 30 s)",
    ),
    (
        23,
        waits(7, 60, **NOBODY),
        "late",
        "no worker has said that it reads this queue; 7 tasks waiting, the oldest for 1 min (target 30 s)",
    ),
    # Rule 5: at risk. The last in line waits for all before it, beside what it has waited already.
    (
        24,
        waits(100, 5, starts_per_second=2.0, expected_wait_seconds=50.0, **FULL),
        "at_risk",
        "at 120 starts a minute waits will reach 50 s; 100 tasks waiting, the oldest for 5 s (target 30 s)",
    ),
    (
        25,
        waits(1000, 5, starts_per_second=0.1234, expected_wait_seconds=8100.0),
        "at_risk",
        "at 7.4 starts a minute waits will reach 2 h 15 min; 1,000 tasks waiting, the oldest for 5 s (target 30 s)",
    ),
    (26, waits(60, 5, starts_per_second=2.0, expected_wait_seconds=30.0), "ok", "tasks start in time"),
    (27, waits(100, 5, starts_per_second=None), "ok", "tasks start in time"),
    (28, at(starts_per_second=2.0, expected_wait_seconds=0.0), "ok", "tasks start in time"),
    (
        29,
        waits(50, 20, starts_per_second=2.0, expected_wait_seconds=31.0),
        "at_risk",
        "at 120 starts a minute waits will reach 31 s; 50 tasks waiting, the oldest for 20 s (target 30 s)",
    ),
    (30, waits(50, 20, starts_per_second=2.0, expected_wait_seconds=30.0), "ok", "tasks start in time"),
    (31, waits(60, 5, starts_per_second=None, expected_wait_seconds=None), "ok", "tasks start in time"),
    # Rule 6: busy.
    (
        32,
        waits(7, 5, **FULL),
        "busy",
        "all 4 slots are busy; 7 tasks waiting, the oldest for 5 s (target 30 s)",
    ),
    (
        33,
        waits(7, 5000, target_seconds=None, **FULL),
        "busy",
        "all 4 slots are busy; 7 tasks waiting, the oldest for 1 h 23 min",
    ),
    (34, at(**FULL), "ok", "tasks start in time"),
    # Rule 7: quiet.
    (35, at(**UNSEEN), "quiet", "no task seen since the exporter started"),
    (36, at(**UNSEEN, **NOBODY), "quiet", "no task seen since the exporter started"),
    (37, at(**UNSEEN, target_seconds=None), "quiet", "no task seen since the exporter started"),
    (38, waits(1, 5, **UNSEEN), "ok", "tasks start in time"),
    (39, at(seen=False, last_start_at=None), "ok", "tasks start in time"),
    # Nothing to say.
    (40, at(), "ok", "tasks start in time"),
    (41, at(target_seconds=None), "ok", "tasks start"),
    (42, waits(3, -5), "ok", "tasks start in time"),  # clocks disagree: nobody waits for less than nothing
]  # fmt: skip


@pytest.mark.parametrize(("number", "situation", "verdict", "reason"), CASES, ids=[case[0] for case in CASES])
def test_verdict(number, situation, verdict, reason):
    assert judge(situation) == (verdict, reason)


def test_cases_are_numbered():
    assert [number for number, *_ in CASES] == list(range(1, len(CASES) + 1))


def test_every_verdict_is_in_the_table():
    assert {verdict for _, _, verdict, _ in CASES} == set(Verdict)


# In this situation all rules hold but the last; each step takes the first one away, and the next one speaks.
EVERYTHING = waits(
    1000, 60, blind_reason="broker lost 1 s ago", consumers=0, idle_slots=0, slots=4, starts_per_second=0.1, expected_wait_seconds=9000.0,
    held_beside_idle_slots=True, reserved=1000, last_start_at=NOW - 40, seen=False, running=0,
)  # fmt: skip
STEPS = [
    ("blind", {}),
    ("no_consumers", {"blind_reason": None}),
    ("blocked", {"consumers": 2}),
    ("late", {"held_beside_idle_slots": False}),
    ("at_risk", {"oldest_waiting_at": NOW - 20}),
    ("busy", {"starts_per_second": None}),
    ("quiet", {"waiting": 0, "reserved": 0, "oldest_waiting_at": None}),
    ("ok", {"seen": True}),
]


@pytest.mark.parametrize("step", range(len(STEPS)))
def test_first_rule_that_holds_wins(step):
    changes = {key: value for _, change in STEPS[: step + 1] for key, value in change.items()}

    verdict, _ = judge(msgspec.structs.replace(EVERYTHING, **changes))

    assert verdict == STEPS[step][0]


def test_order_of_the_rules_is_the_order_of_the_verdicts():
    assert [verdict for verdict, _ in STEPS] == list(Verdict)


@pytest.mark.parametrize("target", [None, 30.0])
@pytest.mark.parametrize("waiting", [0, 5])
@pytest.mark.parametrize("consumers", [None, 0, 2])
@pytest.mark.parametrize("idle_slots", [None, 0, 1])
def test_without_a_target_nothing_is_late_or_at_risk_and_all_else_is_as_with_one(
    target, waiting, consumers, idle_slots
):
    known = {"waiting": waiting, "consumers": consumers, "idle_slots": idle_slots, "slots": 4, "starts_per_second": 1.0}
    oldest = {"oldest_waiting_at": NOW - 5} if waiting else {}

    verdict, reason = judge(at(target_seconds=target, **known, **oldest))
    verdict_without, reason_without = judge(at(target_seconds=None, **known, **oldest))

    assert verdict == verdict_without
    assert reason.replace(" (target 30 s)", "").replace(" in time", "") == reason_without
