"""What outlives the process: attempts written behind into the journal, and taken back at the start."""

import logging
import threading
import time
from pathlib import Path

from core.attempt import ENDED, JOURNALED, Attempt
from core.ledger import Ledger
from core.record import AttemptRecord, Key
from exporters.journal import Journal, JournalError

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 1.0
SLICE = 2_000  # attempts written down or taken back under one hold of the lock: some milliseconds
FOLDER = "journal"  # in the state directory


class Memory:
    """Carries attempts between the ledger, under its lock, and the journal, which one thread writes."""

    def __init__(self, state_dir: Path, ledger: Ledger, lock: threading.Lock) -> None:
        """Open the journal; nothing is read or written yet.

        Raises:
            JournalError: the folder cannot be used, or another exporter uses it.
        """
        self._journal = Journal.open(state_dir / FOLDER)
        self._ledger = ledger
        self._lock = lock
        self._backlog: list[Attempt] = []  # who changed and is not written down yet
        self._block: tuple[list[AttemptRecord], list[Key]] | None = None  # what the disk refused, to be tried again
        self._is_failing = False
        ledger.keep_changes()

    def restore(self) -> None:
        """Take back what the last process left. Call once, before the first event."""
        begin = time.monotonic()
        records = sorted(self._journal.load(), key=lambda record: record.eligible_at)
        for first in range(0, len(records), SLICE):
            with self._lock:
                self._ledger.restore(records[first : first + SLICE], time.time())
        if records:
            logger.info("attempts restored attempts=%d seconds=%.1f", len(records), time.monotonic() - begin)

    def run(self, stop: threading.Event) -> None:
        """Write behind, once a second, until asked to stop."""
        while not stop.wait(FLUSH_SECONDS):
            self.flush()

    def close(self) -> None:
        """Write the rest, and let go of the folder."""
        self.flush()
        self._journal.close()

    def flush(self) -> None:
        """Write what survived since the last time. A disk that refuses is said once; what could not be written waits."""
        with self._lock:
            changed = self._ledger.take_changes()
        unique = {id(attempt): attempt for attempt in (*self._backlog, *changed)}
        self._backlog = [one for one in unique.values() if one.state != ENDED or one.marks & JOURNALED]
        try:
            self._write()
            self._journal.compact(lambda key: self._current(key) is not None, self._current)
        except JournalError as error:
            if not self._is_failing:
                logger.error("journal not written, a restart would forget attempts: %s", error)  # noqa: TRY400
            self._is_failing = True
        else:
            if self._is_failing:
                logger.info("journal is written again")
            self._is_failing = False

    def _write(self) -> None:
        while self._block is not None or self._backlog:
            if self._block is None:
                piece, self._backlog = self._backlog[:SLICE], self._backlog[SLICE:]
                with self._lock:
                    self._block = self._ledger.records(piece)
            self._journal.append(*self._block)
            self._block = None

    def _current(self, key: Key) -> AttemptRecord | None:
        with self._lock:
            return self._ledger.current(key)
