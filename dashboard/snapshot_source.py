"""The exporter's snapshot as this process last saw it, and since when it does not see it."""

import threading

import msgspec
import requests

from core.snapshot import Snapshot

SNAPSHOT_PATH = "/api/v1/snapshot"
_TIMEOUT_SECONDS = (1.0, 2.0)  # connect, read: the exporter answers from memory


class SnapshotError(Exception):
    """The exporter gave no snapshot; the message says why, for the reader of the page."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the exporter at one moment, by this machine's clock."""

    exporter_url: str  # without its password
    snapshot: Snapshot | None  # the last one that was read; None = none yet
    seen_at: float | None  # when that snapshot was new to us; None = none yet
    error: str | None  # why the last try failed; None = it succeeded
    failing_since: float | None  # since when every try failed; None = the last one succeeded


class SnapshotSource:
    """Reads snapshots from one exporter and keeps the last one when the exporter is gone."""

    def __init__(self, exporter_url: str) -> None:
        self._exporter_url = exporter_url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy for the outside world does not know our exporter
        self._decoder = msgspec.json.Decoder(Snapshot)
        self._lock = threading.Lock()
        self._reading = Reading(
            exporter_url=without_password(self._exporter_url),
            snapshot=None,
            seen_at=None,
            error=None,
            failing_since=None,
        )

    def read(self, now: float) -> Reading:
        """Ask the exporter once. Never raises for an exporter that is gone: the reading says so."""
        with self._lock:
            try:
                snapshot = self._fetch()
            except SnapshotError as error:
                self._reading = failed(self._reading, str(error), now)
            else:
                self._reading = succeeded(self._reading, snapshot, now)
            return self._reading

    def _fetch(self) -> Snapshot:
        try:
            answer = self._session.get(self._exporter_url + SNAPSHOT_PATH, timeout=_TIMEOUT_SECONDS)
        except requests.Timeout as error:
            raise SnapshotError("it does not answer in time") from error
        except requests.RequestException as error:
            raise SnapshotError(_why(error)) from error
        if answer.status_code != requests.codes.ok:
            raise SnapshotError(f"it answers {answer.status_code} {answer.reason}")
        try:
            return self._decoder.decode(answer.content)
        except msgspec.DecodeError as error:
            raise SnapshotError(f"its snapshot cannot be read: {error}") from error


def succeeded(reading: Reading, snapshot: Snapshot, now: float) -> Reading:
    """Take in a snapshot. Its age counts from when it was new to us, so clocks need not agree."""
    is_new = reading.snapshot is None or reading.snapshot.at != snapshot.at
    return msgspec.structs.replace(
        reading,
        snapshot=snapshot,
        seen_at=now if is_new else reading.seen_at,
        error=None,
        failing_since=None,
    )


def failed(reading: Reading, error: str, now: float) -> Reading:
    """Keep the last snapshot beside the error and the moment of the first failure in a row."""
    since = now if reading.failing_since is None else reading.failing_since
    return msgspec.structs.replace(reading, error=error, failing_since=since)


def without_password(url: str) -> str:
    """Drop user and password from an HTTP address, for the screen."""
    scheme, slashes, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{slashes}{authority.rpartition('@')[2]}{slash}{path}"


def _why(error: requests.RequestException) -> str:
    """Find the operating system's word at the bottom of requests' chain of errors."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror[0].lower() + cause.strerror[1:]
        cause = cause.__cause__ or cause.__context__
    return "the connection fails"
