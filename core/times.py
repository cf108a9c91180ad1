"""ISO 8601 times, as Celery writes eta and expires, as epoch seconds."""

from datetime import datetime


def epoch(text: str | None) -> float | None:
    """Read a time with a zone; None when there is none, when it has no zone, or when it is no time."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.timestamp() if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
