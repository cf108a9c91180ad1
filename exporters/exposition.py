"""The scrape page: a snapshot as Prometheus text 0.0.4 or OpenMetrics 1.0.0.

Written by our own renderer: the client library's encoder takes twenty times as long, and no event is read meanwhile.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TypeVar

from core import metrics
from core.metrics import Kind, Metric
from core.snapshot import ExporterView, HistogramView, QueueView, Snapshot, TaskView, WorkerView
from core.targets import QueueTarget
from core.verdict import Verdict

View = TypeVar("View")
Row = tuple[str, str, View]  # a label set ready to print, the same left open for more labels, and what it labels
Family = tuple[Metric, list[str]]  # its samples as whole lines; none = the family is left out
ValueOf = Callable[[View], float | None]  # None = unknown: no series
ValuesOf = Callable[[View], Mapping[str, float]]  # by the metric's last label

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"

NEVER = 0  # what a timestamp shows whose help text says so
EXCLUDED_FROM_ZERO = {"revoked": 0, "unobserved": 0}  # reasons that a judged queue shows before they ever occur
IO_BOUND = {True: "yes", False: "no", None: ""}
GO_EXPONENT_FROM, PYTHON_EXPONENT_FROM = 1e6, 1e16  # where each begins to write 1e+06 for a bucket's bound
LABEL_SETS_KEPT = 32_768  # from render to render: more than the 20,000 task series that the ledger allows

EXPORTER_VALUES: tuple[tuple[Metric, ValueOf[ExporterView]], ...] = (
    (metrics.EXPORTER_BROKER_UP, lambda exporter: int(exporter.broker_up)),
    (metrics.EXPORTER_MARKER, lambda exporter: NEVER if exporter.marker_at is None else exporter.marker_at),
    (metrics.EXPORTER_EVENT_LAG, lambda exporter: exporter.event_lag_seconds),
    (metrics.EXPORTER_UNDECODABLE, lambda exporter: exporter.events_undecodable),
    (metrics.EXPORTER_UNOBSERVED, lambda exporter: exporter.unobserved_seconds),
    (metrics.EXPORTER_RECONNECTS, lambda exporter: exporter.reconnects),
    (metrics.EXPORTER_NEGATIVE_WAITS, lambda exporter: exporter.negative_waits),
    (metrics.EXPORTER_TRACKED, lambda exporter: exporter.tracked_attempts),
    (metrics.EXPORTER_TARGETS_VALID, lambda exporter: int(exporter.targets_valid)),
    (metrics.EXPORTER_FOLDED, lambda exporter: exporter.folded),
)
EXPORTER_SPLITS: tuple[tuple[Metric, ValuesOf[ExporterView]], ...] = (
    (metrics.EXPORTER_EVENTS, lambda exporter: exporter.events),
    (metrics.EXPORTER_ATTRIBUTION, lambda exporter: exporter.attribution),
    (metrics.WORKERS_LOST, lambda exporter: exporter.workers_lost),
)
QUEUE_VALUES: tuple[tuple[Metric, ValueOf[QueueView]], ...] = (
    (metrics.QUEUE_TARGET_SECONDS, lambda queue: target.target_seconds if (target := _promise(queue)) else None),
    (metrics.QUEUE_OBJECTIVE_RATIO, lambda queue: target.objective if (target := _promise(queue)) else None),
    (metrics.QUEUE_TARGET_RETRACTED, lambda queue: _from_zero(queue, queue.slo.retracted)),
    (metrics.QUEUE_EXPIRED, lambda queue: _from_zero(queue, queue.slo.expired)),
    (metrics.QUEUE_WAITING, lambda queue: queue.waiting),
    (metrics.QUEUE_OVERDUE, lambda queue: queue.overdue if _promise(queue) else None),
    (metrics.QUEUE_SCHEDULED, lambda queue: queue.scheduled),
    (metrics.QUEUE_RESERVED, lambda queue: queue.reserved),
    (metrics.QUEUE_RUNNING, lambda queue: queue.running),
    (metrics.QUEUE_OLDEST_WAITING, lambda queue: NEVER if queue.oldest_waiting_at is None else queue.oldest_waiting_at),
    (metrics.QUEUE_NEWEST_WAITING, lambda queue: NEVER if queue.newest_waiting_at is None else queue.newest_waiting_at),
    (metrics.QUEUE_LAST_SENT, lambda queue: queue.last_sent_at),
    (metrics.QUEUE_LAST_START, lambda queue: queue.last_start_at),
    (metrics.QUEUE_READY_MESSAGES, lambda queue: queue.ready_messages),
    (metrics.QUEUE_CONSUMERS, lambda queue: queue.consumers),
    (metrics.QUEUE_SLOTS, lambda queue: queue.slots),
    (metrics.QUEUE_IDLE_SLOTS, lambda queue: queue.idle_slots),
)
QUEUE_SPLITS: tuple[tuple[Metric, ValuesOf[QueueView]], ...] = (
    (metrics.QUEUE_TARGET_MET, lambda queue: _by_attempt(queue, queue.slo.met_first, queue.slo.met_retry)),
    (metrics.QUEUE_TARGET_MISSED, lambda queue: _by_attempt(queue, queue.slo.missed_first, queue.slo.missed_retry)),
    (metrics.QUEUE_TARGET_EXCLUDED, lambda queue: (EXCLUDED_FROM_ZERO if _promise(queue) else {}) | queue.slo.excluded),
    (metrics.QUEUE_VERDICT, lambda queue: {verdict: int(verdict == queue.verdict) for verdict in Verdict}),
    (metrics.QUEUE_GHOSTS, lambda queue: queue.ghosts),
    (metrics.EXPORTER_WAITS, lambda queue: queue.waits_by_source),
)
TASK_VALUES: tuple[tuple[Metric, ValueOf[TaskView]], ...] = (
    (metrics.TASKS_SENT, lambda task: task.sent),
    (metrics.TASKS_RECEIVED, lambda task: task.received),
    (metrics.TASKS_STARTED, lambda task: task.started),
)
TASK_SPLITS: tuple[tuple[Metric, ValuesOf[TaskView]], ...] = (
    (metrics.TASKS_FINISHED, lambda task: task.finished),
    (metrics.TASKS_FAILED, lambda task: task.failed),
)
WORKER_VALUES: tuple[tuple[Metric, ValueOf[WorkerView]], ...] = (
    (metrics.WORKER_ONLINE, lambda worker: int(worker.online)),
    (metrics.WORKER_RUNNING, lambda worker: worker.running),
    (metrics.WORKER_PROCESSED, lambda worker: worker.processed),
    (metrics.WORKER_TASK_EVENTS, lambda worker: worker.task_events),
)


def render(snapshot: Snapshot, *, openmetrics: bool) -> bytes:
    """Write every family of the catalogue that the snapshot has values for.

    Unknown values have no series. A static label must not bear the name of a metric's own label.
    """
    lines: list[str] = []
    for metric, samples in _families(snapshot):
        if samples:
            lines.append(_header(metric, openmetrics=openmetrics))
            lines += samples
    if openmetrics:
        lines.append("# EOF\n")
    # A lone surrogate in a task's name becomes a question mark rather than the end of all scrapes.
    return "".join(lines).encode("utf-8", "replace")


def prefers_openmetrics(accept: str) -> bool:
    """Whether an Accept header asks for OpenMetrics at least as much as for plain text."""
    wanted = wishes(accept)
    openmetrics = wanted.get("application/openmetrics-text", 0.0)
    return openmetrics > 0 and openmetrics >= max(wanted.get(text, 0.0) for text in ("text/plain", "text/*", "*/*"))


def wishes(header: str) -> dict[str, float]:
    """Read an Accept or Accept-Encoding header: each value it names, lower case, with its best quality."""
    wanted: dict[str, float] = {}
    for wish in header.lower().replace(" ", "").split(","):
        value, *parameters = wish.split(";")
        quality = next((text.removeprefix("q=") for text in parameters if text.startswith("q=")), "1")
        try:
            wanted[value] = max(float(quality), wanted.get(value, 0.0))
        except ValueError:
            continue  # what cannot be read is no wish
    return wanted


def _families(snapshot: Snapshot) -> Iterator[Family]:
    static = tuple(snapshot.labels.items())
    exporter = [(*_label_set(static), snapshot.exporter)]
    yield from _plain(EXPORTER_VALUES, exporter)
    yield from _split(EXPORTER_SPLITS, exporter)

    queues = [(*_label_set((("queue", queue.queue), *static)), queue) for queue in snapshot.queues]
    yield metrics.QUEUE_INFO, _queue_info(queues)
    yield from _plain(QUEUE_VALUES, queues)
    yield from _split(QUEUE_SPLITS, queues)
    waits = [(labels, open_labels, queue.time_to_start) for labels, open_labels, queue in queues]
    yield _histograms(metrics.QUEUE_TIME_TO_START, snapshot.wait_bounds, waits)
    runtimes = [(labels, open_labels, queue.runtime) for labels, open_labels, queue in queues]
    yield _histograms(metrics.QUEUE_RUNTIME, snapshot.runtime_bounds, runtimes)

    tasks = [(*_label_set((("name", task.name), ("queue", task.queue), *static)), task) for task in snapshot.tasks]
    yield from _plain(TASK_VALUES, tasks)
    yield from _split(TASK_SPLITS, tasks)
    yield metrics.TASK_RUNTIME, _task_runtimes(tasks)

    workers = [(*_label_set((("worker", worker.worker), *static)), worker) for worker in snapshot.workers]
    yield metrics.WORKER_INFO, _worker_info(workers)
    yield from _plain(WORKER_VALUES, workers)


def _plain(table: Iterable[tuple[Metric, ValueOf[View]]], rows: Sequence[Row[View]]) -> Iterator[Family]:
    """One sample a row, for each metric of the table."""
    for metric, value_of in table:
        name = metric.name
        yield metric, [f"{name}{labels} {value}\n" for labels, _, view in rows if (value := value_of(view)) is not None]


def _split(table: Iterable[tuple[Metric, ValuesOf[View]]], rows: Sequence[Row[View]]) -> Iterator[Family]:
    """Several samples a row, told apart by the metric's last label."""
    for metric, values_of in table:
        name, label = metric.name, metric.labels[-1]
        yield (
            metric,
            [
                f'{name}{open_labels}{label}="{_escaped(key)}"}} {value}\n'
                for _, open_labels, view in rows
                for key, value in values_of(view).items()
            ],
        )


