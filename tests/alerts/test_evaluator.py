"""The state machine: pending, firing, resolved, and what stays when nothing can be seen."""

import pytest

from alerts.evaluator import changes, evaluate
from core.alert import AlertState, AlertView
from core.targets import Page
from core.verdict import Verdict

LATE = {"oldest_waiting_at": -100.0}  # beyond its target of 30 s at any time from 0 on
FINE = {"oldest_waiting_at": None}
BLIND = {"oldest_waiting_at": -100.0, "verdict": Verdict.BLIND}
BLIND_AND_EMPTY = {"oldest_waiting_at": None, "verdict": Verdict.BLIND}
GONE = "the queue is not in the snapshot"
DARK = "the exporter is blind"

# Each step: seconds, what is seen of the queue, and the state after it. The delay is 300 s.
STORIES = {
    "in time: nothing": [(0, FINE, None)],
    "late: pends at once": [(0, LATE, "pending")],
    "fires exactly at its delay": [(0, LATE, "pending"), (299.9, LATE, "pending"), (300, LATE, "firing")],
    "pending that ends in time vanishes": [(0, LATE, "pending"), (299, FINE, None)],
    "a second wait begins anew": [
        (0, LATE, "pending"), (200, FINE, None), (210, LATE, "pending"), (509, LATE, "pending"), (510, LATE, "firing"),
    ],
    "resolves, is kept for 15 min, is forgotten": [
        (0, LATE, "pending"), (300, LATE, "firing"), (400, FINE, "resolved"), (1299, FINE, "resolved"), (1300, FINE, None),
    ],
    "late again after it resolved: pends again": [
        (0, LATE, "pending"), (300, LATE, "firing"), (400, FINE, "resolved"), (410, LATE, "pending"),
        (709, LATE, "pending"), (710, LATE, "firing"),
    ],
    "a queue that vanished resolves": [(0, LATE, "pending"), (300, LATE, "firing"), (310, GONE, "resolved")],
    "a queue that vanished pends no more": [(0, LATE, "pending"), (310, GONE, None)],
    "a target that was removed resolves": [
        (0, LATE, "pending"), (300, LATE, "firing"), (310, LATE | {"target": None}, "resolved"),
    ],
    "a blind queue raises nothing": [(0, BLIND, None)],
    "a blind queue does not begin to fire": [(0, LATE, "pending"), (400, BLIND, "pending"), (410, LATE, "firing")],
    "a blind queue does not stop to pend": [(0, LATE, "pending"), (400, BLIND_AND_EMPTY, "pending"), (410, FINE, None)],
    "a blind queue does not resolve": [
        (0, LATE, "pending"), (300, LATE, "firing"), (310, BLIND_AND_EMPTY, "firing"), (320, FINE, "resolved"),
    ],
    "a blind queue forgets what resolved": [
        (0, LATE, "pending"), (300, LATE, "firing"), (310, FINE, "resolved"), (1209, BLIND, "resolved"), (1210, BLIND, None),
    ],
    "a blind exporter raises nothing": [(0, DARK, None)],
    "a blind exporter does not begin to fire": [(0, LATE, "pending"), (400, DARK, "pending"), (410, LATE, "firing")],
    "a blind exporter does not resolve": [
        (0, LATE, "pending"), (300, LATE, "firing"), (310, DARK, "firing"), (320, FINE, "resolved"),
    ],
    "a blind exporter forgets what resolved": [
        (0, LATE, "pending"), (300, LATE, "firing"), (310, FINE, "resolved"), (1209, DARK, "resolved"), (1210, DARK, None),
    ],
}  # fmt: skip


def seen(snapshot, queue, sight):
    match sight:
        case "the exporter is blind":
            return snapshot(queue(**FINE), blind_reason="no marker for 12 s")
        case "the queue is not in the snapshot":
            return snapshot()
        case fields:
            return snapshot(queue(**fields))


def states(alerts):
    return {alert.labels["queue"]: alert.state for alert in alerts}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_state_after_each_step(snapshot, queue, story):
    alerts, told = (), []

    for now, sight, _ in story:
        alerts = evaluate(alerts, seen(snapshot, queue, sight), now=float(now))
        told.append(states(alerts).get("mail"))

    assert told == [state for _, _, state in story]


