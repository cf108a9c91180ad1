"""The evaluator: which alerts pend, fire and resolve. Pure: the last alerts, a snapshot and the time in, alerts out."""

from collections.abc import Iterator

import msgspec

from alerts.catalogue import CATALOGUE, Sighting, sight
from core.alert import AlertState, AlertView
from core.snapshot import Snapshot
from core.verdict import Verdict

# As Prometheus does: long enough for a receiver that was away to hear of it.
RESOLVED_KEPT_SECONDS = 900.0

Identity = frozenset[tuple[str, str]]


def identity(alert: AlertView | Sighting) -> Identity:
    """What makes two alerts the same one: all of their labels, and nothing else."""
    return frozenset(alert.labels.items())


def evaluate(
    previous: tuple[AlertView, ...], snapshot: Snapshot, *, now: float, dashboard_url: str | None = None
) -> tuple[AlertView, ...]:
    """Carry the alerts on to `now`: known ones first, in their order, then new ones in the snapshot's.

    What cannot be seen stays as it is: with a blind exporter every alert, with
    a blind queue the alerts of that queue.
    """
    if snapshot.exporter.blind_reason is not None:
        return tuple(alert for alert in previous if not _is_past(alert, now))
    unseen = {view.queue for view in snapshot.queues if view.verdict == Verdict.BLIND}
    sightings = {identity(found): found for found in _sightings(snapshot, now, dashboard_url)}
    alerts: list[AlertView | None] = []
    for alert in previous:
        sighting = sightings.pop(identity(alert), None)
        if alert.labels.get("queue") in unseen:
            alerts.append(None if _is_past(alert, now) else alert)
        elif sighting is None:
            alerts.append(_without_condition(alert, now))
        else:
            alerts.append(_with_condition(alert, sighting, now))
    alerts += [_begun(sighting, now) for sighting in sightings.values()]
    return tuple(alert for alert in alerts if alert is not None)


def changes(before: tuple[AlertView, ...], after: tuple[AlertView, ...]) -> tuple[AlertView, ...]:
    """Return what people must hear of: the alerts that began to fire, and those that resolved."""
    states = {identity(alert): alert.state for alert in before}
    return tuple(
        alert
        for alert in after
        if alert.state is not AlertState.PENDING and states.get(identity(alert)) is not alert.state
    )


def _sightings(snapshot: Snapshot, now: float, dashboard_url: str | None) -> Iterator[Sighting]:
    for view in snapshot.queues:
        if view.verdict == Verdict.BLIND:
            continue
        for definition in CATALOGUE:
            found = sight(definition, view, static_labels=snapshot.labels, dashboard_url=dashboard_url, now=now)
            if found is not None:
                yield found


def _begun(sighting: Sighting, now: float) -> AlertView:
    pending = AlertView(
        state=AlertState.PENDING,
        labels=sighting.labels,
        annotations=sighting.annotations,
        active_at=now,
        fires_at=now + sighting.delay_seconds,
        resolved_at=None,
    )
    return _with_condition(pending, sighting, now)


def _with_condition(alert: AlertView, sighting: Sighting, now: float) -> AlertView:
    match alert.state:
        case AlertState.PENDING:
            fires_at = alert.active_at + sighting.delay_seconds  # the row may have changed since
            is_due = now >= fires_at
            return msgspec.structs.replace(
                alert,
                state=AlertState.FIRING if is_due else AlertState.PENDING,
                annotations=sighting.annotations,
                fires_at=now if is_due else fires_at,
            )
        case AlertState.FIRING:
            return msgspec.structs.replace(alert, annotations=sighting.annotations)
        case AlertState.RESOLVED:
            return _begun(sighting, now)


def _without_condition(alert: AlertView, now: float) -> AlertView | None:
    match alert.state:
        case AlertState.PENDING:
            return None
        case AlertState.FIRING:
            return msgspec.structs.replace(alert, state=AlertState.RESOLVED, resolved_at=now)
        case AlertState.RESOLVED:
            return None if _is_past(alert, now) else alert


def _is_past(alert: AlertView, now: float) -> bool:
    return alert.resolved_at is not None and now - alert.resolved_at >= RESOLVED_KEPT_SECONDS
