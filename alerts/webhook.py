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
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import msgspec
import requests
from requests.auth import HTTPBasicAuth

from core.alert import AlertState, AlertView
from core.words import count
from history.board_file import replace_file, restore_file

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 5.0
QUEUE_LIMIT = 1000  # notifications that one receiver can fall behind


class AddressError(ValueError):
    """What was configured is no HTTP address; the message leaves it out, for it may hold a password."""


class EndpointError(Exception):
    """The other side cannot be reached or refuses; the message says why and holds no secret."""

    def __init__(self, reason: str, answer: str = "") -> None:
        super().__init__(reason)
        self.answer = answer  # the text beside a refusal; it may repeat a secret path, so mind where it is shown


class Endpoint:
    """One HTTP address. User and password travel in the header and stand in no message."""

    def __init__(self, url: str, path: str = "", *, is_outside: bool = False) -> None:
        """Add `path` to the address. An outside one may lie behind a proxy, and its own path counts as a secret.

        Raises:
            AddressError: it is no address.
        """
        try:
            parts = urlsplit(url)
            has_host = parts.hostname is not None and parts.port != 0
        except ValueError:
            has_host = False
        if not has_host or parts.scheme not in {"http", "https"}:
            raise AddressError("not an HTTP address; expected http://host:port or https://host:port")
        host = parts.netloc.rpartition("@")[2]
        full_path = parts.path.rstrip("/") + path if path else parts.path
        self._url = urlunsplit((parts.scheme, host, full_path, parts.query, ""))
        self._auth = None
        if parts.username is not None:
            self._auth = HTTPBasicAuth(unquote(parts.username).encode(), unquote(parts.password or "").encode())
        # "" switches off what the environment sets: our own servers are not behind the proxy for the outside world.
        self._proxies = None if is_outside else dict.fromkeys(("http", "https", "all"), "")
        shown_path = parts.path.rstrip("/")
        if is_outside:
            shown_path = "/***" if parts.query or shown_path else ""
        self.shown = f"{parts.scheme}://{host}{shown_path}"

    def get(self) -> bytes:
        """Fetch the content.

        Raises:
            EndpointError: no answer, or not a good one.
        """
        return self._ask("GET", None)

    def post(self, body: bytes) -> None:
        """Hand over JSON.

        Raises:
            EndpointError: it was not taken, or we cannot know.
        """
        self._ask("POST", body)

    def _ask(self, method: str, body: bytes | None) -> bytes:
        try:
            answer = requests.request(
                method,
                self._url,
                data=body,
                auth=self._auth,
                headers={"Content-Type": "application/json", "User-Agent": "celery-slo"},
                timeout=TIMEOUT_SECONDS,
                proxies=self._proxies,
                allow_redirects=False,  # a redirected POST arrives as a GET, and its 200 would look like a delivery
            )
        except requests.Timeout as error:
            raise EndpointError(f"no answer within {TIMEOUT_SECONDS:g} s") from error
        except requests.RequestException as error:
            raise EndpointError(_root_cause(error)) from error
        if not requests.codes.ok <= answer.status_code < requests.codes.multiple_choices:
            raise EndpointError(f"HTTP {answer.status_code}", answer.text)
        return answer.content


def _root_cause(error: BaseException) -> str:
    """Say what the operating system said. The layers above it put the whole address into their messages."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return type(error).__name__


class PostedAlert(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An alert on the wire: the form that Alertmanager's API v2 takes."""

    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: datetime
    ends_at: datetime | None


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """The body of one POST to a webhook."""

    version: str = "1"
    status: str  # firing or resolved
    alert: PostedAlert


def posted(alert: AlertView, *, ends_at: float | None) -> PostedAlert:
    """Put an alert into its form on the wire; like Prometheus it starts when it fires, not when it begins to pend."""
    # Alertmanager refuses an end before the start, which a clock that was set back would make.
    end = None if ends_at is None else datetime.fromtimestamp(max(ends_at, alert.fires_at), UTC)
    return PostedAlert(
        labels=alert.labels,
        annotations=alert.annotations,
        starts_at=datetime.fromtimestamp(alert.fires_at, UTC),
        ends_at=end,
    )


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