def _queue_info(rows: Sequence[Row[QueueView]]) -> list[str]:
    return [
        _info(metrics.QUEUE_INFO, open_labels, _row_values(queue.target))
        for _, open_labels, queue in rows
        if queue.target
    ]


def _row_values(target: QueueTarget) -> tuple[str, ...]:
    return (
        target.target_class or "",
        target.owner,
        IO_BOUND[target.io_bound],
        target.cadence,
        target.page,
        target.runbook_url,
    )


def _worker_info(rows: Sequence[Row[WorkerView]]) -> list[str]:
    return [
        _info(metrics.WORKER_INFO, open_labels, (worker.sw_ver or "", worker.pool or ""))
        for _, open_labels, worker in rows
        if worker.sw_ver or worker.pool
    ]


def _info(metric: Metric, open_labels: str, values: Iterable[str]) -> str:
    """One line that says things in labels; the first label of the metric is in `open_labels` already."""
    return f"{metric.name}{open_labels}{_pairs(zip(metric.labels[1:], values, strict=True))}}} 1\n"


def _histograms(metric: Metric, bounds: Sequence[float], rows: Sequence[Row[HistogramView]]) -> Family:
    ends = [f'le="{_bound(bound)}"}}' for bound in (*bounds, float("inf"))]
    lines: list[str] = []
    for labels, open_labels, histogram in rows:
        begin = f"{metric.name}_bucket{open_labels}"
        count = 0
        for end, in_bucket in zip(ends, histogram.counts, strict=True):
            count += in_bucket
            lines.append(f"{begin}{end} {count}\n")
        lines.append(_sum_and_count(metric, labels, histogram.sum_seconds, count))
    return metric, lines


