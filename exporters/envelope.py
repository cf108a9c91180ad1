"""The wrapper that kombu's Redis transport puts around a message, and how its body is taken out."""

from base64 import b64decode
from typing import Any

import msgspec
from kombu import compression, serialization
from kombu.exceptions import KombuError

ACCEPTED = ("application/json", "application/x-yaml", "application/x-msgpack")  # pickle runs code: never


class _Headers(msgspec.Struct, gc=False):
    compression: str | None = None


class _Properties(msgspec.Struct, gc=False):
    body_encoding: str | None = None


class _Envelope(msgspec.Struct, gc=False, rename="kebab"):
    body: bytes  # msgspec decodes the base64 itself
    headers: _Headers
    properties: _Properties
    content_type: str | None = None
    content_encoding: str | None = None


# A number beyond 64 bits is an OverflowError.
UNREADABLE = (
    KombuError, msgspec.MsgspecError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError,
)  # fmt: skip

_envelope = msgspec.json.Decoder(_Envelope)


class EnvelopeError(ValueError):
    """The message is none of kombu's, or its body is of a kind that we do not read."""


def body_of(message: bytes) -> bytes:
    """Take out the body as JSON.

    Raises:
        EnvelopeError: it cannot be read; says why.
    """
    try:
        envelope = _envelope.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return _plain_body(message, error)
    if (
        envelope.content_type == "application/json"
        and envelope.headers.compression is None
        and envelope.properties.body_encoding == "base64"
    ):
        return envelope.body
    return _unusual_body(message)


def _plain_body(message: bytes, error: Exception) -> bytes:
    """An envelope that the quick decoder refuses may still be a sound one, with a body that is not base64."""
    try:
        return _unusual_body(message)
    except EnvelopeError:
        raise EnvelopeError(f"no message of kombu's: {error}") from error


def _unusual_body(message: bytes) -> bytes:
    """Any content type and compression that kombu knows, pickle excepted."""
    try:
        wrapper: dict[str, Any] = msgspec.json.decode(message, type=dict)
        body: Any = wrapper["body"]
        if wrapper.get("properties", {}).get("body_encoding") == "base64":
            body = b64decode(body)
        method = wrapper.get("headers", {}).get("compression")
        if method:
            body = _decompressed(body, method)
        content = serialization.loads(
            body, wrapper.get("content-type"), wrapper.get("content-encoding"), accept=ACCEPTED
        )
        return msgspec.json.encode(content)
    except UNREADABLE as error:
        raise EnvelopeError(f"body not readable: {error}") from error


def _decompressed(body: bytes, method: str) -> Any:
    try:
        return compression.decompress(body, method)
    except Exception as error:  # each method raises its own, and kombu knows any number of methods
        raise EnvelopeError(f"body not decompressed: {error}") from error
