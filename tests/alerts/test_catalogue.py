"""The catalogue: when an alert holds, and in which words."""

import pytest

from alerts.catalogue import CATALOGUE, QUEUE_LATE, Sighting, sight
from core.targets import Page
from core.verdict import Verdict

NOW = 1_000_000.0


def look(view, *, static_labels=None, dashboard_url=None):
    return sight(QUEUE_LATE, view, static_labels=static_labels or {}, dashboard_url=dashboard_url, now=NOW)


def test_late_queue_is_told_in_full(queue, target):
    row = target(owner="team-mail", runbook_url="https://wiki/mail", page_after_seconds=120.0)
    view = queue(
        target=row,
        verdict=Verdict.NO_CONSUMERS,
        reason="no worker reads this queue; 17 tasks waiting, the oldest for 12 min (target 30 s)",
        waiting=17,
        overdue=12,
        oldest_waiting_at=NOW - 724,
    )

    found = look(view, static_labels={"cluster": "eu-1"}, dashboard_url="https://slo.example/celery/")

    assert found == Sighting(
        labels={
            "cluster": "eu-1",
            "alertname": "CeleryQueueLate",
            "queue": "mail",
            "severity": "critical",
            "owner": "team-mail",
        },
        annotations={
            "summary": "Queue mail is late: oldest task waits 12 min 4 s, target 30 s; cause: no worker reads this queue",
            "description": (
                "Queue mail breaks its promise: oldest task waits 12 min 4 s, target 30 s. "
                "Waiting: 17 tasks, 12 beyond the target. "
                "Probable cause: no consumers, no worker reads this queue."
            ),
            "runbook_url": "https://wiki/mail",
            "dashboard_url": "https://slo.example/celery/?queue=mail",
        },
        delay_seconds=120.0,
    )


def test_row_without_owner_and_runbook_leaves_them_out(queue):
    found = look(queue(oldest_waiting_at=NOW - 31, waiting=1, overdue=1))

    assert found == Sighting(
        labels={"alertname": "CeleryQueueLate", "queue": "mail", "severity": "critical"},
        annotations={
            "summary": "Queue mail is late: oldest task waits 31 s, target 30 s; cause: not known",
            "description": (
                "Queue mail breaks its promise: oldest task waits 31 s, target 30 s. "
                "Waiting: 1 task, 1 beyond the target. "
                "Probable cause: not known."
            ),
        },
        delay_seconds=300.0,
    )


@pytest.mark.parametrize(
    ("verdict", "reason", "short", "full"),
    [
        ("no_consumers", "no worker reads this queue; 1 task", "no worker reads this queue", "no consumers, no worker reads this queue"),
        ("blocked", "nothing has started for 5 min beside 3 idle slots; 1 task", "nothing has started for 5 min beside 3 idle slots", "blocked, nothing has started for 5 min beside 3 idle slots"),
        ("late", "all 4 slots are busy; 1 task", "all 4 slots are busy", "late, all 4 slots are busy"),
        ("at_risk", "will take 20 min to drain; 1 task", "will take 20 min to drain", "at risk, will take 20 min to drain"),
        ("busy", "its only slot is busy; 1 task", "its only slot is busy", "busy, its only slot is busy"),
        ("ok", "tasks start in time", "not known", "not known"),
        ("quiet", "no task seen since the exporter started", "not known", "not known"),
        ("a new one", "of a newer exporter", "of a newer exporter", "a new one, of a newer exporter"),
    ],
)  # fmt: skip
def test_verdict_and_its_reason_name_the_cause(queue, verdict, reason, short, full):
    found = look(queue(oldest_waiting_at=NOW - 7500, verdict=verdict, reason=reason))

    assert found.annotations == {
        "summary": f"Queue mail is late: oldest task waits 2 h 5 min, target 30 s; cause: {short}",
        "description": (
            "Queue mail breaks its promise: oldest task waits 2 h 5 min, target 30 s. "
            "Waiting: 0 tasks, 0 beyond the target. "
            f"Probable cause: {full}."
        ),
    }


@pytest.mark.parametrize(
    ("page", "severity"), [(Page.PAGE, "critical"), (Page.TICKET, "warning")]
)  # fmt: skip
def test_page_of_the_row_is_the_severity(queue, target, page, severity):
    found = look(queue(target=target(page=page), oldest_waiting_at=NOW - 31))

    assert found.labels["severity"] == severity


def test_row_that_pages_nobody_raises_nothing(queue, target):
    assert look(queue(target=target(page=Page.NONE), oldest_waiting_at=NOW - 31)) is None


def test_undocumented_queue_raises_nothing(queue):
    assert look(queue(target=None, oldest_waiting_at=NOW - 31)) is None


def test_queue_without_a_target_raises_nothing(queue, target):
    assert look(queue(target=target(target_seconds=None), oldest_waiting_at=NOW - 31)) is None


@pytest.mark.parametrize("oldest_waiting_at", [None, NOW, NOW - 30])
def test_queue_within_its_target_raises_nothing(queue, oldest_waiting_at):
    assert look(queue(oldest_waiting_at=oldest_waiting_at)) is None


def test_static_label_cannot_rename_the_queue(queue):
    found = look(queue(oldest_waiting_at=NOW - 31), static_labels={"queue": "other", "severity": "none"})

    assert found.labels == {"alertname": "CeleryQueueLate", "queue": "mail", "severity": "critical"}


def test_link_survives_a_queue_name_with_odd_characters(queue):
    found = look(queue("a&b c", oldest_waiting_at=NOW - 31), dashboard_url="http://127.0.0.1:8501")

    assert found.annotations["dashboard_url"] == "http://127.0.0.1:8501/?queue=a%26b+c"


def test_names_in_the_catalogue_are_unique():
    names = [definition.name for definition in CATALOGUE]

    assert len(set(names)) == len(names)
