"""The broker behind a URL: how it is reached, and how it is named without its password."""

import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import redis
from kombu.connection import Connection

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 10.0
URL_OPTIONS = {"virtual_host", "ssl_ca_certs", "ssl_cert_reqs", "ssl_certfile", "ssl_keyfile"}  # after the ?
REDIS_TRANSPORTS = ("redis", "rediss", "valkey", "valkeys", "redis+socket")


class BrokerUrlError(ValueError):
    """The broker URL makes no sense."""


class Broker:
    """One broker URL and the transport options that every connection to it uses."""

    def __init__(self, url: str) -> None:
        """Check the URL; nothing is connected yet.

        Raises:
            BrokerUrlError: says what is wrong with it, without its password.
        """
        self.url = url
        self.display_url = without_password(url)
        for one in url.split(";"):  # what comes after the first is tried when that fails
            reason = _fault(one)
            if reason is not None:
                raise BrokerUrlError(f"broker URL {self.display_url!r}: {reason}")
        self.transport_options: dict[str, Any] = {
            "socket_connect_timeout": CONNECT_SECONDS,
            "socket_timeout": ANSWER_SECONDS,
            "socket_keepalive": True,
        }

    def connect(self) -> Connection:
        """A new kombu connection; it connects when a channel is asked for."""
        return Connection(self.url, transport_options=self.transport_options, connect_timeout=CONNECT_SECONDS)


class RedisLink:
    """One kombu channel to Redis or Valkey: its client, and the names kombu gives to keys and channels.

    Taken from kombu, so that prefixes, databases, TLS and sockets are what the application has.
    """

    def __init__(self, broker: Broker) -> None:
        """Connect.

        Raises:
            redis.RedisError, OSError, kombu.exceptions.OperationalError: the broker cannot be reached.
        """
        self._connection = broker.connect()
        try:
            channel = self._connection.channel()
        except BaseException:
            self._connection.release()
            raise
        self.client: redis.Redis = channel.client
        self.event_pattern: str = f"{channel.global_keyprefix}{channel.keyprefix_fanout}celeryev/*"
        self._priority_steps: tuple[int, ...] = tuple(channel.priority_steps)
        self._separator: str = channel.sep

    def keys_of(self, queue: str) -> list[str]:
        """The lists that hold a queue's messages, one for each priority step."""
        return [f"{queue}{self._separator}{step}" if step else queue for step in self._priority_steps]

    def event_connection(self) -> redis.Connection:
        """A connection of its own for the event stream, made as the client's are."""
        pool = self.client.connection_pool
        # RESP2: in it a PING on a subscribed connection is answered in the order of the messages.
        connection: redis.Connection = pool.connection_class(**{**pool.connection_kwargs, "protocol": 2})
        return connection

    def close(self) -> None:
        """Let go of all connections."""
        self._connection.release()


def without_password(url: str) -> str:
    """The URL as it may be shown: no password and no query. What is no sound URL is cut at its last @."""
    shown = [_shown(one) for one in url.split(";")]
    if None in shown:
        _, at, after = url.rpartition("@")
        return ("**@" if at else "") + after.partition("?")[0]
    return ";".join(one for one in shown if one is not None)


def _shown(url: str) -> str | None:
    """One URL without its password; None = where a password may stand in it cannot be told."""
    try:
        parts = urlsplit(url)
        password, _ = parts.password, parts.port
    except ValueError:
        return None
    if "://" not in url or "@" in parts.path + parts.query + parts.fragment:
        return None
    host = parts.netloc.rpartition("@")[2]
    login = parts.netloc.removesuffix(host) if password is None else f"{parts.username}:**@"
    database = "&".join(pair for pair in parts.query.split("&") if pair.startswith("virtual_host="))
    return f"{parts.scheme}://{login}{host}{parts.path}{'?' if database else ''}{database}"


def _fault(url: str) -> str | None:
    """Say what kombu or the system would stumble over only later; None = nothing. No piece of the URL is quoted.

    A password is where it should not be when one of its characters was not percent-encoded.
    """
    scheme = url.partition("://")[0] if "://" in url else ""
    if scheme not in REDIS_TRANSPORTS:
        return f"expected redis://HOST:PORT/DB (or {', '.join(REDIS_TRANSPORTS[1:])})"
    try:
        parts = urlsplit(url)
        _ = (parts.hostname or "").encode("idna"), parts.port
    except ValueError:
        return (
            "cannot be read: its host is none, or its port no number; / # ? ; [ in a password must be percent-encoded"
        )
    foreign = sorted({name for name, _ in parse_qsl(parts.query, keep_blank_values=True)} - URL_OPTIONS)
    if foreign:
        return f"option {foreign[0]!r} is not known; known are {', '.join(sorted(URL_OPTIONS))}"
    if scheme != "redis+socket" and not re.fullmatch(r"/?[0-9]*", parts.path):
        return "the number of a database must follow the host"
    return None
