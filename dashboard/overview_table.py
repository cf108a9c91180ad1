"""The rows of the overview: every queue of a snapshot beside its target, what hurts most first."""

from collections import Counter

import msgspec

from core.snapshot import QueueView, Snapshot
from core.verdict import Verdict

_SEVERITY = {verdict.value: place for place, verdict in enumerate(Verdict)}
_UNHEARD_OF = -1  # a verdict of a newer exporter: on top, where it is seen


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One queue as the table shows it."""

    queue: str
    is_documented: bool  # it has a row in queue_targets.csv
    verdict: str  # core.verdict.Verdict, or the word of a newer exporter
    reason: str
    target_seconds: float | None  # None = no target
    target_class: str | None  # None = no class, or undocumented
    oldest_wait_seconds: float | None  # None = nothing waits
    target_ratio: float | None  # oldest wait / target; None without one of them
    late_since_at: float | None  # when the oldest wait passed the target; None = it has not
    p50_seconds: float | None  # time to start, last 15 minutes; None = nothing started
    p95_seconds: float | None
    waiting: int
    overdue: int | None  # None = no target
    scheduled: int
    running: int
    slots: int | None  # None = not known yet
    ready_messages: int | None  # None = not observed
    failed: int  # attempts that failed since the exporter's start
    finished: int  # attempts that ended since then, in whatever way

    @property
    def is_late(self) -> bool:
        """Whether the oldest wait is beyond the target, whichever of its troubles the verdict names."""
        return self.late_since_at is not None or self.verdict == Verdict.LATE


def rows(snapshot: Snapshot) -> tuple[Row, ...]:
    """Make one row per queue, sorted by verdict, then by how far beyond its target, then as in the snapshot."""
    failed: Counter[str] = Counter()
    finished: Counter[str] = Counter()
    for task in snapshot.tasks:
        failed[task.queue] += task.finished.get("failed", 0)
        finished[task.queue] += sum(task.finished.values())
    found = (_row(view, snapshot.at, failed[view.queue], finished[view.queue]) for view in snapshot.queues)
    return tuple(sorted(found, key=_hurt))


def _hurt(row: Row) -> tuple[int, float]:
    excess = max(0.0, (row.target_ratio or 0.0) - 1.0)  # in time is in time: those rows keep their places
    return _SEVERITY.get(row.verdict, _UNHEARD_OF), -excess


def _row(view: QueueView, now: float, failed: int, finished: int) -> Row:
    target = view.target
    target_seconds = None if target is None else target.target_seconds
    oldest = None if view.oldest_waiting_at is None else max(0.0, now - view.oldest_waiting_at)
    ratio = None if oldest is None or target_seconds is None else oldest / target_seconds
    return Row(
        queue=view.queue,
        is_documented=target is not None,
        verdict=view.verdict,
        reason=view.reason,
        target_seconds=target_seconds,
        target_class=None if target is None or target.target_class is None else target.target_class.value,
        oldest_wait_seconds=oldest,
        target_ratio=ratio,
        late_since_at=_late_since(view.oldest_waiting_at, target_seconds, now),
        p50_seconds=view.recent.p50_seconds,
        p95_seconds=view.recent.p95_seconds,
        waiting=view.waiting,
        overdue=None if target_seconds is None else view.overdue,
        scheduled=view.scheduled,
        running=view.running,
        slots=view.slots,
        ready_messages=view.ready_messages,
        failed=failed,
        finished=finished,
    )


def _late_since(oldest_waiting_at: float | None, target_seconds: float | None, now: float) -> float | None:
    if oldest_waiting_at is None or target_seconds is None:
        return None
    deadline_at = oldest_waiting_at + target_seconds
    return deadline_at if deadline_at < now else None
