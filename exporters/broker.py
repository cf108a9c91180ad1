"""The broker behind a URL: how it is reached, and how it is named without its password."""

from typing import Any
from urllib.parse import urlsplit, urlunsplit

import redis
from kombu.connection import Connection
from kombu.utils.url import maybe_sanitize_url, parse_url

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 10.0
REDIS_TRANSPORTS = ("redis", "rediss", "valkey", "valkeys", "redis+socket")


class BrokerUrlError(ValueError):
    """The broker URL makes no sense."""


class Broker:
    """One broker URL and the transport options that every connection to it uses."""

    def __init__(self, url: str) -> None:
        """Check the URL; nothing is connected yet.

        Raises:
            BrokerUrlError: no scheme, no port number, or a transport that is not supported.
        """
        self.url = url
        self.display_url = without_password(url)
        scheme = url.partition("://")[0] if "://" in url else ""
        if scheme not in REDIS_TRANSPORTS:
            raise BrokerUrlError(
                f"broker URL {self.display_url!r}: expected redis://HOST:PORT/DB "
                f"(or {', '.join(REDIS_TRANSPORTS[1:])}), not {scheme or 'a text without scheme'}"
            )
        try:
            parse_url(url)
        except (ValueError, KeyError) as error:
            raise BrokerUrlError(f"broker URL {self.display_url!r} cannot be read: {error}") from error
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
    """The URL as it may be shown; user and password are both taken out of what is no URL."""
    try:
        parts = urlsplit(url)
        if parts.password is None:
            return url
        host = parts.netloc.rpartition("@")[2]
        user = f"{parts.username}:**@" if parts.username else ":**@"
        return urlunsplit(parts._replace(netloc=user + host))
    except ValueError:
        return str(maybe_sanitize_url(url)) if "@" not in url else "**@" + url.rpartition("@")[2]
