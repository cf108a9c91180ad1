"""Workers by their full node names: heard, asked, gone."""

from collections.abc import Iterator

from core.attempt import RUNNING, WAITING, Attempt
from core.events import Event
from core.snapshot import WorkerView

SILENT_SECONDS = 60.0  # without event or heartbeat: lost
SOLO_SILENT_SECONDS = 3600.0  # likewise; then Redis delivers its task again (kombu's visibility timeout)
SOLO_IDLE_SECONDS = 6.0  # three heartbeats
YOUNG_SECONDS = 10.0  # so long a worker may share its name with the one before it
KEPT_SECONDS = 3600.0  # a lost worker stays on show that long
MAX_WORKERS = 5_000


class Worker:
    """What one node name has said, and which attempts are in its hands."""

    def __init__(self, name: str, seen_at: float) -> None:
        self.name = name
        self.online = True
        self.last_seen_at = seen_at  # our clock
        self.heard_at = seen_at  # our clock: since this process of it is known
        self.task_events = 0
        self.sends_task_events = False  # it said so, or did; until then what it does may not be seen
        self.has_answered = False  # to the request to send them
        self.running: int | None = None  # by its heartbeat
        self.processed: int | None = None
        self.idle_at = 0.0  # its clock: its newest heartbeat, if that said that nothing runs; else 0
        self.idle_before = 0.0  # the heartbeat before that one, likewise
        self.sw_ver: str | None = None
        self.pool: str | None = None  # by inspection, like the next two; None = has not answered yet
        self.slots: int | None = None
        self.queues: tuple[str, ...] | None = None
        self.held: dict[str, Attempt] = {}  # by uuid: reserved (and due) or running, the newest of its task

    def begin_anew(self, now: float) -> None:
        """A new process under the old name: what the old one said does not hold for it."""
        self.heard_at = now
        self.sends_task_events = self.has_answered = False
        self.idle_at = self.idle_before = 0.0

    def idle_slots(self, now: float) -> int | None:
        """Slots that run nothing; None = not known. A solo worker is silent while it runs a task."""
        if self.slots is None or self.running is None:
            return None
        if self.pool == "solo" and now - self.last_seen_at > SOLO_IDLE_SECONDS:
            return None
        return max(0, self.slots - self.running)

    def hear(self, event: Event) -> None:
        """Note what a worker-* event says. The answer to a broadcast heartbeat carries no numbers."""
        if event.active is not None:
            self.running = event.active
            if event.active:
                self.idle_at = self.idle_before = 0.0
            elif event.timestamp > self.idle_at:
                self.idle_before, self.idle_at = self.idle_at, event.timestamp
        if event.processed is not None:
            self.processed = event.processed
        if event.sw_ver:
            self.sw_ver = event.sw_ver

    def in_hands(self) -> list[Attempt]:
        """All that it holds or runs, also the runs that a newer one of the same task hides."""
        found = []
        for newest in self.held.values():
            attempt: Attempt | None = newest
            while attempt is not None:
                if attempt.worker is self and attempt.state in {WAITING, RUNNING}:
                    found.append(attempt)
                attempt = attempt.older
        return found

    def ended_unseen(self) -> list[Attempt]:
        """Attempts that we take to run while two heartbeats since their start said that nothing does.

        Ignore sends no event. One heartbeat could be as old as the start.
        """
        if not self.idle_before:
            return []
        return [one for one in self.in_hands() if one.state == RUNNING and one.started_at < self.idle_before]

    def held_beside_idle_slots(self, now: float) -> Iterator[Attempt]:
        """Waiting attempts that it holds although it has idle slots."""
        if self.online and self.idle_slots(now):
            for attempt in self.held.values():
                if attempt.state == WAITING:
                    yield attempt

    def view(self) -> WorkerView:
        """What is known of it."""
        return WorkerView(
            worker=self.name,
            online=self.online,
            last_seen_at=self.last_seen_at,
            running=self.running,
            processed=self.processed,
            task_events=self.task_events,
            sw_ver=self.sw_ver,
            pool=self.pool,
            slots=self.slots,
            queues=self.queues,
        )


