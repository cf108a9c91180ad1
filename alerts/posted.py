"""An alert as it goes over the wire."""

from datetime import UTC, datetime

import msgspec

from core.alert import AlertView


class PostedAlert(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An alert on the wire: the form that Alertmanager's API v2 takes."""

    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: datetime
    ends_at: datetime | None


def posted(alert: AlertView, *, ends_at: float | None) -> PostedAlert:
    """Put an alert into its form on the wire; like Prometheus it starts when it fires, not when it begins to pend."""
    # Alertmanager refuses an end before the start, which a clock that was set back would make.
    end = None if ends_at is None else datetime.fromtimestamp(max(ends_at, alert.fires_at), UTC)
    return PostedAlert(
        labels=alert.labels,
        annotations=alert.annotations,
        starts_at=datetime.fromtimestamp(alert.fires_at, UTC),
        ends_at=end,
    )
