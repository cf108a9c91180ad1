"""Counters of one task name on one queue, and how a name and a queue find theirs."""

from fnmatch import fnmatchcase

from core.metrics import OTHER, UNKNOWN
from core.queue_book import QueueBook
from core.snapshot import TaskView
from core.targets import TargetTable

MAX_SERIES = 20_000  # (task name, queue) pairs; design limit of /metrics
MAX_QUEUES = 2_000
MAX_LABEL_CHARACTERS = 500  # of a name that becomes a label
MAX_EXCEPTIONS = 20  # classes a task name


class TaskSeries:
    """What happened to the attempts of one task name on one queue."""

    __slots__ = (
        "failed", "finished", "judged", "name", "queue", "received", "runtime_count", "runtime_sum_seconds", "sent",
        "started",
    )  # fmt: skip

    def __init__(self, name: str, queue: QueueBook, *, judged: bool) -> None:
        self.name = name
        self.queue = queue
        self.judged = judged  # False = counted, and not held to the target
        self.sent = self.received = self.started = 0
        self.finished: dict[str, int] = {}
        self.failed: dict[str, int] = {}
        self.runtime_count = 0
        self.runtime_sum_seconds = 0.0

    def count_outcome(self, outcome: str) -> None:
        """Count one end."""
        self.finished[outcome] = self.finished.get(outcome, 0) + 1

    def count_failure(self, exception: str) -> bool:
        """Count one; False = the class was folded because the name has too many."""
        fits = exception in self.failed or len(self.failed) < MAX_EXCEPTIONS
        key = exception if fits else OTHER
        self.failed[key] = self.failed.get(key, 0) + 1
        return fits

    def view(self) -> TaskView:
        """The counters as they stand."""
        return TaskView(
            name=self.name,
            queue=self.queue.label,
            sent=self.sent,
            received=self.received,
            started=self.started,
            finished=dict(self.finished),
            failed=dict(self.failed),
            runtime_count=self.runtime_count,
            runtime_sum_seconds=self.runtime_sum_seconds,
        )


class SeriesTable:
    """All queues and task names, bounded; what is too much is counted as (other)."""

    def __init__(self, targets: TargetTable, wait_bounds: tuple[float, ...], unjudged: tuple[str, ...]) -> None:
        self.targets = targets
        self.folded = 0
        self._wait_bounds = wait_bounds
        self._unjudged = unjudged  # globs over task names
        self._found: dict[tuple[str | None, str | None], TaskSeries] = {}  # as events name them
        self._series: dict[tuple[str, str], TaskSeries] = {}  # as labels name them
        self.queues: dict[str, QueueBook] = {}  # by label; documented ones first, in file order
        self._open_documented()

    def find(self, queue: str | None, name: str | None) -> TaskSeries:
        """The counters for a task name on a queue, both as events name them; None = not known."""
        series = self._found.get((queue, name))
        if series is None:
            series = self._open(queue, name)
            if len(self._found) < 2 * MAX_SERIES:
                self._found[queue, name] = series
        return series

    def of_label(self, label: str, name: str | None) -> TaskSeries:
        """The counters for a task name under a label of ours, as `record_of` wrote it down."""
        book = self.queues.get(label)
        if book is None:
            return self.find(None if label == UNKNOWN else label, name)
        return self._open_in(book, name)

    def replace_targets(self, targets: TargetTable) -> None:
        """Put other targets in force. Counters stay; attempts under way keep the queue they have."""
        self.targets = targets
        self._found.clear()
        for label, book in self.queues.items():
            book.row = next((row for row in targets.queue_rows if row.queue == label), None)
        self._open_documented()

    def views(self) -> tuple[TaskView, ...]:
        """All counters, in the order in which they were first needed."""
        return tuple(series.view() for series in self._series.values())

    def queue_names(self) -> list[str]:
        """Names under which queues may lie in the broker: the documented and the seen ones."""
        named = [row.queue for row in self.targets.queue_rows if row.kind == "queue"]
        seen = [member for book in self.queues.values() for member in book.members]
        return list(dict.fromkeys(named + seen))

    def _open_documented(self) -> None:
        for row in self.targets.queue_rows:
            if row.queue not in self.queues:
                self.queues[row.queue] = QueueBook(row.queue, row, self._wait_bounds)

    def _open(self, queue: str | None, name: str | None) -> TaskSeries:
        return self._open_in(self._open_queue(queue, name), name)

    def _open_in(self, book: QueueBook, name: str | None) -> TaskSeries:
        task = UNKNOWN if name is None else name
        too_many = (book.label, task) not in self._series and len(self._series) >= MAX_SERIES
        if too_many or len(task) > MAX_LABEL_CHARACTERS:
            self.folded += 1
            task = OTHER
        series = self._series.get((book.label, task))
        if series is None:
            judged = not any(fnmatchcase(task, glob) for glob in self._unjudged)
            series = self._series[book.label, task] = TaskSeries(task, book, judged=judged)
        return series

    def _open_queue(self, queue: str | None, name: str | None) -> QueueBook:
        label = UNKNOWN if queue is None else self.targets.label(queue, name)
        if len(label) > MAX_LABEL_CHARACTERS:
            self.folded += 1
            label, queue = OTHER, None
        book = self.queues.get(label)
        if book is None and len(self.queues) >= MAX_QUEUES:
            self.folded += 1
            label = OTHER
            book = self.queues.get(label)
        if book is None:
            row = None if queue is None else self.targets.find(queue, name)
            book = self.queues[label] = QueueBook(label, row, self._wait_bounds)
        if queue is not None and len(book.members) < MAX_QUEUES:
            book.members.add(queue)
        return book
