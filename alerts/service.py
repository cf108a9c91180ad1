"""The evaluator as a service: reads the exporter's snapshot, carries the alerts on, and tells the receivers."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

from alerts.alertmanager import Alertmanager
from alerts.endpoint import TIMEOUT_SECONDS, Endpoint, EndpointError
from alerts.evaluator import changes, evaluate
from alerts.webhook import Webhook
from core.alert import AlertBoard, AlertView
from core.snapshot import Snapshot
from history.board_file import BOARD_FILE, restore_file, write_board

logger = logging.getLogger(__name__)

_STANDSTILL_SECONDS = 30.0  # the exporter takes a snapshot every second


class AlertSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where snapshots come from and where alerts go."""

    exporter_url: str
    interval_seconds: Annotated[float, Meta(gt=0)] = 5.0
    alertmanager_urls: tuple[str, ...] = ()  # every one is told: never put a load balancer before a cluster
    webhook_urls: tuple[str, ...] = ()
    state_dir: Path | None = None  # None = a restart forgets, and the snapshot shows no alerts
    dashboard_url: str | None = None  # None = no link in the alerts
    resend_seconds: Annotated[float, Meta(gt=0, le=120)] = 60.0  # Alertmanager forgets after four minutes
    retry_seconds: Annotated[float, Meta(gt=0)] = 5.0


class Receiver(Protocol):
    """Who is told of alerts. One thread takes, another delivers."""

    name: str  # without secrets

    def take(self, alerts: Sequence[AlertView], changed: Sequence[AlertView]) -> None:
        """Remember what it has to be told; `alerts` are all of the board, `changed` those that fired or resolved."""

    def deliver(self, now: float) -> None:
        """Tell it.

        Raises:
            EndpointError: it cannot be told now; call again.
        """


class Courier:
    """Carries alerts to one receiver in a thread of its own, and says once when it goes down and when it is back."""

    def __init__(self, receiver: Receiver, name: str, *, resend_seconds: float, retry_seconds: float) -> None:
        self.name = name
        self.trouble: str | None = None  # why the receiver does not take our alerts; None = it does
        self._receiver = receiver
        self._resend_seconds = resend_seconds
        self._retry_seconds = retry_seconds
        self._is_closing = False
        self._call = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"alerts to {name}", daemon=True)

    def start(self) -> None:
        """Begin to deliver, at once."""
        self._thread.start()

    def take(self, alerts: Sequence[AlertView], changed: Sequence[AlertView]) -> None:
        """Take over what the receiver has to be told; returns at once."""
        self._receiver.take(alerts, changed)
        if changed:
            self._call.set()

    def close(self) -> None:
        """Begin no other delivery."""
        self._is_closing = True
        self._call.set()

    def join(self) -> None:
        """Wait for the delivery under way, as long as it may take to connect and to answer."""
        self._thread.join(2 * TIMEOUT_SECONDS)

    def _run(self) -> None:
        pause_seconds = 0.0
        while True:
            self._call.wait(pause_seconds)
            self._call.clear()
            if self._is_closing:
                return
            pause_seconds = self._deliver()

    def _deliver(self) -> float:
        """Deliver once; returns the seconds until the next time."""
        try:
            self._receiver.deliver(time.time())
        except EndpointError as error:
            if self.trouble is None:
                logger.warning("receiver down, alerts are kept receiver=%s reason=%r", self.name, str(error))
            self.trouble = str(error)
            return self._retry_seconds
        except Exception as error:  # one bad alert must not silence the receiver for ever
            logger.exception("delivery failed, will try again receiver=%s", self.name)
            self.trouble = f"internal error: {type(error).__name__}"
        else:
            if self.trouble is not None:
                logger.info("receiver up again, all alerts delivered receiver=%s", self.name)
            self.trouble = None
        return self._resend_seconds


class SnapshotReader:
    """Reads the exporter's snapshot, and knows when nothing can be decided from it."""

    def __init__(self, exporter_url: str) -> None:
        self._endpoint = Endpoint(exporter_url, "/api/v1/snapshot")
        self.name = self._endpoint.shown
        self._decoder = msgspec.json.Decoder(Snapshot)
        self._last_at: float | None = None
        self._moved_at = 0.0  # by our own clock, which need not agree with the exporter's

    def read(self, now: float) -> Snapshot:
        """Fetch the snapshot.

        Raises:
            EndpointError: there is none, it cannot be read, or it stands still.
        """
        try:
            snapshot = self._decoder.decode(self._endpoint.get())
        except ValueError as error:
            raise EndpointError(f"its snapshot cannot be read: {error}") from error
        if snapshot.at != self._last_at:
            self._last_at, self._moved_at = snapshot.at, now
        elif now - self._moved_at > _STANDSTILL_SECONDS:
            raise EndpointError("its snapshot stands still")
        return snapshot


