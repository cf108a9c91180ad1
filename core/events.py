"""One Celery event as it comes over the wire, and how its bytes are read."""

import re
from collections.abc import Sequence

import msgspec


class Event(msgspec.Struct, gc=False):
    """The fields of Celery's events that we use; all others are skipped unread.

    Task arguments and results are among the skipped ones: what is never decoded cannot leak.
    Fields: celery/app/amqp.py (task-sent), celery/worker/strategy.py (task-received),
    celery/worker/request.py (the others), celery/worker/heartbeat.py (worker-*).
    """

    type: str
    timestamp: float  # epoch seconds; never corrected by utcoffset, which is an hour too coarse and not needed
    hostname: str = ""  # full node name; gen<pid>@host for a producer
    uuid: str = ""
    name: str | None = None
    retries: int | None = None
    eta: str | None = None  # ISO 8601
    expires: str | None = None  # ISO 8601
    queue: str | None = None  # only task-sent has it, and not always
    routing_key: str | None = None
    runtime: float | None = None
    exception: str | None = None  # repr
    traceback: str | None = None
    terminated: bool | None = None
    expired: bool | None = None
    requeue: bool | None = None
    active: int | None = None
    processed: int | None = None
    sw_ver: str | None = None


class UndecodableError(ValueError):
    """The bytes of a message, or a part of them, are no Celery event."""


_one = msgspec.json.Decoder(Event)
_many = msgspec.json.Decoder(list[Event])
_raw = msgspec.json.Decoder(list[msgspec.Raw])
_OPENING_BRACKET = 0x5B
# Python writes half a pair where a message holds bytes that were no text (file names); strict readers refuse it.
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
# Timestamps beyond these are no time of a task (before 1973, after 5138); they would poison every maximum.
_EARLIEST_AT, _LATEST_AT = 1e8, 1e11


def decode(body: bytes) -> tuple[Sequence[Event], int]:
    """Read one message: an event, or a list of events as workers batch them.

    Returns the good events in their order and the number of bad ones. A bad
    event does not cost its neighbours in the batch.
    """
    try:
        if body[0] != _OPENING_BRACKET:
            event = _one.decode(body)
            if _is_sound(event):
                return (event,), 0
            return (), 1
        events = _many.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, IndexError, RecursionError):
        return _decode_singly(body)
    sound = [event for event in events if _is_sound(event)]
    return sound, len(events) - len(sound)


def _decode_singly(body: bytes) -> tuple[Sequence[Event], int]:
    body = _SURROGATE.sub(rb"\\ufffd", body)
    parts: Sequence[msgspec.Raw | bytes]
    try:
        parts = _raw.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        parts = [body]
    events = []
    for part in parts:
        try:
            event = _one.decode(part)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if _is_sound(event):
            events.append(event)
    return events, len(parts) - len(events)


def _is_sound(event: Event) -> bool:
    """A task event without a task, or an event at no time, is no event."""
    return _EARLIEST_AT < event.timestamp < _LATEST_AT and (event.uuid != "" or event.type[:5] != "task-")


def exception_class(event: Event) -> str | None:
    """Name the exception of a task-failed or task-retried event; None = it cannot be told.

    The traceback names the class that was raised, also where `exception` is only
    `ExceptionWithTraceback()` (hard time limits, lost workers).
    """
    for text in (_raised_line(event.traceback or ""), event.exception or ""):
        name = text.partition("(")[0].partition(":")[0].strip().rpartition(".")[2]
        if name.isidentifier():
            return name
    return None


def _raised_line(traceback: str) -> str:
    """The line that names the exception: the first one not indented after the last frame.

    Not simply the last line: messages may span several.
    """
    _, frame, after = traceback.rpartition('\n  File "')
    if not frame:
        return ""
    return next((line for line in after.split("\n")[1:] if line and not line[0].isspace()), "")
