"""An alert as everybody sees it: the evaluator writes it, the snapshot and the dashboard show it."""

from enum import StrEnum

import msgspec


class AlertState(StrEnum):
    """Prometheus' words."""

    PENDING = "pending"  # the condition holds, its delay has not passed
    FIRING = "firing"
    RESOLVED = "resolved"  # it fired, and its condition no longer holds


class AlertView(msgspec.Struct, frozen=True, kw_only=True):
    """One alert. Its identity is its label set; annotations may change while it fires."""

    state: AlertState
    labels: dict[str, str]  # alertname, queue, severity, and the scope
    annotations: dict[str, str]  # summary, description
    active_at: float  # epoch seconds since when the condition holds
    fires_at: float  # when pending ends, or ended
    resolved_at: float | None  # None while pending or firing


class AlertBoard(msgspec.Struct, frozen=True, kw_only=True):
    """All alerts of one evaluator at one moment."""

    at: float  # epoch seconds of the evaluation
    alerts: tuple[AlertView, ...]
    undelivered: dict[str, str]  # receiver (URL without password) -> why it does not take our alerts
