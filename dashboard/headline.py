"""The overview in one sentence, and how far its numbers can be trusted."""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

import msgspec

from core.snapshot import Snapshot
from core.verdict import Verdict
from core.words import count
from dashboard.overview_table import Row, rows
from dashboard.snapshot_source import Reading
from dashboard.words import age, moment

PRODUCT = "celery-slo"
_STUCK_AFTER_SECONDS = 10.0  # the exporter makes a new picture every second

# Words for what keeps a queue from its tasks even before the first is late: for one queue, for several.
_BROKEN = {
    Verdict.NO_CONSUMERS: ("has no consumers", "have no consumers"),
    Verdict.BLOCKED: ("is blocked", "are blocked"),
}


class Tone(StrEnum):
    """How the headline looks, besides what it says."""

    BAD = "bad"
    WARN = "warn"
    GOOD = "good"
    UNKNOWN = "unknown"


class Headline(msgspec.Struct, frozen=True):
    """The answer to: is anything late?"""

    tone: Tone
    text: str


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """Why the numbers are not live."""

    text: str
    detail: str
    age_seconds: float | None  # of the numbers; None = there are none, or nobody knows
    is_headline: bool = False  # the headline itself says it


def headline(snapshot: Snapshot, table: Sequence[Row]) -> Headline:
    """Sum up all queues. What cannot be judged is never counted as in time."""
    if snapshot.exporter.blind_reason is not None:
        return Headline(Tone.UNKNOWN, f"Blind: {snapshot.exporter.blind_reason}")
    if not table:
        return Headline(Tone.UNKNOWN, "No queues yet: none is documented and none was seen")
    judged = [row for row in table if row.target_seconds is not None]
    late = sum(row.is_late and row.verdict not in _BROKEN for row in judged)  # each queue counts once, as in the chips
    parts = [f"{late} of {count(len(judged), 'queue')} with a target {_be(late)} late"] if late else []
    for verdict, (one, several) in _BROKEN.items():
        number = sum(row.verdict == verdict for row in table)
        if number:
            share = str(number) if parts else f"{number} of {count(len(table), 'queue')}"
            parts.append(f"{share} {one if number == 1 else several}")
    return Headline(Tone.BAD, ", ".join(parts)) if parts else _in_time(judged)


def _in_time(judged: Sequence[Row]) -> Headline:
    tally = Counter(row.verdict for row in judged)
    blind, quiet, at_risk = tally[Verdict.BLIND], tally[Verdict.QUIET], tally[Verdict.AT_RISK]
    moving = len(judged) - quiet
    if not judged:
        return Headline(Tone.UNKNOWN, "No queue has a target: nothing can be late")
    if blind:
        return Headline(Tone.UNKNOWN, f"No queue is seen to be late, {blind} of {len(judged)} cannot be judged")
    if not moving:
        return Headline(Tone.UNKNOWN, f"No traffic: {_all(quiet)} with a target {_be(quiet)} quiet")
    if at_risk:
        return Headline(Tone.WARN, f"No queue is late, {at_risk} of {len(judged)} {_be(at_risk)} at risk")
    if quiet:
        in_time = f"{_all(moving)} with a target and traffic {_be(moving)} in time"
        return Headline(Tone.GOOD, f"{in_time.capitalize()}, {quiet} {_be(quiet)} quiet")
    return Headline(Tone.GOOD, f"{_all(moving)} with a target {_be(moving)} in time".capitalize())


def _all(number: int) -> str:
    return "the only queue" if number == 1 else f"all {count(number, 'queue')}"


def _be(number: int) -> str:
    return "is" if number == 1 else "are"


def doubt(reading: Reading, now: float) -> Doubt | None:
    """Say why the numbers are not live; None = they are."""
    snapshot = reading.snapshot
    if snapshot is None or reading.seen_at is None:
        text = f"No numbers yet from the exporter at {reading.exporter_url}"
        return Doubt(text=text, detail=f"Last try: {reading.error}.", age_seconds=None)
    unchanged_seconds = max(0.0, now - reading.seen_at)
    if reading.error is not None and reading.failing_since is not None:
        return Doubt(
            text=f"Exporter unreachable for {age(now - reading.failing_since)}",
            detail=f"{reading.exporter_url}: {reading.error}.",
            age_seconds=unchanged_seconds,
        )
    if unchanged_seconds > _STUCK_AFTER_SECONDS:
        text = f"The exporter answers, but its numbers have stood still for {age(unchanged_seconds)}"
        return Doubt(text=text, detail=f"{reading.exporter_url}.", age_seconds=unchanged_seconds)
    if snapshot.exporter.blind_reason is not None:
        return _blindness(snapshot, snapshot.exporter.blind_reason, unchanged_seconds)
    return None


def _blindness(snapshot: Snapshot, why: str, unchanged_seconds: float) -> Doubt:
    marker_at = snapshot.exporter.marker_at
    read = "events were never read" if marker_at is None else f"events last read {moment(marker_at, snapshot.at)}"
    return Doubt(
        text=f"{why[:1].upper()}{why[1:]}, {read}",
        detail=f"Nothing is judged until {snapshot.exporter.broker} is read again.",
        age_seconds=None if marker_at is None else snapshot.at - marker_at + unchanged_seconds,
        is_headline=True,
    )


def tab_title(reading: Reading, now: float) -> str:
    """Say it in the browser's tab, for whoever looks at another one."""
    if reading.snapshot is None or doubt(reading, now) is not None:
        return f"not live · {PRODUCT}"
    troubled = sum(row.is_late or row.verdict in _BROKEN for row in rows(reading.snapshot))
    return f"{troubled} in trouble · {PRODUCT}" if troubled else PRODUCT