def _task_runtimes(rows: Iterable[Row[TaskView]]) -> list[str]:
    metric = metrics.TASK_RUNTIME
    return [_sum_and_count(metric, labels, task.runtime_sum_seconds, task.runtime_count) for labels, _, task in rows]


def _sum_and_count(metric: Metric, labels: str, total_seconds: float, count: int) -> str:
    return f"{metric.name}_sum{labels} {total_seconds}\n{metric.name}_count{labels} {count}\n"


def _promise(queue: QueueView) -> QueueTarget | None:
    """The queue's row, if it promises a time to start: only then is anything judged."""
    return queue.target if queue.target and queue.target.target_seconds is not None else None


def _by_attempt(queue: QueueView, first: int, retry: int) -> Mapping[str, float]:
    return {"first": first, "retry": retry} if _promise(queue) else {}


def _from_zero(queue: QueueView, count: int) -> int | None:
    """A counter that a judged queue shows from 0, and any other one once something was counted."""
    return count if count or _promise(queue) else None


def _header(metric: Metric, *, openmetrics: bool) -> str:
    # OpenMetrics names a counter's family without the ending that its samples bear.
    name = metric.name.removesuffix("_total") if openmetrics and metric.kind is Kind.COUNTER else metric.name
    text = _escaped(metric.help) if openmetrics else metric.help.replace("\\", r"\\").replace("\n", r"\n")
    return f"# HELP {name} {text}\n# TYPE {name} {metric.kind}\n"


@lru_cache(maxsize=LABEL_SETS_KEPT)
def _label_set(pairs: tuple[tuple[str, str], ...]) -> tuple[str, str]:
    """The label set ready to print, and the same left open for more labels."""
    inner = _pairs(pairs)
    return (f"{{{inner}}}", f"{{{inner},") if inner else ("", "{")


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    return ",".join(f'{label}="{_escaped(value)}"' for label, value in pairs)


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _bound(seconds: float) -> str:
    """A bucket's bound as Go clients write it, so that `le` is the same from every exporter: 0.1, 30.0, 1e+06."""
    if seconds == float("inf"):
        return "+Inf"
    if not GO_EXPONENT_FROM <= seconds < PYTHON_EXPONENT_FROM:
        return repr(float(seconds))
    whole, fraction = repr(float(seconds)).split(".")
    digits = (whole + fraction).rstrip("0")
    return f"{digits[0]}{'.' if digits[1:] else ''}{digits[1:]}e+{len(whole) - 1:02}"
