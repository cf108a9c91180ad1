"""The plain webhook: one URL that takes JSON, and the queue of notifications before it.

The body of each POST:

    {"version": "1",
     "status": "firing" or "resolved",
     "alert": {"labels": {...}, "annotations": {...}, "startsAt": RFC 3339, "endsAt": RFC 3339, null while it fires}}

Every change arrives at least once, and in order. Any answer from 200 to 299 takes it; anything else is tried again.
"""

import hashlib
import logging
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import msgspec

from alerts.endpoint import Endpoint, EndpointError
from alerts.posted import PostedAlert, posted
from core.alert import AlertState, AlertView
from core.words import count
from history.board_file import replace_file, restore_file

logger = logging.getLogger(__name__)

QUEUE_LIMIT = 1000  # notifications that one receiver can fall behind


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """The body of one POST to a webhook."""

    version: str = "1"
    status: str  # firing or resolved
    alert: PostedAlert


class Webhook:
    """Tells one URL of every alert that fires or resolves; what it does not take waits, in order."""

    def __init__(self, url: str, *, state_dir: Path | None = None, limit: int = QUEUE_LIMIT) -> None:
        self._endpoint = Endpoint(url, is_outside=True)
        self.name = self._endpoint.shown
        self._limit = limit
        self._lock = threading.Lock()
        self._queue: deque[Notification] = deque()  # oldest first
        self._dropped = 0
        self._saved: list[Notification] = []
        self._file: Path | None = None  # None = the queue ends with the process
        if state_dir is not None:
            self._file = state_dir / f"webhook-{hashlib.sha256(url.encode()).hexdigest()[:16]}.json"
            self._saved = restore_file(self._file, list[Notification]) or []
            self._queue.extend(self._saved)

    def take(self, alerts: Sequence[AlertView], changed: Sequence[AlertView]) -> None:  # noqa: ARG002 - a receiver's form
        """Queue a notification for each change."""
        with self._lock:
            for alert in changed:
                status = "resolved" if alert.state is AlertState.RESOLVED else "firing"
                self._queue.append(Notification(status=status, alert=posted(alert, ends_at=alert.resolved_at)))
            while len(self._queue) > self._limit:
                oldest = self._queue.popleft()
                self._dropped += 1
                logger.warning(
                    "notification dropped, too many wait receiver=%s queue=%s status=%s dropped_total=%d",
                    self.name, oldest.alert.labels.get("queue"), oldest.status, self._dropped,
                )  # fmt: skip

    def deliver(self, now: float) -> None:  # noqa: ARG002 - a receiver's form
        """Send what waits, oldest first.

        Raises:
            EndpointError: at the first one that is not taken; it stays first.
        """
        while (notification := self._first()) is not None:
            try:
                self._endpoint.post(msgspec.json.encode(notification))
            except EndpointError as error:
                raise EndpointError(f"{error}; {self._backlog()}") from error
            with self._lock:
                # It may have been dropped in the meantime; then another one is first.
                if self._queue and self._queue[0] is notification:
                    self._queue.popleft()

    def save(self) -> None:
        """Write the queue to its file if it changed, so that it outlives this process.

        Raises:
            OSError: it cannot be written.
        """
        with self._lock:
            waiting = list(self._queue)
        if self._file is not None and waiting != self._saved:
            replace_file(self._file, msgspec.json.encode(waiting))
            self._saved = waiting

    def _first(self) -> Notification | None:
        with self._lock:
            return self._queue[0] if self._queue else None

    def _backlog(self) -> str:
        with self._lock:
            waiting, dropped = len(self._queue), self._dropped
        return f"{count(waiting, 'notification')} waiting" + (f", {dropped:,} dropped" if dropped else "")