class WorkerTable:
    """All workers heard of, bounded."""

    def __init__(self) -> None:
        self._workers: dict[str, Worker] = {}
        self._leaving: dict[str, Worker] = {}  # said goodbye a moment ago; what they run may still end
        self.folded = 0
        self.lost: dict[str, int] = {}  # reason -> workers

    def __iter__(self) -> Iterator[Worker]:
        """Walk them in the order in which they were first heard."""
        return iter(self._workers.values())

    def all(self) -> list[Worker]:
        """These, and those that said goodbye a moment ago."""
        return [*self._workers.values(), *self._leaving.values()]

    def get(self, name: str) -> Worker | None:
        """The worker of that name, if it was heard."""
        return self._workers.get(name) or self._leaving.get(name)

    def hear(self, name: str, now: float) -> Worker:
        """The worker of that name, just heard; a lost one is back, one that said goodbye is not."""
        worker = self._workers.get(name)
        if worker is None:
            worker = self._leaving.get(name)
            if worker is not None:
                worker.last_seen_at = now
                return worker
            worker = Worker(name, now)
            if len(self._workers) < MAX_WORKERS:
                self._workers[name] = worker
            else:
                self.folded += 1
        worker.online = True
        worker.last_seen_at = now
        return worker

    def welcome(self, name: str, now: float) -> Worker:
        """The same of one that is surely there: it speaks of itself."""
        leaving = self._leaving.pop(name, None)
        if leaving is not None:
            self._workers[name] = leaving
        return self.hear(name, now)

    def dismiss(self, name: str, now: float) -> Worker | None:
        """It said goodbye: it takes no more tasks, and those that run it ends first."""
        worker = self._workers.pop(name, None)
        if worker is not None:
            worker.online = False
            worker.last_seen_at = now
            self._leaving[name] = worker
        return worker

    def gone(self, now: float, listening_since: float) -> list[Worker]:
        """Who said goodbye and has not been heard of for too long; they are forgotten."""
        gone = [
            worker
            for worker in self._leaving.values()
            if now - max(worker.last_seen_at, listening_since) > SILENT_SECONDS or len(self._leaving) > MAX_WORKERS
        ]
        for worker in gone:
            del self._leaving[worker.name]
        return gone

    def silent(self, now: float, listening_since: float) -> list[Worker]:
        """Who has just been silent for too long; a solo worker cannot speak while a task runs."""

        def limit_seconds(worker: Worker) -> float:
            return SOLO_SILENT_SECONDS if worker.pool == "solo" else SILENT_SECONDS

        return [
            worker
            for worker in self._workers.values()
            if worker.online and now - max(worker.last_seen_at, listening_since) > limit_seconds(worker)
        ]

    def unsure(self) -> list[Worker]:
        """Live workers that have not said that they send events about their tasks."""
        return [worker for worker in self._workers.values() if worker.online and not worker.sends_task_events]

    def has_young(self, now: float) -> bool:
        """Whether a process has just begun. Its answer may be that of one that stops, under the same name."""
        return any(worker.online and now - worker.heard_at < YOUNG_SECONDS for worker in self._workers.values())

    def lose(self, worker: Worker, reason: str) -> None:
        """It went without a goodbye."""
        worker.online = False
        self.lost[reason] = self.lost.get(reason, 0) + 1

    def drop_long_lost(self, now: float) -> None:
        """Take lost ones off the show."""
        for worker in list(self._workers.values()):
            if not worker.online and now - worker.last_seen_at > KEPT_SECONDS:
                del self._workers[worker.name]

    def consumers(self) -> dict[str, list[Worker]]:
        """Queue name -> live workers that said they read it."""
        found: dict[str, list[Worker]] = {}
        for worker in self._workers.values():
            if worker.online:
                for queue in worker.queues or ():
                    found.setdefault(queue, []).append(worker)
        return found

    def known_queues(self) -> set[str]:
        """Queue names that any worker on show said it reads, gone or not."""
        return {queue for worker in self._workers.values() for queue in worker.queues or ()}