def test_alert_carries_its_times_through_its_life(snapshot, queue):
    late, fine = snapshot(queue(**LATE)), snapshot(queue(**FINE))
    labels = {"alertname": "CeleryQueueLate", "queue": "mail", "severity": "critical"}

    pending = evaluate((), late, now=10.0)
    firing = evaluate(pending, late, now=312.0)
    later = evaluate(firing, late, now=400.0)
    resolved = evaluate(later, fine, now=500.0)

    assert pending == (
        AlertView(
            state=AlertState.PENDING,
            labels=labels,
            annotations=pending[0].annotations,
            active_at=10.0,
            fires_at=310.0,
            resolved_at=None,
        ),
    )
    assert [(a.active_at, a.fires_at, a.resolved_at) for a in (*firing, *later, *resolved)] == [
        (10.0, 312.0, None),
        (10.0, 312.0, None),
        (10.0, 312.0, 500.0),
    ]


def test_text_follows_the_queue_while_it_can_be_seen(snapshot, queue):
    late, blind = snapshot(queue(**LATE)), snapshot(queue(**BLIND))

    first = evaluate((), late, now=0.0)
    second = evaluate(first, late, now=500.0)
    third = evaluate(second, blind, now=600.0)
    fourth = evaluate(third, snapshot(queue(**FINE)), now=700.0)

    assert [alert.annotations["summary"] for alert in (*first, *second, *third, *fourth)] == [
        "Queue mail is late: oldest task waits 1 min 40 s, target 30 s; cause: not known",
        "Queue mail is late: oldest task waits 10 min, target 30 s; cause: not known",
        "Queue mail is late: oldest task waits 10 min, target 30 s; cause: not known",
        "Queue mail is late: oldest task waits 10 min, target 30 s; cause: not known",
    ]


def test_two_queues_live_their_own_lives(snapshot, queue):
    both = snapshot(queue("mail", **LATE), queue("sms", **LATE))

    alerts = evaluate((), snapshot(queue("mail", **LATE), queue("sms", **FINE)), now=0.0)
    alerts = evaluate(alerts, both, now=200.0)
    alerts = evaluate(alerts, both, now=300.0)
    first = states(alerts)
    alerts = evaluate(alerts, snapshot(queue("mail", **FINE), queue("sms", **LATE)), now=500.0)

    assert first == {"mail": "firing", "sms": "pending"}
    assert states(alerts) == {"mail": "resolved", "sms": "firing"}


def test_one_blind_queue_does_not_hold_the_other(snapshot, queue):
    late = snapshot(queue("mail", **LATE), queue("sms", **LATE))

    alerts = evaluate((), late, now=0.0)
    alerts = evaluate(alerts, late, now=300.0)
    alerts = evaluate(alerts, snapshot(queue("mail", **BLIND), queue("sms", **FINE)), now=310.0)

    assert states(alerts) == {"mail": "firing", "sms": "resolved"}


def test_row_that_no_longer_pages_resolves(snapshot, queue, target):
    silenced = snapshot(queue(target=target(page=Page.NONE), **LATE))

    alerts = evaluate((), snapshot(queue(**LATE)), now=0.0)
    alerts = evaluate(alerts, snapshot(queue(**LATE)), now=300.0)
    alerts = evaluate(alerts, silenced, now=310.0)

    assert states(alerts) == {"mail": "resolved"}
    assert evaluate((), silenced, now=310.0) == ()


def test_shorter_delay_in_the_file_holds_for_what_pends(snapshot, queue, target):
    hasty = snapshot(queue(target=target(page_after_seconds=60.0), **LATE))

    alerts = evaluate((), snapshot(queue(**LATE)), now=0.0)
    alerts = evaluate(alerts, hasty, now=60.0)

    assert states(alerts) == {"mail": "firing"}


def test_static_labels_and_the_link_reach_the_alert(snapshot, queue):
    (alert,) = evaluate(
        (), snapshot(queue(**LATE), labels={"cluster": "eu-1"}), now=0.0, dashboard_url="http://127.0.0.1:8501"
    )

    assert alert.labels["cluster"] == "eu-1"
    assert alert.annotations["dashboard_url"] == "http://127.0.0.1:8501/?queue=mail"


def test_only_firing_and_resolving_are_changes(snapshot, queue):
    late, fine = snapshot(queue(**LATE)), snapshot(queue(**FINE))
    steps = [(0.0, late), (300.0, late), (310.0, late), (320.0, fine), (330.0, fine), (340.0, late), (640.0, late)]
    alerts, told = (), []

    for now, picture in steps:
        before, alerts = alerts, evaluate(alerts, picture, now=now)
        told.append([alert.state for alert in changes(before, alerts)])

    assert told == [[], ["firing"], [], ["resolved"], [], [], ["firing"]]
