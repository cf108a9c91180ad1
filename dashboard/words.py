"""Ages, moments and ratios as an SRE reads them aloud; lengths of time and counts are in core.words."""

from datetime import UTC, datetime

from core.words import duration

_DAY_SECONDS = 86400


def age(seconds: float) -> str:
    """Spell out what ticks, in whole seconds: a running number should not flicker behind the point."""
    return duration(max(0, round(seconds)))


def times(ratio: float) -> str:
    """Say how many times over: `1.04x`, `3.2x`, `24x`."""
    if ratio < 2:  # noqa: PLR2004 - close to the target, a hundredth tells over from under
        return f"{ratio:.2f}x"
    return f"{ratio:.1f}x" if ratio < 9.95 else f"{round(ratio):,}x"  # noqa: PLR2004 - reads 10.0


def moment(at: float, now: float) -> str:
    """Name a moment in UTC, with the date once it is a day away: `12:03:04 UTC`, `19 Nov 12:03 UTC`."""
    then = datetime.fromtimestamp(at, UTC)
    if abs(now - at) < _DAY_SECONDS:
        return f"{then:%H:%M:%S} UTC"
    return f"{then:%d %b %H:%M} UTC".removeprefix("0")
