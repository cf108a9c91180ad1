"""The client of Alertmanager's API v2: tells it again and again what fires, and what has resolved.

An alert lives there only until its `endsAt`, so a firing one is sent anew every minute with an end four minutes
ahead, as Prometheus does: if this process dies, its alerts end by themselves, and a restart in time goes unnoticed.
"""

import threading
from collections.abc import Sequence

import msgspec

from alerts.endpoint import Endpoint, EndpointError
from alerts.evaluator import RESOLVED_KEPT_SECONDS, Identity, identity
from alerts.posted import PostedAlert, posted
from core.alert import AlertState, AlertView

FIRING_LASTS_SECONDS = 240.0
_ANSWER_CHARACTERS = 200


class Alertmanager:
    """Keeps one Alertmanager informed. Of several in a cluster, each needs its own."""

    def __init__(self, url: str) -> None:
        self._endpoint = Endpoint(url, "/api/v2/alerts")
        self.name = self._endpoint.shown
        self._lock = threading.Lock()
        # What it has to know. A resolved alert leaves once it was told for 15 min, whatever became of it on the board:
        # so the bound is the number of label sets, one a queue unless somebody edits owners while it is down.
        self._alerts: dict[Identity, AlertView] = {}

    def take(self, alerts: Sequence[AlertView], changed: Sequence[AlertView]) -> None:  # noqa: ARG002 - a receiver's form
        """Remember what fires and what has resolved."""
        with self._lock:
            for alert in alerts:
                if alert.state is not AlertState.PENDING:
                    self._alerts[identity(alert)] = alert

    def deliver(self, now: float) -> None:
        """Send everything it has to know. An empty list is sent too: it shows whether an alert would be taken.

        Raises:
            EndpointError: it did not take all of them; it keeps the valid ones of a list that it refuses.
        """
        with self._lock:
            alerts = dict(self._alerts)
        try:
            self._endpoint.post(msgspec.json.encode([_form(alert, now) for alert in alerts.values()]))
        except EndpointError as error:
            answer = " ".join(error.answer.split())[:_ANSWER_CHARACTERS]
            raise EndpointError(f"{error}: {answer}" if answer else str(error)) from error
        with self._lock:
            for key, alert in alerts.items():
                is_told = alert.resolved_at is not None and now - alert.resolved_at >= RESOLVED_KEPT_SECONDS
                if is_told and self._alerts[key] is alert:
                    del self._alerts[key]


def _form(alert: AlertView, now: float) -> PostedAlert:
    ends_at = now + FIRING_LASTS_SECONDS if alert.resolved_at is None else alert.resolved_at
    return posted(alert, ends_at=ends_at)
