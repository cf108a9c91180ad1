"""The event stream of Redis and Valkey: every message once, and a marker that says how far it was read."""

import logging
import random
import threading
import time
from collections.abc import Sequence
from typing import Any, Protocol

import redis
from kombu.exceptions import OperationalError

from exporters.broker import Broker, RedisLink

logger = logging.getLogger(__name__)

MARKER_SECONDS = 1.0  # a PING so often
SILENCE_SECONDS = 6.0  # no marker for so long: the connection is half open, make another
ROUND_SECONDS = 0.25  # longest wait for a message, so that stop and marker are seen to
ROUND_MESSAGES = 500  # taken in under one hold of the ledger's lock: about 2 ms
GATHER_SECONDS = 0.005  # at low rates, messages are let gather: a wake-up each costs more than the message
GATHER_BELOW = 50
FIRST_RETRY_SECONDS = 0.5
LAST_RETRY_SECONDS = 5.0


class Sink(Protocol):
    """Who takes what the stream brings."""

    def connected(self) -> None:
        """The stream flows."""

    def disconnected(self, reason: str) -> None:
        """The stream is cut, or could not be connected."""

    def take(self, messages: Sequence[bytes]) -> None:
        """Messages in the order in which they were published."""

    def marked(self, sent_at: float) -> None:
        """All that was published before `sent_at` has been taken."""


class StreamSilentError(Exception):
    """The connection stands and nothing comes back through it."""


BROKER_ERRORS = (redis.RedisError, OperationalError, OSError, StreamSilentError)


class RedisStream:
    """Subscribes, reads, reconnects; never blocks on anything but its own socket."""

    def __init__(self, broker: Broker, sink: Sink) -> None:
        self._broker = broker
        self._sink = sink

    def run(self, stop: threading.Event) -> None:
        """Keep the stream flowing until asked to stop. A change of state is logged once."""
        retry_seconds = FIRST_RETRY_SECONDS
        said: str | None = None
        while not stop.is_set():
            try:
                self._flow_once(stop)
            except BROKER_ERRORS as error:
                reason = " ".join(str(error).split()) or type(error).__name__
                self._sink.disconnected(reason)
                if self._flowed:
                    retry_seconds, said = FIRST_RETRY_SECONDS, None
                if reason != said:
                    logger.warning("broker lost, retrying broker=%s reason=%r", self._broker.display_url, reason)
                    said = reason
                stop.wait(retry_seconds * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, no secret
                retry_seconds = min(2 * retry_seconds, LAST_RETRY_SECONDS)
            except Exception as error:
                self._sink.disconnected(f"internal error: {type(error).__name__}")
                logger.exception("event stream failed, connecting anew broker=%s", self._broker.display_url)
                stop.wait(LAST_RETRY_SECONDS)

    def _flow_once(self, stop: threading.Event) -> None:
        self._flowed = False
        link = RedisLink(self._broker)
        try:
            connection = link.event_connection()
            try:
                connection.connect()
                connection.send_command("PSUBSCRIBE", link.event_pattern)
                connection.read_response(timeout=SILENCE_SECONDS)
                logger.info("broker connected broker=%s", self._broker.display_url)
                self._sink.connected()
                self._flowed = True
                self._read(connection, stop)
            finally:
                connection.disconnect()
        finally:
            link.close()

    def _read(self, connection: redis.Connection, stop: threading.Event) -> None:
        pinged_at = answered_at = 0.0
        while not stop.is_set():
            now = time.monotonic()
            if now - pinged_at >= MARKER_SECONDS:
                connection.send_command("PING", repr(time.time()), check_health=False)
                pinged_at = now
                answered_at = answered_at or now
            messages, marker = self._take_round(connection)
            if messages:
                self._sink.take(messages)
            if marker is not None:
                answered_at = now
                self._sink.marked(marker)
            if now - answered_at > SILENCE_SECONDS:
                raise StreamSilentError(f"no marker came back for {SILENCE_SECONDS:.0f} s")
            if len(messages) < GATHER_BELOW:
                time.sleep(GATHER_SECONDS)

    @staticmethod
    def _take_round(connection: redis.Connection) -> tuple[list[bytes], float | None]:
        """Read what has come, waiting a little for the first; and the newest marker among it."""
        messages: list[bytes] = []
        marker: float | None = None
        ready = connection.can_read(ROUND_SECONDS)
        while ready:
            response: Any = connection.read_response(timeout=SILENCE_SECONDS, disconnect_on_error=False)
            kind = response[0]
            if kind == b"pmessage":
                messages.append(response[3])
            elif kind == b"pong":
                marker = float(response[1])
                break  # what follows it is newer than it: the marker is handed on first
            ready = len(messages) < ROUND_MESSAGES and connection.can_read(0)
        return messages, marker
