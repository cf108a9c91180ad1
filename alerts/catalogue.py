"""The alert catalogue: what is worth calling somebody for, and in which words, once."""

from collections.abc import Callable, Mapping
from urllib.parse import urlencode

import msgspec

from core.snapshot import QueueView
from core.targets import Page
from core.verdict import Verdict
from core.words import count, duration

# Alertmanager routes by these words; Page.NONE has none and raises no alert.
SEVERITIES = {Page.PAGE: "critical", Page.TICKET: "warning"}

# These say that nothing is wrong: the task became late after the exporter judged its queue.
_NO_CAUSE = (Verdict.OK, Verdict.QUIET)


class AlertDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """One alert of which every queue can have its own. All functions take the queue and epoch seconds."""

    name: str
    holds: Callable[[QueueView, float], bool]  # asked only about queues that can be seen
    summary: Callable[[QueueView, float], str]  # one line, as a pager shows it
    description: Callable[[QueueView, float], str]


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """An alert whose condition holds now."""

    labels: dict[str, str]  # the same for as long as it holds: no values, no times
    annotations: dict[str, str]
    delay_seconds: float  # how long it must hold before it fires


def sight(
    definition: AlertDefinition,
    view: QueueView,
    *,
    static_labels: Mapping[str, str],
    dashboard_url: str | None,
    now: float,
) -> Sighting | None:
    """Look for one alert at one queue; None = its condition does not hold, or it calls nobody."""
    target = view.target
    severity = None if target is None else SEVERITIES.get(target.page)
    if target is None or severity is None or not definition.holds(view, now):
        return None
    labels = {**static_labels, "alertname": definition.name, "queue": view.queue, "severity": severity}
    if target.owner:
        labels["owner"] = target.owner
    annotations = {"summary": definition.summary(view, now), "description": definition.description(view, now)}
    if target.runbook_url:
        annotations["runbook_url"] = target.runbook_url
    if dashboard_url is not None:
        annotations["dashboard_url"] = f"{dashboard_url.rstrip('/')}/?{urlencode({'queue': view.queue})}"
    return Sighting(labels=labels, annotations=annotations, delay_seconds=target.page_after_seconds)


def _is_late(view: QueueView, now: float) -> bool:
    if view.target is None or view.target.target_seconds is None or view.oldest_waiting_at is None:
        return False
    return now - view.oldest_waiting_at > view.target.target_seconds


def _late_summary(view: QueueView, now: float) -> str:
    return f"Queue {view.queue} is late: {_lateness(view, now)}; cause: {_cause(view)}"


def _late_description(view: QueueView, now: float) -> str:
    verdict = "" if view.verdict in _NO_CAUSE else f"{view.verdict.replace('_', ' ')}, "
    return (
        f"Queue {view.queue} breaks its promise: {_lateness(view, now)}. "
        f"Waiting: {count(view.waiting, 'task')}, {view.overdue:,} beyond the target. "
        f"Probable cause: {verdict}{_cause(view)}."
    )


def _lateness(view: QueueView, now: float) -> str:
    waits = "no task waits"
    if view.oldest_waiting_at is not None:
        waits = f"oldest task waits {duration(now - view.oldest_waiting_at)}"
    target = "none"
    if view.target is not None and view.target.target_seconds is not None:
        target = duration(view.target.target_seconds)
    return f"{waits}, target {target}"


def _cause(view: QueueView) -> str:
    """Take the cause out of the verdict's reason, which goes on with how many wait, and how long."""
    return "not known" if view.verdict in _NO_CAUSE else view.reason.partition("; ")[0]


QUEUE_LATE = AlertDefinition(
    name="CeleryQueueLate", holds=_is_late, summary=_late_summary, description=_late_description
)

CATALOGUE = (QUEUE_LATE,)
