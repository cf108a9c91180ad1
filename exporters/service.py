"""The exporter: one ledger, and the threads that feed it, let it age, and show it."""

import gc
import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from core.alert import AlertBoard
from core.events import Event, decode
from core.ledger import Identity, Ledger
from core.snapshot import Snapshot
from core.targets import QueueTarget, TargetTable
from exporters.broker import Broker, RedisLink
from exporters.envelope import EnvelopeError, body_of
from exporters.http import ExporterServer, Readiness
from exporters.inspector import Inspector, WorkerAnswer
from exporters.memory import Memory
from exporters.redis_probe import held_messages, oldest_messages, ready_messages
from exporters.redis_stream import BROKER_ERRORS, RedisStream
from exporters.settings import ExporterSettings
from history.board_file import BOARD_FILE, read_board

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0
STOP_SECONDS = 3.0  # for all threads together; one that a hanging broker holds is left behind
RESTART_SECONDS = 5.0  # before a loop that failed begins anew
PROBE_SECONDS = 5.0
DOUBT_SECONDS = 2.0  # between probes while some queue has fewer messages than tasks that seem to wait
INSPECT_SECONDS = 30.0
INSPECT_AGAIN_SECONDS = 2.0  # between inspections while a worker has not answered yet
HURRIES = 5  # a worker that does not answer so many is asked with the others only


