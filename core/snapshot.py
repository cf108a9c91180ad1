"""What the ledger shows the world: one immutable picture of all queues, tasks and workers at one moment.

It is the only door out of the ledger: /metrics, the JSON API, the dashboard and the evaluator read nothing else.
"""

import msgspec

from core.alert import AlertBoard
from core.targets import QueueTarget


class HistogramView(msgspec.Struct, frozen=True):
    """Counts per bucket (not cumulative), the last one beyond the last bound."""

    counts: tuple[int, ...]  # len(bounds) + 1; the bounds stand once, in Snapshot
    sum_seconds: float

    @property
    def count(self) -> int:
        """How many values were observed."""
        return sum(self.counts)


class SloView(msgspec.Struct, frozen=True, kw_only=True):
    """How the promise was kept since the exporter started: counters, never reset while it runs."""

    met_first: int
    met_retry: int
    missed_first: int
    missed_retry: int
    excluded: dict[str, int]  # reason -> attempts that were not judged
    retracted: int  # misses that later evidence disproved
    expired: int  # expired before they could start; counted as missed too


class RecentView(msgspec.Struct, frozen=True, kw_only=True):
    """The last 15 whole and begun minutes of starts."""

    started: int  # starts with a known wait
    p50_seconds: float | None  # time to start; None when nothing started
    p95_seconds: float | None


class QueueView(msgspec.Struct, frozen=True, kw_only=True):
    """One queue beside what it promises."""

    queue: str
    target: QueueTarget | None  # its row of queue_targets.csv; None = undocumented
    verdict: str  # core.verdict.Verdict
    reason: str  # the verdict in words, with how late
    waiting: int  # due, not started, not ended
    overdue: int  # of these, beyond the target
    scheduled: int  # eta in the future
    reserved: int  # of the waiting ones, in the hands of a worker
    running: int
    oldest_waiting_at: float | None  # epoch seconds since when it is due; None = nothing waits
    newest_waiting_at: float | None
    last_sent_at: float | None  # None = not since the exporter started
    last_start_at: float | None
    ready_messages: int | None  # in the broker, all priorities; None = not observed
    consumers: int | None  # workers that read this queue; None = not known yet
    slots: int | None  # tasks that these workers can run at once
    idle_slots: int | None
    slo: SloView
    time_to_start: HistogramView
    runtime: HistogramView
    recent: RecentView
    waits_by_source: dict[str, int]  # how the wait was known -> waits
    ghosts: dict[str, int] = {}  # reason -> attempts that turned out to be gone


class TaskView(msgspec.Struct, frozen=True, kw_only=True):
    """Counters of one task name on one queue."""

    name: str
    queue: str
    sent: int
    received: int
    started: int
    finished: dict[str, int]  # outcome -> attempts
    failed: dict[str, int]  # exception class -> attempts
    runtime_count: int
    runtime_sum_seconds: float


class WorkerView(msgspec.Struct, frozen=True, kw_only=True):
    """One worker by its full node name."""

    worker: str
    online: bool
    last_seen_at: float
    running: int | None  # as its last heartbeat said; None = no heartbeat yet
    processed: int | None  # likewise
    task_events: int  # events about tasks that it sent us
    sw_ver: str | None
    pool: str | None  # prefork, solo, threads, gevent; None = it has not answered yet
    slots: int | None
    queues: tuple[str, ...] | None


class ExporterView(msgspec.Struct, frozen=True, kw_only=True):
    """How far this picture can be trusted."""

    broker: str  # URL without its password
    broker_up: bool
    started_at: float
    blind_reason: str | None  # why nothing can be decided; None = it sees
    marker_at: float | None  # the stream has been read up to here
    event_lag_seconds: float | None  # age of the newest marker when it came back
    unobserved_seconds: float  # time without a stream since the start
    events: dict[str, int]  # type -> events applied
    events_undecodable: int
    reconnects: int
    attribution: dict[str, int]  # how the queue of a task was known -> tasks
    tracked_attempts: int
    folded: int  # label values counted under (other)
    negative_waits: int  # clipped to 0: clocks disagree
    targets_valid: bool  # False = the file on disk is broken, older targets are in force
    workers_lost: dict[str, int] = {}  # reason -> workers that went without a goodbye


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything at one moment."""

    at: float  # epoch seconds
    version: str
    labels: dict[str, str]  # --static-label
    target_divisor: float  # 1 outside the demo, which divides every target by it
    wait_bounds: tuple[float, ...]  # upper bounds in seconds, +Inf left out
    runtime_bounds: tuple[float, ...]
    exporter: ExporterView
    queues: tuple[QueueView, ...]  # documented ones in file order, then others by name
    tasks: tuple[TaskView, ...]
    workers: tuple[WorkerView, ...]
    alerts: AlertBoard | None = None  # None = no evaluator has written one
