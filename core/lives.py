"""What each event does to the attempts of its task: the life of a task, in any order of its events."""

from collections.abc import Iterator

from core.agenda import Agenda
from core.attempt import (
    ENDED,
    RECEIVED,
    RECOVERED,
    RUNNING,
    SCHEDULED,
    WAITING,
    Attempt,
)
from core.events import Event, exception_class
from core.metrics import UNKNOWN
from core.recent import Recent
from core.series import SeriesTable, TaskSeries
from core.times import epoch
from core.workers import Worker

MAX_TRACKED = 2_000_000  # attempts that have not ended
MAX_CHAIN = 4  # older attempts of one uuid that are kept
LATE_START_SECONDS = 1.0  # a start computed from the end may be off by that much
EARLY_SECONDS = 0.1  # a worker's timer may run a task that much before its eta
SKEW_SECONDS = 30.0  # more than any clock we trust is off


class Lives:
    """All attempts by uuid, newest first, and the transitions between their states."""

    def __init__(self, series: SeriesTable) -> None:
        self._series = series
        self._newest: dict[str, Attempt] = {}
        self._recent = Recent()
        self.etas = Agenda(lambda attempt: attempt.eligible_at, lambda attempt: attempt.state == SCHEDULED)
        self.expiries = Agenda(lambda attempt: attempt.expires_at, lambda attempt: attempt.state <= WAITING)
        self.negative_waits = 0
        self.refused = 0  # attempts beyond the bound: counted, not tracked

    def __len__(self) -> int:
        """Attempts that have not ended."""
        return len(self._newest)

    def find(self, uuid: str) -> Attempt | None:
        """The newest attempt of a task; None = never heard of it, or long ended."""
        return self._newest.get(uuid) or self._recent.get(uuid)

    # -- the beginning

    def send(self, event: Event, series: TaskSeries, newest: Attempt | None, now: float) -> None:
        """A task-sent: opens an attempt, or completes one whose other events came first."""
        if newest is not None:
            known = _same_attempt(newest, event)
            if known is not None:
                self._complete(known, event, series, now)
                return
            if (event.retries or 0) < newest.retries:  # of an attempt before those that we keep
                series.sent += 1
                return
        series.sent += 1
        if event.timestamp > series.queue.last_sent_at:
            series.queue.last_sent_at = event.timestamp
        if len(self._newest) >= MAX_TRACKED:
            self.refused += 1
            return
        eta = epoch(event.eta) if event.eta else 0.0
        attempt = Attempt(
            event.uuid,
            series,
            event.retries or 0,
            WAITING,
            0.0 if eta is None else max(event.timestamp, eta),  # an eta without zone is read at its start
            event.timestamp,
            expires_at=(epoch(event.expires) or 0.0) if event.expires else 0.0,
            older=_cut(newest),
        )
        self._enter(attempt, scheduled=eta is None or eta > now)

    def adopt(self, event: Event, series: TaskSeries, newest: Attempt | None, now: float) -> None:
        """A task whose task-sent was not seen: it has waited since its first event at least."""
        eta = (epoch(event.eta) or 0.0) if event.eta else 0.0
        attempt = Attempt(
            event.uuid,
            series,
            event.retries or 0,
            WAITING,
            max(event.timestamp, eta),
            expires_at=(epoch(event.expires) or 0.0) if event.expires else 0.0,
            older=_cut(newest),
        )
        self._enter(attempt, scheduled=eta > now)

    def _enter(self, attempt: Attempt, *, scheduled: bool) -> None:
        queue = attempt.series.queue
        if attempt.older is not None:
            self._recent.forget(attempt.uuid)
        self._newest[attempt.uuid] = attempt
        if scheduled:
            queue.schedule(attempt)
            if attempt.eligible_at:
                self.etas.add(attempt)
        else:
            queue.wait(attempt)
        if attempt.expires_at:
            self.expiries.add(attempt)

    def _complete(self, attempt: Attempt, event: Event, series: TaskSeries, now: float) -> None:
        """The task-sent of an attempt that is known by its later events; a repeated one changes nothing."""
        if attempt.sent_at:
            if attempt.sent_at != event.timestamp:
                series.sent += 1  # the same id sent twice while it waits: one wait
            return
        series.sent += 1
        series.queue.last_sent_at = max(series.queue.last_sent_at, event.timestamp)
        self._move(attempt, series)
        attempt.sent_at = event.timestamp
        attempt.eligible_at = max(event.timestamp, (epoch(event.eta) or 0.0) if event.eta else 0.0)
        if attempt.started_at:
            self._measure(attempt, now)

    def _move(self, attempt: Attempt, series: TaskSeries) -> None:
        """Put an attempt under the queue that it turns out to be on."""
        old, new = attempt.series.queue, series.queue
        if attempt.state == RUNNING and old is not new:
            old.running -= 1
            new.running += 1
        if attempt.state >= RUNNING:
            attempt.series = series

    # -- a worker takes it

    def receive(self, newest: Attempt, event: Event, worker: Worker, _now: float) -> None:
        """A worker holds it; before this attempt's start, and perhaps not for the first time."""
        attempt = next((one for one in _chain(newest) if one.retries == (event.retries or 0)), None)
        if attempt is None:
            return
        holder = attempt.worker
        if attempt.marks & RECEIVED and holder is worker:
            return
        if not attempt.marks & RECEIVED:
            attempt.series.received += 1
        if attempt.state >= RUNNING:
            attempt.marks |= RECEIVED
            return
        if attempt.marks & RECEIVED:  # another worker lost it without a word
            attempt.series.queue.release(attempt)
            if holder is not None:
                holder.held.pop(attempt.uuid, None)
        attempt.series.queue.hold(attempt)
        attempt.worker = worker
        if attempt.state == WAITING:
            worker.held[attempt.uuid] = attempt

    def start(self, newest: Attempt, event: Event, worker: Worker, now: float) -> None:
        """A worker runs it."""
        at = event.timestamp
        attempt = newest
        older = newest.older
        if older is not None and at < newest.sent_at and not older.started_at and older.state != ENDED:
            attempt = older
        if attempt.state < RUNNING:
            self._begin(attempt, at, worker, now)
        elif not attempt.started_at:  # it ended before the event of its start came
            attempt.started_at = at
            attempt.series.started += 1
            self._measure(attempt, now)
        elif attempt.marks & RECOVERED and at <= attempt.started_at + LATE_START_SECONDS:
            attempt.marks &= ~RECOVERED
        elif at > attempt.started_at:  # delivered again: another run, and no second wait
            if attempt.state == RUNNING and attempt.worker is worker:
                self.end(attempt, "lost", at)
            run = Attempt(attempt.uuid, attempt.series, attempt.retries, ENDED, older=_cut(attempt))
            self._recent.forget(run.uuid)
            self._newest[run.uuid] = run
            self._begin(run, at, worker, now)

    def _begin(self, attempt: Attempt, at: float, worker: Worker, now: float) -> None:
        series, holder = attempt.series, attempt.worker
        queue = series.queue
        if holder is not None and holder is not worker:
            holder.held.pop(attempt.uuid, None)
        queue.leave(attempt, RUNNING)
        attempt.started_at = at
        attempt.worker = worker
        worker.held[attempt.uuid] = attempt
        series.started += 1
        queue.running += 1
        queue.starts.count(now)
        if at > queue.last_start_at:
            queue.last_start_at = at
        self._measure(attempt, now)

    def _measure(self, attempt: Attempt, now: float) -> None:
        """Its wait is over: count how long it was, if that is known."""
        if not attempt.eligible_at:
            return
        queue = attempt.series.queue
        seconds = attempt.started_at - attempt.eligible_at
        if attempt.sent_at:
            if seconds < 0:
                if seconds < -EARLY_SECONDS:
                    self.negative_waits += 1
                seconds = 0.0
            queue.measure(seconds, now, "sent")
            queue.judge_start(attempt, seconds)
        else:
            queue.judge_partial(attempt, seconds)

    # -- the end

    def succeed(self, newest: Attempt, event: Event, worker: Worker, now: float) -> None:
        """It ran to its end."""
        attempt = self._ending(newest, worker, event.timestamp)
        if attempt is None:
            return
        if attempt.state < RUNNING and event.runtime is not None:
            self._begin(attempt, event.timestamp - event.runtime, worker, now)
            attempt.marks |= RECOVERED
        if event.runtime is not None:
            attempt.series.runtime_count += 1
            attempt.series.runtime_sum_seconds += event.runtime
            attempt.series.queue.runtime.observe(event.runtime)
        self.end(attempt, "succeeded", event.timestamp)

    def fail(self, newest: Attempt, event: Event, worker: Worker, _now: float) -> None:
        """It raised, or was ended by its worker."""
        attempt = self._ending(newest, worker, event.timestamp)
        if attempt is None:
            return
        if not attempt.series.count_failure(exception_class(event) or UNKNOWN):
            self._series.folded += 1
        self.end(attempt, "failed", event.timestamp)

    def retry(self, newest: Attempt, event: Event, worker: Worker, _now: float) -> None:
        """It will run again as another attempt, whose task-sent came before this event."""
        attempt = self._ending(newest, worker, event.timestamp)
        if attempt is newest and attempt.state < RUNNING and attempt.retries > 0 and attempt.older is None:
            attempt.series.count_outcome("retried")  # of the attempt before, of which nothing was seen
        elif attempt is not None:
            self.end(attempt, "retried", event.timestamp)

    def revoke(self, newest: Attempt, event: Event, worker: Worker, _now: float) -> None:
        """Taken back by a caller, or too old to be run."""
        attempt = self._ending(newest, worker, event.timestamp)
        if attempt is None:
            return
        queue = attempt.series.queue
        if attempt.state <= WAITING:
            if event.expired:
                queue.expire(attempt)
            else:
                queue.judge_revoked(attempt, event.timestamp)
        self.end(attempt, "revoked", event.timestamp)

    def reject(self, newest: Attempt, event: Event, worker: Worker, _now: float) -> None:
        """Handed back to the broker, for good or to be delivered again."""
        if newest.sent_at == event.timestamp:
            return  # this event opened that wait before
        attempt = self._ending(newest, worker, event.timestamp)
        if not event.requeue:
            if attempt is not None:
                self.end(attempt, "rejected", event.timestamp)
            return
        if attempt is not None and attempt.state < RUNNING:  # it goes on waiting
            if attempt.marks & RECEIVED:
                self._let_go(attempt)
            return
        if attempt is not None:
            self.end(attempt, "rejected", event.timestamp)
        at = event.timestamp
        again = Attempt(newest.uuid, newest.series, newest.retries, WAITING, at, at, older=_cut(newest))
        self._enter(again, scheduled=False)

    def end(self, attempt: Attempt, outcome: str, at: float) -> None:
        """Close it. Of two ends that one run reports, the first counts."""
        queue = attempt.series.queue
        if attempt.state == RUNNING:
            queue.running -= 1
        else:
            queue.judge_end(attempt, at)
        queue.leave(attempt, ENDED)
        attempt.series.count_outcome(outcome)
        if attempt.worker is not None:
            attempt.worker.held.pop(attempt.uuid, None)
        self._forget(attempt)

    def _forget(self, attempt: Attempt) -> None:
        """Keep one that has ended only for the events that may still come."""
        if self._newest.get(attempt.uuid) is attempt:
            del self._newest[attempt.uuid]
            self._recent.put(attempt)

    def _ending(self, newest: Attempt, worker: Worker, at: float) -> Attempt | None:
        """Which attempt of the task does this end belong to? None = to one that has ended already."""
        if newest.state == RUNNING and newest.worker is worker:  # nearly always
            return newest
        running: Attempt | None = None
        for attempt in _chain(newest):
            if attempt.state == RUNNING:
                if attempt.worker is worker:
                    return attempt
                running = running or attempt
        if running is not None:
            return running
        older = newest.older
        if older is not None and at < newest.sent_at and older.state != ENDED:
            return older
        return newest if newest.state != ENDED else None

    # -- what time and silence do

    def come_due(self, now: float, limit: int) -> int:
        """Etas that have come; returns how many."""
        due = self.etas.due(now, limit)
        for attempt in due:
            attempt.series.queue.become_due(attempt)
            if attempt.worker is not None:
                if attempt.worker.online:
                    attempt.worker.held[attempt.uuid] = attempt
                else:
                    self._let_go(attempt)
        return len(due)

    def expire(self, until: float, limit: int) -> int:
        """Expiries that have passed while the task waited; returns how many."""
        due = self.expiries.due(until, limit)
        for attempt in due:
            attempt.series.queue.expire(attempt)
        return len(due)

    def lose_worker(self, worker: Worker, at: float) -> None:
        """What a worker that is gone had in its hands: running tasks are lost, others wait on."""
        for attempt in list(worker.held.values()):
            if attempt.state == RUNNING:
                self.end(attempt, "lost", at)
            elif attempt.state == WAITING:
                self._let_go(attempt)
        worker.held.clear()

    def give_up(self, uuid: str, reason: str) -> None:
        """A task that waits is neither in the broker nor at a worker."""
        attempt = self._newest.get(uuid)
        if attempt is None or attempt.state != WAITING:
            return
        if attempt.marks & RECEIVED:
            self._let_go(attempt)
        attempt.series.queue.give_up(attempt, reason)
        self._forget(attempt)

    def tick(self, now: float, limit: int) -> None:
        """Keep memory within its bounds."""
        self._recent.tick(now)
        alive = len(self._newest)
        for agenda in (self.etas, self.expiries):
            if agenda.entries > alive + limit:
                agenda.sweep(limit)

    def _let_go(self, attempt: Attempt) -> None:
        attempt.series.queue.release(attempt)
        if attempt.worker is not None:
            attempt.worker.held.pop(attempt.uuid, None)
            attempt.worker = None