class ExporterService:
    """Owns the ledger and its lock; a stream's sink and the HTTP server's source."""

    def __init__(
        self,
        settings: ExporterSettings,
        targets: TargetTable,
        *,
        version: str = "",
        reload_targets: Callable[[], TargetTable | None] | None = None,
    ) -> None:
        """Nothing is started or connected yet.

        `reload_targets` is asked every few seconds: None = the file is as it was;
        a ValueError = it is broken, and older targets stay in force.

        Raises:
            BrokerUrlError: the broker URL makes no sense.
            JournalError: the state directory cannot be used, or another exporter uses it.
        """
        self._settings = settings
        self._broker = Broker(settings.broker_url)
        self._reload_targets = reload_targets
        self._lock = threading.Lock()
        self._ledger = Ledger(
            targets.divided_by(settings.target_divisor),
            started_at=time.time(),
            identity=Identity(
                version=version,
                broker=self._broker.display_url,
                labels=settings.static_labels,
                target_divisor=settings.target_divisor,
            ),
            unjudged=settings.unjudged_names,
        )
        self._memory = Memory(settings.state_dir, self._ledger, self._lock) if settings.state_dir else None
        self._stop = threading.Event()
        self._inspect_soon = threading.Event()
        self._enable_soon = threading.Event()
        self._unsure: set[str] = set()  # workers that have not said that they send task events
        self._enable_hurries = 0  # so often they are still asked at once
        self._unanswered: dict[str, int] = {}  # online worker without an answer -> how often it was asked in a hurry
        self.server = ExporterServer(settings.host, settings.port, self)

    # -- life

    def run(self, stop: threading.Event) -> None:
        """Serve until asked to stop; the first scrape is answered before the broker is.

        Raises:
            PortTakenError, AddressError: the address cannot be listened on.
        """
        self.server.start()
        if self._memory is not None:
            self._memory.restore()
        stream = RedisStream(self._broker, self)
        loops = {
            "stream": lambda: stream.run(self._stop),
            "ticker": lambda: self._every(TICK_SECONDS, self._tick),
            "probe": self._probe_always,
            "inspector": self._inspect_always,
            "enabler": self._enable_always,
        }
        memory = self._memory
        if memory is not None:
            loops["journal"] = lambda: memory.run(self._stop)
        threads = [
            threading.Thread(target=self._keep, args=(name, loop), name=name, daemon=True)
            for name, loop in loops.items()
        ]
        gc.freeze()  # what was imported is not searched for garbage again
        for thread in threads:
            thread.start()
        try:
            stop.wait()
        finally:
            self._stop.set()
            self._inspect_soon.set()
            self._enable_soon.set()
            self.server.stop()
            give_up_at = time.monotonic() + STOP_SECONDS
            for thread in threads:
                thread.join(timeout=max(0.0, give_up_at - time.monotonic()))
            if memory is not None:
                memory.close()

    # -- what the stream brings

    def connected(self) -> None:
        """The stream flows."""
        with self._lock:
            self._ledger.stream.connect(time.time())
        self._inspect_soon.set()
        self._enable_soon.set()

    def disconnected(self, reason: str) -> None:
        """The stream is cut, or could not be connected."""
        with self._lock:
            self._ledger.lose_broker(time.time(), reason)

    def take(self, messages: Sequence[bytes]) -> None:
        """Read messages and apply their events; only the second half needs the lock."""
        events: list[Event] = []
        undecodable = 0
        for message in messages:
            try:
                found, bad = decode(body_of(message))
            except EnvelopeError:
                logger.debug("message dropped", exc_info=True)
                undecodable += 1
                continue
            events += found
            undecodable += bad
        with self._lock:
            now = time.time()
            apply, counts = self._ledger.apply, self._ledger.events
            online_before = counts.get("worker-online")
            for event in events:
                apply(event, now)
            self._ledger.undecodable += undecodable
            has_new_worker = counts.get("worker-online") != online_before
        if has_new_worker:
            self._enable_soon.set()

    def marked(self, sent_at: float) -> None:
        """The stream has been read up to here."""
        with self._lock:
            self._ledger.stream.mark(sent_at, time.time())

    # -- what the pages show

    def snapshot(self) -> Snapshot:
        """Everything at this moment, with the evaluator's alerts where there is one."""
        with self._lock:
            snapshot = self._ledger.snapshot(time.time())
        board = self._board()
        return snapshot if board is None else msgspec.structs.replace(snapshot, alerts=board)

    def readiness(self) -> Readiness:
        """Whether the numbers can be relied on now."""
        with self._lock:
            reason = self._ledger.stream.blind_reason(time.time())
        return Readiness(ready=reason is None, reasons=() if reason is None else (reason,))

    def targets(self) -> tuple[QueueTarget, ...]:
        """The rows in force, processes included."""
        with self._lock:
            return self._ledger.series.targets.rows

    def _board(self) -> AlertBoard | None:
        path = self._settings.state_dir and Path(self._settings.state_dir) / BOARD_FILE
        return read_board(path) if path else None

    # -- what time brings

    def _tick(self) -> None:
        more = True
        while more and not self._stop.is_set():
            with self._lock:
                more = self._ledger.tick(time.time())
                silent = {worker.name for worker in self._ledger.workers if worker.online and worker.queues is None}
                unsure = {worker.name for worker in self._ledger.workers.unsure()}
                has_young = self._ledger.workers.has_young(time.time())
            time.sleep(0)  # the stream may want the lock
        self._check_targets()
        if self._unsure != unsure:
            self._unsure, self._enable_hurries = unsure, HURRIES
        if has_young or (unsure and self._enable_hurries > 0):
            self._enable_soon.set()
        self._unanswered = {name: self._unanswered.get(name, 0) for name in silent}
        if any(times < HURRIES for times in self._unanswered.values()):
            self._inspect_soon.set()

    def _check_targets(self) -> None:
        if self._reload_targets is None:
            return
        try:
            targets = self._reload_targets()
        except ValueError as error:
            logger.error("targets file broken, older targets stay in force: %s", error)  # noqa: TRY400 - no traceback
            with self._lock:
                self._ledger.targets_valid = False
            return
        if targets is not None:
            with self._lock:
                self._ledger.replace_targets(targets.divided_by(self._settings.target_divisor))
                self._ledger.targets_valid = True
            logger.info("targets reloaded rows=%d", len(targets.rows))

    # -- what the broker and the workers are asked

    def _probe_always(self) -> None:
        link: RedisLink | None = None
        pause_seconds = TICK_SECONDS
        try:
            while not self._stop.wait(pause_seconds):
                try:
                    link = link or RedisLink(self._broker)
                    with self._lock:
                        names = self._ledger.queue_names()
                    lengths = ready_messages(link, names)
                    with self._lock:
                        self._ledger.observe_lengths(lengths)
                    pause_seconds = DOUBT_SECONDS if self._look_for_ghosts(link) else PROBE_SECONDS
                except BROKER_ERRORS:  # the stream has said so, or will
                    logger.debug("probe failed", exc_info=True)
                    _close(link)
                    link, pause_seconds = None, TICK_SECONDS
        finally:
            _close(link)

    def _look_for_ghosts(self, link: RedisLink) -> bool:
        """Where more seems to wait than the broker has, look which tasks it has; returns whether there was doubt."""
        with self._lock:
            doubtful = self._ledger.doubtful_queues(time.time())
        if not doubtful:
            return False
        queued = {label: oldest_messages(link, queues) for label, queues in doubtful.items()}
        held = held_messages(link)
        if held.complete:
            for label, found in queued.items():
                with self._lock:
                    seen = found.uuids | held.uuids
                    self._ledger.observe_broker(label, seen, time.time(), complete=found.complete)
        return True

    def _inspect_always(self) -> None:
        inspector = Inspector(self._broker)
        try:
            while not self._stop.is_set():
                self._inspect_soon.wait(INSPECT_SECONDS)
                self._inspect_soon.clear()
                try:
                    if not self._stop.is_set():
                        self._note(inspector.ask())
                except BROKER_ERRORS:
                    logger.debug("inspection failed", exc_info=True)
                self._stop.wait(INSPECT_AGAIN_SECONDS)
        finally:
            inspector.close()

    def _enable_always(self) -> None:
        """Turn task events on: in a new worker at once, for until then what it does is not seen."""
        inspector = Inspector(self._broker)
        try:
            while not self._stop.is_set():
                self._enable_soon.wait(INSPECT_SECONDS)
                self._enable_soon.clear()
                if self._stop.is_set():
                    break
                self._enable_hurries -= 1
                try:
                    answers = inspector.enable_events()
                except BROKER_ERRORS:
                    logger.debug("events not enabled", exc_info=True)
                    self._stop.wait(INSPECT_AGAIN_SECONDS)
                    continue
                with self._lock:
                    for worker, were_off in answers.items():
                        self._ledger.observe_task_events(worker, time.time(), were_off=were_off)
        finally:
            inspector.close()

    def _note(self, answers: Sequence[WorkerAnswer]) -> None:
        self._unanswered = {name: times + 1 for name, times in self._unanswered.items()}
        with self._lock:
            now = time.time()
            self._ledger.observe_inspection(now)
            for answer in answers:
                self._ledger.observe_worker(
                    answer.worker, now, queues=answer.queues, slots=answer.slots, pool=answer.pool
                )

    def _keep(self, name: str, loop: Callable[[], None]) -> None:
        """Run a loop until the stop; a fault of ours in one event must not end it for good."""
        while not self._stop.is_set():
            try:
                loop()
            except Exception:
                logger.exception("thread failed, starting it again thread=%s", name)
                self._stop.wait(RESTART_SECONDS)

    def _every(self, seconds: float, act: Callable[[], None]) -> None:
        while not self._stop.wait(seconds):
            act()


def _close(link: RedisLink | None) -> None:
    if link is not None:
        link.close()
