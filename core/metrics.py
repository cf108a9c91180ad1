"""The metric catalogue: every name, kind, label set and help text, once.

The renderer, the alert rules and the dashboards take their names from here.
"""

from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """Prometheus metric types that we use."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    SUMMARY = "summary"  # sum and count only: no quantiles


class Metric(msgspec.Struct, frozen=True):
    """One metric family."""

    name: str  # as it stands in a query; counters end in _total
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


OTHER = "(other)"  # label value beyond a bound: counts go here, never nowhere
UNKNOWN = "(unknown)"  # label value that no evidence gives

_Q = ("queue",)
_NQ = ("name", "queue")
_W = ("worker",)

# From the CSV.
QUEUE_TARGET_SECONDS = Metric("celery_queue_target_seconds", Kind.GAUGE, "Documented time to start.", _Q)
QUEUE_OBJECTIVE_RATIO = Metric(
    "celery_queue_objective_ratio", Kind.GAUGE, "Share of tasks that shall start within the target.", _Q
)
QUEUE_INFO = Metric(
    "celery_queue_info",
    Kind.GAUGE,
    "The queue's row of queue_targets.csv; always 1.",
    ("queue", "target_class", "owner", "io_bound", "cadence", "page", "runbook_url"),
)

# The promise.
QUEUE_TARGET_MET = Metric(
    "celery_queue_target_met_total", Kind.COUNTER, "Attempts that started within the target.", ("queue", "attempt")
)
QUEUE_TARGET_MISSED = Metric(
    "celery_queue_target_missed_total",
    Kind.COUNTER,
    "Attempts whose target passed before they started, counted at the deadline.",
    ("queue", "attempt"),
)
QUEUE_TARGET_EXCLUDED = Metric(
    "celery_queue_target_excluded_total", Kind.COUNTER, "Attempts that were not judged, by reason.", ("queue", "reason")
)
QUEUE_TARGET_RETRACTED = Metric(
    "celery_queue_target_retracted_total", Kind.COUNTER, "Misses that later evidence disproved.", _Q
)
QUEUE_EXPIRED = Metric(
    "celery_queue_expired_total", Kind.COUNTER, "Attempts that expired before they could start; missed too.", _Q
)

QUEUE_GHOSTS = Metric(
    "celery_queue_ghosts_total",
    Kind.COUNTER,
    "Attempts that seemed to wait and were found neither in the broker nor at a worker.",
    ("queue", "reason"),
)

# Distributions.
QUEUE_TIME_TO_START = Metric(
    "celery_queue_time_to_start_seconds", Kind.HISTOGRAM, "From due (sent, or eta if later) to started.", _Q
)
QUEUE_RUNTIME = Metric(
    "celery_queue_runtime_seconds", Kind.HISTOGRAM, "Run time of succeeded attempts, as the worker measured it.", _Q
)

# Now.
QUEUE_WAITING = Metric("celery_queue_waiting_tasks", Kind.GAUGE, "Due and not started.", _Q)
QUEUE_OVERDUE = Metric("celery_queue_overdue_tasks", Kind.GAUGE, "Waiting beyond the target.", _Q)
QUEUE_SCHEDULED = Metric("celery_queue_scheduled_tasks", Kind.GAUGE, "Sent with an eta in the future.", _Q)
QUEUE_RESERVED = Metric("celery_queue_reserved_tasks", Kind.GAUGE, "Waiting in the hands of a worker.", _Q)
QUEUE_RUNNING = Metric("celery_queue_running_tasks", Kind.GAUGE, "Started and not ended.", _Q)
QUEUE_OLDEST_WAITING = Metric(
    "celery_queue_oldest_waiting_timestamp_seconds",
    Kind.GAUGE,
    "When the task that waits longest became due; 0 when none waits.",
    _Q,
)
QUEUE_NEWEST_WAITING = Metric(
    "celery_queue_newest_waiting_timestamp_seconds",
    Kind.GAUGE,
    "When the task that waits shortest became due; 0 when none waits.",
    _Q,
)
QUEUE_VERDICT = Metric(
    "celery_queue_verdict", Kind.GAUGE, "1 for the verdict that holds, 0 for the others.", ("queue", "verdict")
)
QUEUE_LAST_SENT = Metric(
    "celery_queue_last_sent_timestamp_seconds", Kind.GAUGE, "When a task was last sent to the queue.", _Q
)
QUEUE_LAST_START = Metric(
    "celery_queue_last_start_timestamp_seconds", Kind.GAUGE, "When a task of the queue last started.", _Q
)

# Broker and capacity.
QUEUE_READY_MESSAGES = Metric(
    "celery_queue_ready_messages", Kind.GAUGE, "Messages in the broker that no worker holds, all priorities.", _Q
)
QUEUE_CONSUMERS = Metric("celery_queue_consumers", Kind.GAUGE, "Live workers that read the queue.", _Q)
QUEUE_SLOTS = Metric("celery_queue_slots", Kind.GAUGE, "Tasks that the queue's live workers can run at once.", _Q)
QUEUE_IDLE_SLOTS = Metric("celery_queue_idle_slots", Kind.GAUGE, "Of these slots, the ones that run nothing.", _Q)

# Tasks.
TASKS_SENT = Metric("celery_tasks_sent_total", Kind.COUNTER, "Attempts sent (task-sent events).", _NQ)
TASKS_RECEIVED = Metric("celery_tasks_received_total", Kind.COUNTER, "Attempts received by a worker.", _NQ)
TASKS_STARTED = Metric("celery_tasks_started_total", Kind.COUNTER, "Attempts that a worker began to run.", _NQ)
TASKS_FINISHED = Metric("celery_tasks_finished_total", Kind.COUNTER, "Attempts ended, by outcome.", (*_NQ, "outcome"))
TASKS_FAILED = Metric(
    "celery_tasks_failed_total", Kind.COUNTER, "Failed attempts by exception class.", (*_NQ, "exception")
)
TASK_RUNTIME = Metric(
    "celery_task_runtime_seconds", Kind.SUMMARY, "Run time of succeeded attempts, as the worker measured it.", _NQ
)

# Workers.
WORKER_ONLINE = Metric("celery_worker_online", Kind.GAUGE, "1 while the worker is heard, 0 once it is lost.", _W)
WORKER_RUNNING = Metric("celery_worker_running_tasks", Kind.GAUGE, "Tasks it runs, by its last heartbeat.", _W)
WORKER_PROCESSED = Metric(
    "celery_worker_processed_total", Kind.COUNTER, "Tasks it has taken up since it started, by its last heartbeat.", _W
)
WORKER_TASK_EVENTS = Metric(
    "celery_worker_task_events_total", Kind.COUNTER, "Events about tasks that it sent; no growth means events off.", _W
)
WORKER_INFO = Metric("celery_worker_info", Kind.GAUGE, "Version and pool; always 1.", ("worker", "sw_ver", "pool"))
WORKERS_LOST = Metric("celery_workers_lost_total", Kind.COUNTER, "Workers that went without a goodbye.", ("reason",))

# Trust.
EXPORTER_BROKER_UP = Metric("celery_exporter_broker_up", Kind.GAUGE, "1 while the event stream is connected.")
EXPORTER_MARKER = Metric(
    "celery_exporter_marker_timestamp_seconds", Kind.GAUGE, "The event stream has been read up to here; 0 = never."
)
EXPORTER_EVENT_LAG = Metric(
    "celery_exporter_event_lag_seconds", Kind.GAUGE, "How long the newest marker took through the stream."
)
EXPORTER_EVENTS = Metric("celery_exporter_events_total", Kind.COUNTER, "Events applied, by type.", ("type",))
EXPORTER_UNDECODABLE = Metric(
    "celery_exporter_events_undecodable_total", Kind.COUNTER, "Events dropped because they could not be read."
)
EXPORTER_UNOBSERVED = Metric(
    "celery_exporter_unobserved_seconds_total", Kind.COUNTER, "Time without an event stream since the start."
)
EXPORTER_RECONNECTS = Metric("celery_exporter_reconnects_total", Kind.COUNTER, "Times the stream was connected anew.")
EXPORTER_WAITS = Metric(
    "celery_exporter_waits_total", Kind.COUNTER, "Waits measured, by how the beginning was known.", ("queue", "source")
)
EXPORTER_ATTRIBUTION = Metric(
    "celery_exporter_queue_attribution_total", Kind.COUNTER, "Tasks by how their queue was known.", ("source",)
)
EXPORTER_NEGATIVE_WAITS = Metric(
    "celery_exporter_negative_waits_total", Kind.COUNTER, "Waits clipped to 0 because clocks disagree."
)
EXPORTER_TRACKED = Metric("celery_exporter_tracked_attempts", Kind.GAUGE, "Attempts in memory that have not ended.")
EXPORTER_TARGETS_VALID = Metric(
    "celery_exporter_targets_valid", Kind.GAUGE, "0 while the targets file is broken and older targets are in force."
)
EXPORTER_FOLDED = Metric(
    "celery_exporter_folded_total", Kind.COUNTER, "Counts that went to (other) because a bound was reached."
)

CATALOGUE: tuple[Metric, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