def _same_attempt(newest: Attempt, event: Event) -> Attempt | None:
    """The attempt that a task-sent belongs to; None = it opens another one.

    Task.replace() and re-sends under a fixed id use uuid and retries again: a
    task-sent later than a start opens the next generation. Where the sender's
    clock is not the worker's, "later" must be more than clocks differ.
    """
    chain = list(_chain(newest))
    for attempt in chain:
        if attempt.sent_at == event.timestamp:
            return attempt
    for attempt in chain:
        if attempt.retries == (event.retries or 0):
            if not attempt.started_at or event.timestamp <= attempt.started_at:
                return attempt
            sender = event.hostname.rpartition("@")[2]
            same_clock = attempt.worker is not None and attempt.worker.name.rpartition("@")[2] == sender
            if not attempt.sent_at and not same_clock and event.timestamp - attempt.started_at < SKEW_SECONDS:
                return attempt
    return None


def _chain(newest: Attempt) -> Iterator[Attempt]:
    """A task's attempts, newest first."""
    attempt: Attempt | None = newest
    while attempt is not None:
        yield attempt
        attempt = attempt.older


def _cut(newest: Attempt | None) -> Attempt | None:
    """Keep the chain of older attempts short."""
    if newest is not None:
        for depth, attempt in enumerate(_chain(newest)):
            if depth == MAX_CHAIN - 1:
                attempt.older = None
    return newest
