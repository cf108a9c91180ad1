"""What each event does to the attempts of its task: the life of a task, in any order of its events."""

from collections import deque

from core.agenda import Agenda
from core.attempt import (
    ENDED,
    EXCLUDED,
    EXPIRED,
    JOURNALED,
    OPEN,
    RECEIVED,
    RECOVERED,
    RUNNING,
    SCHEDULED,
    WAITING,
    Attempt,
)
from core.chain import EARLY_SECONDS, chain_of, ending, is_start_of, retrying, sent_before, starting
from core.events import Event, exception_class
from core.metrics import UNKNOWN
from core.recent import Recent
from core.record import Key, key_of
from core.series import SeriesTable, TaskSeries
from core.stream import StreamState
from core.times import epoch
from core.workers import Worker

MAX_TRACKED = 2_000_000  # attempts that have not ended
MAX_EXPIRED = 50_000  # of these, attempts that expired and of which nobody has said so: brokers may drop them silently
MAX_CHAIN = 4  # older attempts of one uuid that are kept


class Lives:
    """All attempts by uuid, newest first, and the transitions between their states."""

    def __init__(self, series: SeriesTable, stream: StreamState) -> None:
        self._series = series
        self._stream = stream
        self._newest: dict[str, Attempt] = {}
        self._recent = Recent()
        self._expired: deque[Attempt] = deque()  # by the clock, oldest first
        self.etas = Agenda(lambda attempt: attempt.eligible_at, lambda attempt: attempt.state == SCHEDULED)
        self.expiries = Agenda(lambda attempt: attempt.expires_at, lambda attempt: attempt.state <= WAITING)
        self.changes: list[Attempt] | None = None  # whose records the journal lacks; None = there is no journal
        self.dropped_keys: list[Key] = []  # of records under which an attempt is not known any more
        self.negative_waits = 0
        self.refused = 0  # attempts beyond the bound: counted, not tracked

    def __len__(self) -> int:
        """Attempts that have not ended."""
        return len(self._newest)

    def find(self, uuid: str) -> Attempt | None:
        """The newest attempt of a task; None = never heard of it, or long ended."""
        return self._newest.get(uuid) or self._recent.get(uuid)

    def note(self, attempt: Attempt) -> None:
        """It is not any more what its record says."""
        if attempt.marks & JOURNALED and self.changes is not None:
            self.changes.append(attempt)

    # -- the beginning

    def send(self, event: Event, series: TaskSeries, newest: Attempt | None, now: float) -> None:
        """A task-sent: opens an attempt, or completes one whose other events came first."""
        if newest is not None:
            known = sent_before(newest, event)
            if known is not None:
                self._complete(known, event, series, now)
                return
            if (event.retries or 0) < newest.retries:
                self._send_before(event, series, newest, now)
                return
        series.sent += 1
        if event.timestamp > series.queue.last_sent_at:
            series.queue.last_sent_at = event.timestamp
        self._open(event, series, newest, event.timestamp, now)

    def _send_before(self, event: Event, series: TaskSeries, newest: Attempt, now: float) -> None:
        """The task-sent of an attempt of which nothing is known, and whose retry is: late, or of long ago."""
        series.sent += 1
        chain = list(chain_of(newest))
        retry = chain[-1]
        follows = retry.retries == (event.retries or 0) + 1 and retry.sent_at > event.timestamp
        if follows and retry.state != ENDED and len(chain) < MAX_CHAIN:
            retry.older = _attempt(event, series, None, event.timestamp, now)
            self._line_up(retry.older)

    def adopt(self, event: Event, series: TaskSeries, newest: Attempt | None, now: float) -> None:
        """A task whose task-sent was not seen: it has waited since its first event at least."""
        self._open(event, series, newest, 0.0, now)

    def _open(self, event: Event, series: TaskSeries, newest: Attempt | None, sent_at: float, now: float) -> None:
        if len(self._newest) >= MAX_TRACKED:
            self.refused += 1
            return
        older = None if newest is None else self._cut(newest)
        self._enter(_attempt(event, series, older, sent_at, now))

    def _enter(self, attempt: Attempt) -> None:
        if attempt.older is not None:
            self._recent.forget(attempt.uuid)
        self._newest[attempt.uuid] = attempt
        self._line_up(attempt)

    def _line_up(self, attempt: Attempt) -> None:
        queue = attempt.series.queue
        if self.changes is not None:
            self.changes.append(attempt)
        if attempt.state == SCHEDULED:
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
        eta = epoch(event.eta) if event.eta else 0.0
        due_at = attempt.eligible_at if eta is None else max(event.timestamp, eta)  # its worker may know better
        self._set_wait(attempt, event.timestamp, due_at)
        self._move(attempt, series)
        if attempt.started_at and eta is not None:
            self._measure(attempt, now)

    def _set_wait(self, attempt: Attempt, sent_at: float, eligible_at: float) -> None:
        if attempt.marks & JOURNALED:
            self.dropped_keys.append(key_of(attempt))
            self.note(attempt)
        attempt.sent_at, attempt.eligible_at = sent_at, eligible_at

    def _move(self, attempt: Attempt, series: TaskSeries) -> None:
        """Put an attempt under the queue that it turns out to be on; what was said of it on the other stays said."""
        old, new, state = attempt.series.queue, series.queue, attempt.state
        if old is not new and attempt.decision != OPEN:
            if state < RUNNING:
                return
            attempt.decision = EXCLUDED  # it is not judged again
        if old is new or state == ENDED:
            attempt.series = series
        elif state == RUNNING:
            old.running -= 1
            new.running += 1
            attempt.series = series
        else:
            old.leave(attempt, state)
            attempt.series = series
            new.enter(attempt, state)

    # -- a worker takes it

    def receive(self, newest: Attempt, event: Event, worker: Worker, _now: float) -> None:
        """A worker holds it; before this attempt's start, and perhaps not for the first time."""
        attempt = next((one for one in chain_of(newest) if one.retries == (event.retries or 0)), None)
        if attempt is None:
            return
        if not attempt.marks & RECEIVED:
            attempt.marks |= RECEIVED
            attempt.series.received += 1
        if attempt.state >= RUNNING or attempt.worker is worker:
            return
        if attempt.worker is not None:  # it lost it without a word
            self._let_go(attempt)
        attempt.series.queue.hold(attempt)
        attempt.worker = worker
        if attempt.state == WAITING:
            self._take(attempt, worker)

    def start(self, newest: Attempt, event: Event, worker: Worker, now: float) -> None:
        """A worker runs it."""
        at = event.timestamp
        attempt = newest if newest.older is None else starting(newest, worker, at)
        if attempt.state < RUNNING:
            self._begin(attempt, at, worker, now)
        elif not attempt.started_at:  # it ended before the event of its start came
            attempt.worker = worker
            self._count_start(attempt, at, now)
        elif is_start_of(attempt, worker, at):  # said before, or computed before it was said
            if attempt.marks & RECOVERED:
                attempt.marks &= ~RECOVERED
                attempt.started_at = at
        else:  # delivered again: another run, and no second wait
            marks = attempt.marks & RECEIVED
            run = Attempt(newest.uuid, newest.series, newest.retries, ENDED, marks=marks, older=self._cut(newest))
            self._recent.forget(run.uuid)
            self._newest[run.uuid] = run
            self._begin(run, at, worker, now)

    def _begin(self, attempt: Attempt, at: float, worker: Worker, now: float) -> None:
        queue, holder = attempt.series.queue, attempt.worker
        queue.leave(attempt, RUNNING)
        if holder is not None and holder is not worker:
            _put_down(attempt, holder)
        queue.running += 1
        attempt.worker = worker
        self._take(attempt, worker)
        self._count_start(attempt, at, now)
        if attempt.marks & JOURNALED:
            self.note(attempt)

    def _count_start(self, attempt: Attempt, at: float, now: float) -> None:
        series = attempt.series
        queue = series.queue
        attempt.started_at = at
        series.started += 1
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
        attempt = ending(newest, worker, event)
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
        attempt = ending(newest, worker, event)
        if attempt is None:
            return
        if not attempt.series.count_failure(exception_class(event) or UNKNOWN):
            self._series.folded += 1
        self.end(attempt, "failed", event.timestamp)

    def retry(self, newest: Attempt, event: Event, worker: Worker, _now: float) -> None:
        """It will run again as another attempt, whose task-sent came before this event."""
        attempt = retrying(newest, worker)
        if attempt is not newest or attempt.state >= RUNNING or attempt.retries == 0:
            if attempt is not None and attempt.started_at <= event.timestamp:
                self.end(attempt, "retried", event.timestamp)
        elif attempt.older is None:  # of the attempt before, of which nothing was seen
            attempt.older = Attempt(attempt.uuid, attempt.series, attempt.retries - 1, ENDED)
            attempt.series.count_outcome("retried")
        elif attempt.older.retries == attempt.retries:  # delivered again, and its start was not seen
            self.end(attempt, "retried", event.timestamp)

    def revoke(self, newest: Attempt, event: Event, worker: Worker, _now: float) -> None:
        """Taken back by a caller, or too old to be run; a run is only ended where it is terminated."""
        attempt = ending(newest, worker, event)
        if attempt is None:
            return
        if attempt.state == RUNNING and not event.terminated:
            return  # a second delivery was thrown away
        queue = attempt.series.queue
        if attempt.state <= WAITING and not event.terminated:
            if event.expired:
                queue.expire(attempt)
            else:
                queue.leave(attempt, EXPIRED)
                queue.judge_revoked(attempt, event.timestamp)
        self.end(attempt, "revoked", event.timestamp)

    def reject(self, newest: Attempt, event: Event, worker: Worker, now: float) -> None:
        """Handed back to the broker, for good or to be delivered again."""
        if any(one.sent_at == event.timestamp for one in chain_of(newest)):
            return  # this event opened that wait before
        attempt = ending(newest, worker, event)
        if not event.requeue:
            if attempt is not None:
                self.end(attempt, "rejected", event.timestamp)
            return
        if attempt is not None and attempt.state < RUNNING:  # it goes on waiting
            if attempt.worker is not None:
                self._let_go(attempt)
            return
        if attempt is not None:
            self.end(attempt, "rejected", event.timestamp)
        if newest.state >= RUNNING:  # else it waits already
            self._wait_again(newest, event.timestamp, now)

    def _wait_again(self, newest: Attempt, at: float, now: float) -> None:
        """Its message went back to the broker then."""
        for one in chain_of(newest):
            if one.started_at >= at and one.retries == newest.retries:  # another worker took it, and was heard first
                if not one.eligible_at:
                    self._set_wait(one, at, at)
                    self._measure(one, now)
                return
        again = Attempt(newest.uuid, newest.series, newest.retries, WAITING, at, at, older=self._cut(newest))
        self._enter(again)

    def end(self, attempt: Attempt, outcome: str, at: float) -> None:
        """Close it. Of two ends that one run reports, the first counts."""
        queue = attempt.series.queue
        if attempt.state == RUNNING:
            queue.running -= 1
            attempt.state = ENDED
        else:
            queue.leave(attempt, ENDED)
            queue.judge_end(attempt, at, self._stream.observed_since)
        attempt.series.count_outcome(outcome)
        if attempt.marks & JOURNALED:
            self.note(attempt)
        if attempt.worker is not None:
            _put_down(attempt, attempt.worker)
        self._forget(attempt)

    def _forget(self, attempt: Attempt) -> None:
        """Keep one that has ended only for the events that may still come."""
        if self._newest.get(attempt.uuid) is attempt:
            del self._newest[attempt.uuid]
            self._recent.put(attempt)

    # -- what outlives the process

    def restore(self, attempt: Attempt) -> None:
        """Take back an attempt that an earlier process wrote down; of one task the older first."""
        attempt.older = self._newest.get(attempt.uuid)
        self._newest[attempt.uuid] = attempt
        attempt.series.queue.restore(attempt)
        if attempt.state == SCHEDULED and attempt.eligible_at:
            self.etas.add(attempt)
        if attempt.state <= WAITING and attempt.expires_at:
            self.expiries.add(attempt)
        if attempt.state == EXPIRED:
            self._expired.append(attempt)
        if attempt.state == RUNNING and attempt.worker is not None:
            self._take(attempt, attempt.worker)

    def by_key(self, key: Key) -> Attempt | None:
        """The attempt of a record; None = it has ended."""
        found = self._newest.get(key[0])
        chain = chain_of(found) if found is not None else ()
        return next((one for one in chain if one.state != ENDED and key_of(one) == key), None)

    # -- what time and silence do

    def come_due(self, now: float, limit: int) -> int:
        """Etas that have come; returns how many."""
        due = self.etas.due(now, limit)
        for attempt in due:
            attempt.series.queue.become_due(attempt)
            self.note(attempt)
            if attempt.worker is not None:
                if attempt.worker.online:
                    self._take(attempt, attempt.worker)
                else:
                    self._let_go(attempt)
        return len(due)

    def expire(self, until: float, limit: int) -> int:
        """Expiries that have passed while the task waited; returns how many."""
        due = self.expiries.due(until, limit)
        for attempt in due:
            attempt.series.queue.expire(attempt, self._stream.observed_since)
            self.note(attempt)
        self._expired += due
        while len(self._expired) > MAX_EXPIRED:
            oldest = self._expired.popleft()
            if oldest.state == EXPIRED:
                self._forget(oldest)
        return len(due)

    def is_behind(self, now: float, until: float | None) -> bool:
        """Whether etas have come, or expiries have passed, that were not looked at yet."""
        return self.etas.is_behind(now) or (until is not None and self.expiries.is_behind(until))

    def put_back(self, worker: Worker) -> None:
        """What a worker held and did not start waits on, in nobody's hands."""
        for attempt in worker.in_hands():
            if attempt.state == WAITING:
                self._let_go(attempt)

    def lose_worker(self, worker: Worker, at: float) -> None:
        """What a worker that is gone had in its hands: running tasks are lost, others wait on."""
        self.put_back(worker)
        for attempt in worker.in_hands():
            self.end(attempt, "lost", at)
        worker.held.clear()

    def give_up(self, uuid: str, reason: str) -> None:
        """A task that waits is neither in the broker nor at a worker."""
        attempt = self._newest.get(uuid)
        if attempt is None or attempt.state != WAITING:
            return
        if attempt.worker is not None:
            self._let_go(attempt)
        attempt.series.queue.give_up(attempt, reason, self._stream.observed_since)
        self.note(attempt)
        self._forget(attempt)

    def tick(self, now: float, limit: int) -> bool:
        """Keep memory within its bounds, a piece at a time; says whether there is more to do now."""
        for ended in self._recent.tick(now):
            for older in chain_of(ended.older):
                if older.state < RUNNING:  # it came before, and seems to wait: nobody will find it any more
                    self._abandon(older)
        alive = len(self._newest)
        more = False
        for agenda in (self.etas, self.expiries):
            entries = agenda.entries
            if entries > alive + limit:
                agenda.sweep(limit)
                more = more or alive + alive // 4 + 4 * limit < agenda.entries < entries
        return more

    def _let_go(self, attempt: Attempt) -> None:
        attempt.series.queue.release(attempt)
        if attempt.worker is not None:
            _put_down(attempt, attempt.worker)
            attempt.worker = None

    def _cut(self, newest: Attempt) -> Attempt:
        """Keep the chain of older attempts short; what nobody can find any more is given up."""
        if newest.older is not None:
            chain = list(chain_of(newest))
            for attempt in chain[MAX_CHAIN - 1 :]:
                attempt.older = None
            for attempt in chain[MAX_CHAIN:]:
                hands = attempt.worker.in_hands() if attempt.worker is not None else []
                if attempt.state != RUNNING or all(held is not attempt for held in hands):
                    self._abandon(attempt)
        return newest

    def _abandon(self, attempt: Attempt) -> None:
        if attempt.state == RUNNING:
            self.end(attempt, "lost", attempt.started_at)
        elif attempt.state != ENDED:
            if attempt.worker is not None:
                self._let_go(attempt)
            attempt.series.queue.give_up(attempt, "superseded")
            self.note(attempt)

    def _take(self, attempt: Attempt, worker: Worker) -> None:
        """Put it into the worker's hands, where an older one of the same task may be, or a newer one."""
        held = worker.held.get(attempt.uuid)
        if held is not None and held is not attempt:
            if any(one is attempt for one in chain_of(held)):
                return
            if all(one is not held for one in chain_of(attempt)):
                self._abandon(held)
        worker.held[attempt.uuid] = attempt


def _attempt(event: Event, series: TaskSeries, older: Attempt | None, sent_at: float, now: float) -> Attempt:
    """What an event says of an attempt that it opens."""
    eta = epoch(event.eta) if event.eta else 0.0
    return Attempt(
        event.uuid,
        series,
        event.retries or 0,
        SCHEDULED if eta is None or eta > now else WAITING,
        0.0 if eta is None else max(event.timestamp, eta),  # what an eta without zone means is not known
        sent_at,
        expires_at=(epoch(event.expires) or 0.0) if event.expires else 0.0,
        older=older,
    )


def _put_down(attempt: Attempt, worker: Worker) -> None:
    """The worker has it in its hands no longer; an older run of the same task may come to light."""
    if worker.held.get(attempt.uuid) is not attempt:
        return
    del worker.held[attempt.uuid]
    for older in chain_of(attempt.older):
        if older.worker is worker and older.state == RUNNING:
            worker.held[older.uuid] = older
            return
