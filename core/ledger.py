"""The ledger: events and observations in, one snapshot out.

Deterministic: the same events, observations and ticks give the same snapshot;
the clock is always an argument. Not thread-safe: its owner holds a lock.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from core.attempt import ENDED, JOURNALED, Attempt
from core.attribution import Attribution
from core.events import Event
from core.ghosts import Ghosts
from core.histogram import wait_bounds
from core.lives import Lives
from core.metrics import OTHER
from core.orphans import Orphans
from core.picture import draw
from core.queue_book import Observed, QueueBook
from core.record import AttemptRecord, Key, key_of, record_of
from core.series import SeriesTable
from core.snapshot import Snapshot
from core.stream import StreamState
from core.targets import TargetTable
from core.workers import Worker, WorkerTable

MAX_TYPES = 50  # event types counted by name
TICK_LIMIT = 5_000  # decisions a tick: some milliseconds
MAX_PROBE_LAG_SECONDS = 2.0  # further behind, an event that explains an absence may not have been read yet
PATIENT_SECONDS = 30.0  # after a gap, for a look at the broker
SENT_SILENCE_SECONDS = 60.0  # without any task-sent for so long, waiting for one is in vain
IMPATIENT_SECONDS = 1.0


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What a snapshot says of the program that made it."""

    version: str = ""
    broker: str = ""  # URL without its password
    labels: dict[str, str] = {}  # --static-label
    target_divisor: float = 1.0