class AlertService:
    """The loop around the evaluator. Make one, and `run` it."""

    def __init__(self, settings: AlertSettings) -> None:
        """Read back the alerts of the last run.

        Raises:
            AddressError: one of the addresses is none.
            OSError: the state directory is there and cannot be read.
        """
        self._settings = settings
        self._reader = SnapshotReader(settings.exporter_url)
        self._webhooks = tuple(
            Webhook(url, state_dir=settings.state_dir) for url in dict.fromkeys(settings.webhook_urls)
        )
        alertmanagers = (Alertmanager(url) for url in dict.fromkeys(settings.alertmanager_urls))
        self._couriers = self._hire((*alertmanagers, *self._webhooks))
        self._board: AlertBoard | None = None  # None = nothing evaluated yet, and nothing to restore
        self._unseen: str | None = None  # why nothing can be decided; None = it can
        self._is_saved = True
        self._board_file = None if settings.state_dir is None else settings.state_dir / BOARD_FILE
        if self._board_file is not None:
            self._board = restore_file(self._board_file, AlertBoard)

    def run(self, stop: threading.Event) -> None:
        """Evaluate until `stop` is set."""
        if self._board is not None:
            logger.info("alerts restored alerts=%d", len(self._board.alerts))
            self._tell(self._board.alerts, ())
        for courier in self._couriers:
            courier.start()
        while not stop.is_set():
            try:
                self._round(time.time())
            except Exception:  # alerting goes on with the next snapshot
                logger.exception("evaluation failed, alerts keep their state")
            stop.wait(self._settings.interval_seconds)
        for courier in self._couriers:
            courier.close()
        for courier in self._couriers:
            courier.join()
        self._save()

    def _round(self, now: float) -> None:
        try:
            snapshot = self._reader.read(now)
        except EndpointError as error:
            self._note_sight(str(error))
        else:
            self._note_sight(snapshot.exporter.blind_reason)
            before = () if self._board is None else self._board.alerts
            alerts = evaluate(before, snapshot, now=now, dashboard_url=self._settings.dashboard_url)
            self._board = AlertBoard(at=now, alerts=alerts, undelivered={})
            self._tell(alerts, changes(before, alerts))
        self._save()

    def _tell(self, alerts: Sequence[AlertView], changed: Sequence[AlertView]) -> None:
        for alert in changed:
            logger.info(
                "alert changed state=%s alertname=%s queue=%s severity=%s",
                alert.state, *(alert.labels.get(label) for label in ("alertname", "queue", "severity")),
            )  # fmt: skip
        for courier in self._couriers:
            courier.take(alerts, changed)

    def _note_sight(self, unseen: str | None) -> None:
        if unseen is not None and self._unseen is None:
            logger.warning("queues not seen, alerts keep their state exporter=%s reason=%r", self._reader.name, unseen)
        if unseen is None and self._unseen is not None:
            logger.info("queues seen again, alerts move on exporter=%s", self._reader.name)
        self._unseen = unseen

    def _save(self) -> None:
        """Write down first what is owed to the webhooks, then the board: a crash between repeats, and loses nothing."""
        if self._board is None or self._board_file is None:
            return
        undelivered = {courier.name: courier.trouble for courier in self._couriers if courier.trouble is not None}
        self._board = msgspec.structs.replace(self._board, undelivered=undelivered)
        try:
            for webhook in self._webhooks:
                webhook.save()
            write_board(self._board_file, self._board)
        except OSError:
            if self._is_saved:
                logger.exception("state not saved, a restart would forget alerts file=%s", self._board_file)
            self._is_saved = False
        else:
            self._is_saved = True

    def _hire(self, receivers: Iterable[Receiver]) -> tuple[Courier, ...]:
        """Give every receiver its courier; of several with the same name the later ones are numbered."""
        seen: Counter[str] = Counter()
        couriers = []
        for receiver in receivers:
            seen[receiver.name] += 1
            number = seen[receiver.name]
            couriers.append(
                Courier(
                    receiver,
                    receiver.name if number == 1 else f"{receiver.name} ({number})",
                    resend_seconds=self._settings.resend_seconds,
                    retry_seconds=self._settings.retry_seconds,
                )
            )
        return tuple(couriers)