class Ledger:
    """All that is known; every method takes the moment at which it is called, in epoch seconds."""

    def __init__(
        self,
        targets: TargetTable,
        *,
        started_at: float,
        identity: Identity | None = None,
        unjudged: tuple[str, ...] = ("celery.*",),  # globs over task names: counted, not held to the target
    ) -> None:
        bounds = wait_bounds(row.target_seconds for row in targets.queue_rows if row.target_seconds)
        self.identity = identity or Identity()
        self.wait_bounds = bounds
        self.series = SeriesTable(targets, bounds, unjudged)
        self.workers = WorkerTable()
        self.stream = StreamState(started_at)
        self.attribution = Attribution()
        self.lives = Lives(self.series, self.stream)
        self.events: dict[str, int] = {}
        self.undecodable = 0
        self.targets_valid = True
        self.consumed: set[str] = set()  # queues that some worker was seen to read
        self.inspected_at: float | None = None  # all workers were asked; None = not since the stream was connected
        self._orphans = Orphans()
        self._ghosts = Ghosts()
        self._last_task_sent_at = 0.0
        self._task_events = {
            "task-received": self.lives.receive,
            "task-started": self.lives.start,
            "task-succeeded": self.lives.succeed,
            "task-failed": self.lives.fail,
            "task-retried": self.lives.retry,
            "task-revoked": self.lives.revoke,
            "task-rejected": self.lives.reject,
        }

    # -- events

    def apply(self, event: Event, now: float) -> None:
        """Take in one event; `now` is when it came."""
        kind = event.type
        if kind in self.events:
            self.events[kind] += 1
        else:
            self._count_new_type(kind)
        if kind == "task-sent":
            self._sent(event, now)
        elif kind in self._task_events:
            worker = self.workers.hear(event.hostname, now)
            worker.task_events += 1
            worker.sends_task_events = True
            newest = self.lives.find(event.uuid) or worker.held.get(event.uuid)
            if newest is None or self._opens_unseen_retry(event, newest) or event.uuid in self._orphans:
                self._orphans.park(event, now)
            else:
                self._task_events[kind](newest, event, worker, now)
        elif kind == "worker-offline":
            self._offline(event, now)
        elif kind.startswith("worker-"):
            if kind == "worker-online":
                self._online(event, now)
            self.workers.welcome(event.hostname, now).hear(event)

    def _count_new_type(self, kind: str) -> None:
        key = kind if len(self.events) < MAX_TYPES else OTHER
        self.events[key] = self.events.get(key, 0) + 1

    def _sent(self, event: Event, now: float) -> None:
        self._last_task_sent_at = now
        newest = self.lives.find(event.uuid)
        if event.retries and event.uuid in self._orphans and (newest is None or event.retries > newest.retries + 1):
            self._orphans.park(event, now)  # the task-sent of the attempt before it is still under way
            return
        self._send(event, newest, now)
        for parked in self._orphans.claim(event.uuid):
            newest = self.lives.find(event.uuid)
            if parked.type == "task-sent":
                self._sent(parked, now)
            elif newest is not None:  # else beyond the bound
                if event.uuid in self._orphans or self._opens_unseen_retry(parked, newest):
                    self._orphans.park(parked, now)  # its own task-sent is not there yet
                else:
                    self._replay(parked, newest, now)

    def _send(self, event: Event, newest: Attempt | None, now: float) -> None:
        series = self.series.find(self.attribution.of_sent(event), event.name)
        self.lives.send(event, series, newest, now)

    def _replay(self, event: Event, newest: Attempt, now: float) -> None:
        self._task_events[event.type](newest, event, self._worker_of(event, now), now)

    def _worker_of(self, event: Event, now: float) -> Worker:
        """Who sent an event that was parked; it may be forgotten by now."""
        return self.workers.get(event.hostname) or Worker(event.hostname, now)

    @staticmethod
    def _opens_unseen_retry(event: Event, newest: Attempt) -> bool:
        return event.retries is not None and event.retries > newest.retries

    def _adopt_overdue(self, now: float, limit: int) -> int:
        """Tasks whose task-sent never came: take them as they are, under the best guess of their queue."""
        in_vain = now - self._last_task_sent_at > SENT_SILENCE_SECONDS
        adopted = 0
        for uuid in self._orphans.overdue(now, limit, IMPATIENT_SECONDS if in_vain else None):
            events = self._orphans.claim(uuid)
            first = next((event for event in events if event.type == "task-received"), events[0])
            self._adopt(first, self.lives.find(uuid), now)
            for event in events:
                newest = self.lives.find(uuid)
                if newest is None:  # beyond the bound
                    break
                if event.type == "task-sent":
                    self._send(event, newest, now)
                else:
                    self._replay(event, self._adopt(event, newest, now) or newest, now)
            adopted += 1
        return adopted

    def _adopt(self, event: Event, newest: Attempt | None, now: float) -> Attempt | None:
        """Open the attempt of an event whose task-sent was not seen, if it is the first of it."""
        if newest is None:
            queue = self.attribution.guess(event.name, self._worker_of(event, now))
            self.lives.adopt(event, self.series.find(queue, event.name), newest, now)
        elif self._opens_unseen_retry(event, newest):
            self.lives.adopt(event, newest.series, newest, now)
        return self.lives.find(event.uuid)

    def _offline(self, event: Event, now: float) -> None:
        """A worker stops, or its connection broke: what it runs it runs to the end, without heartbeats."""
        worker = self.workers.dismiss(event.hostname, now)
        if worker is not None:
            worker.hear(event)
            self.lives.put_back(worker)

    def _online(self, event: Event, now: float) -> None:
        """A process says hello; what an earlier one of that name held without a goodbye is not held.

        It says so again whenever its connection was lost. Then its tasks run on; a new process has done none yet.
        """
        worker = self.workers.get(event.hostname)
        if worker is None:
            return
        if event.processed:
            self.lives.put_back(worker)
        else:
            self.lives.lose_worker(worker, event.timestamp)
            worker.begin_anew(now)

    # -- observations

    def lose_broker(self, now: float, reason: str = "") -> None:
        """The stream is cut: what the broker last said holds no longer."""
        self.stream.disconnect(now, reason)
        self.inspected_at = None
        self._ghosts.forget_doubts()
        for book in self.series.queues.values():
            book.ready_messages.clear()

    def observe_lengths(self, lengths: Mapping[str, int]) -> None:
        """Ready messages by queue name, as the broker has them."""
        for book in self.series.queues.values():
            book.observe_lengths(lengths)

    def observe_task_events(self, name: str, now: float, *, were_off: bool) -> None:
        """A worker said that it sends events about its tasks. What it did until now may not have been seen.

        Also when it says that they were on already: its answer to an earlier
        request may have come too late.
        """
        worker = self.workers.hear(name, now)  # not back, if it just said goodbye: the answer is older
        if were_off or not worker.has_answered:
            for book in self._books_of(worker):
                book.observed_since = now
        worker.sends_task_events = worker.has_answered = True

    def _books_of(self, worker: Worker) -> Iterable[QueueBook]:
        """Queues that a worker reads; before it said which, it may be any."""
        books = self.series.queues.values()
        if worker.queues is None:
            return list(books)
        return [book for book in books if not (book.members | {book.label}).isdisjoint(worker.queues)]

    def observed(self, now: float) -> dict[str, Observed]:
        """By queue label: since when nothing escapes us. Now, where a worker reads it that sends no task events."""
        since = self.stream.observed_since
        found = {
            label: Observed(max(since, book.observed_since), max(since, book.observed_since) + PATIENT_SECONDS)
            for label, book in self.series.queues.items()
        }
        for worker in self.workers.unsure():
            for book in self._books_of(worker):
                patient_until = max(found[book.label].patient_until, worker.heard_at + PATIENT_SECONDS)
                found[book.label] = Observed(now, patient_until)
        return found

    def observe_worker(
        self, name: str, now: float, *, queues: Sequence[str], slots: int | None, pool: str | None
    ) -> None:
        """A worker answered an inspection."""
        worker = self.workers.hear(name, now)  # not back, if it just said goodbye: the answer is older
        worker.queues = tuple(sorted(queues))
        worker.slots = slots
        worker.pool = pool
        self.consumed.update(worker.queues)

    def observe_inspection(self, now: float) -> None:
        """All workers were asked what they read, and had time to answer."""
        self.inspected_at = now

    def doubtful_queues(self, now: float) -> dict[str, list[str]]:
        """Queue labels where more seems to wait than the broker has, each with the queue names behind it."""
        if self.stream.blind_reason(now) is not None or (self.stream.lag_seconds or 0.0) > MAX_PROBE_LAG_SECONDS:
            return {}
        books, observed = self.series.queues.values(), self.observed(now)
        doubtful = {
            book.label: sorted(book.ready_messages)
            for book in books
            if self._ghosts.is_doubtful(book, observed[book.label].since, now)
        }
        self._ghosts.forget_doubts(keep=doubtful)
        return doubtful

    def observe_broker(self, label: str, seen: Collection[str], now: float, *, complete: bool) -> None:
        """A look at a doubtful queue: these tasks have messages in its lists or in workers' hands.

        `complete`: these are all; else the oldest of each list.
        """
        book = self.series.queues[label]
        oldest_seen_at: float | None = None
        if not complete:
            found = (self.lives.find(uuid) for uuid in seen)
            oldest_seen_at = min((one.eligible_at for one in found if one and one.eligible_at), default=0.0)
        readers = self.workers.consumers()
        spoken = (worker.last_seen_at for queue in book.members for worker in readers.get(queue, ()))
        self._ghosts.look(book, seen, min(spoken, default=now), now, oldest_seen_at=oldest_seen_at)

    def _bury_ghosts(self, limit: int) -> int:
        buried = 0
        for book in self.series.queues.values():
            for uuid in self._ghosts.take(book, limit - buried):
                self.lives.give_up(uuid, "not_found")
                buried += 1
            if buried >= limit:
                break
        return buried

    def replace_targets(self, targets: TargetTable) -> None:
        """Put other targets in force; no count is lost."""
        self.series.replace_targets(targets)

    def queue_names(self) -> list[str]:
        """Queues that are worth asking the broker about."""
        return list(dict.fromkeys([*self.series.queue_names(), *self.workers.known_queues()]))

    # -- what outlives the process

    def keep_changes(self) -> None:
        """Note from now on which attempts change, for a journal that takes the changes."""
        self.lives.changes = []

    def take_changes(self) -> list[Attempt]:
        """Hand over who changed since the last call; nobody, if no journal was announced."""
        changes = self.lives.changes or []
        if changes:
            self.lives.changes = []
        return changes

    def records(self, changed: Iterable[Attempt]) -> tuple[list[AttemptRecord], list[Key]]:
        """What the journal must write: records of those that live, and keys of records that hold no longer."""
        ended, self.lives.dropped_keys = self.lives.dropped_keys, []
        records = []
        for attempt in changed:
            if attempt.state != ENDED:
                attempt.marks |= JOURNALED
                records.append(record_of(attempt))
            elif attempt.marks & JOURNALED:
                attempt.marks &= ~JOURNALED
                ended.append(key_of(attempt))
        return records, ended

    def current(self, key: Key) -> AttemptRecord | None:
        """What the record of that key should say now; None = the attempt has ended."""
        attempt = self.lives.by_key(key)
        return None if attempt is None else record_of(attempt)

    def restore(self, records: Iterable[AttemptRecord], now: float) -> None:
        """Take back what an earlier process wrote down, in order of `eligible_at`; counters stay as they are."""
        self.stream.has_past = True
        for record in records:
            series = self.series.of_label(record.queue, record.name)
            series.queue.members.add(record.member or record.queue)
            attempt = Attempt(
                record.uuid,
                series,
                record.retries,
                record.state,
                record.eligible_at,
                record.sent_at,
                record.started_at,
                record.expires_at,
                record.decision,
                record.marks | JOURNALED,
                None if record.worker is None else self.workers.hear(record.worker, now),
            )
            self.lives.restore(attempt)

    # -- time

    def tick(self, now: float, limit: int = TICK_LIMIT) -> bool:
        """Let time pass: etas come, deadlines and expiries pass, silent workers are given up.

        Does about `limit` of each at most, and says whether there is more to do now.
        """
        done = [self.lives.come_due(now, limit), self._adopt_overdue(now, limit), self._bury_ghosts(limit)]
        until = self.stream.decided_until(now)
        if until is not None:
            done.append(self.lives.expire(until, limit))
            done.append(self._pass_deadlines(until, now, limit))
            for worker in self.workers.silent(now, self.stream.changed_at):
                self.workers.lose(worker, "silent")
                self.lives.lose_worker(worker, now)
            for worker in self.workers.gone(now, self.stream.changed_at):
                self.lives.lose_worker(worker, now)
        for worker in self.workers.all():
            for attempt in worker.ended_unseen():
                if attempt.uuid not in self._orphans:  # else its end may be known, and wait for a task-sent
                    self.lives.end(attempt, "ignored", now)
        self.workers.drop_long_lost(now)
        more = [self.lives.tick(now, limit), self.lives.is_behind(now, until)]
        more += [book.sweep() for book in self.series.queues.values()]
        return any(more) or any(count >= limit for count in done)

    def _pass_deadlines(self, until: float, now: float, limit: int) -> int:
        left = limit
        observed = self.observed(now)
        for book in self.series.queues.values():
            decided = book.pass_deadlines(until, observed[book.label], left)
            for attempt in decided:
                self.lives.note(attempt)
            left -= len(decided)
            if left <= 0:
                break
        return limit - left

    def snapshot(self, now: float) -> Snapshot:
        """Everything at this moment."""
        return draw(self, now)
