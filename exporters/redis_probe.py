"""Looks at the queues in Redis: how many messages lie there, over all priorities, and which are the oldest."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from exporters.broker import RedisLink

MAX_READ = 100  # messages of a list that are ever read in one probe
MAX_UNACKED = 2_000  # likewise of the messages that workers hold


class _Headers(msgspec.Struct, gc=False):
    id: str | None = None


class _Message(msgspec.Struct, gc=False):
    headers: _Headers


_message = msgspec.json.Decoder(_Message)
_unacked = msgspec.json.Decoder(tuple[_Message, msgspec.Raw, msgspec.Raw])


class Found(msgspec.Struct, frozen=True):
    """Tasks whose messages were seen."""

    uuids: frozenset[str]
    complete: bool  # False = there are more messages than were read


def ready_messages(link: RedisLink, queues: Sequence[str]) -> dict[str, int]:
    """Messages that no worker holds, by queue; a queue without a list is empty.

    One round trip, reads only.
    """
    keys = [(queue, key) for queue in queues for key in link.keys_of(queue)]
    pipeline = link.client.pipeline(transaction=False)
    for _, key in keys:
        pipeline.llen(key)
    lengths = dict.fromkeys(queues, 0)
    for (queue, _), length in zip(keys, pipeline.execute(raise_on_error=False), strict=True):
        if isinstance(length, int):  # an error: the key is no list, so no queue of Celery's
            lengths[queue] += length
    return lengths


def oldest_messages(link: RedisLink, queues: Sequence[str]) -> Found:
    """The oldest messages of each list of these queues (workers take from the right)."""
    pipeline = link.client.pipeline(transaction=False)
    for key in (key for queue in queues for key in link.keys_of(queue)):
        pipeline.lrange(key, -MAX_READ, -1)
    answers = [answer for answer in pipeline.execute(raise_on_error=False) if isinstance(answer, list)]
    complete = all(len(answer) < MAX_READ for answer in answers)
    return Found(frozenset(_task_ids((text for answer in answers for text in answer), _message.decode)), complete)


def held_messages(link: RedisLink) -> Found:
    """Messages that workers have taken and not acknowledged, wherever these workers are now."""
    uuids: set[str] = set()
    cursor = read = 0
    while read < MAX_UNACKED:
        answer: Any = link.client.hscan("unacked", cursor, count=MAX_UNACKED)  # redis-py types it as a list too
        cursor, held = answer
        read += len(held)
        uuids.update(_task_ids(held.values(), lambda text: _unacked.decode(text)[0]))
        if cursor == 0:
            break
    return Found(frozenset(uuids), complete=cursor == 0)


def _task_ids(texts: Iterable[bytes], read: Callable[[bytes], _Message]) -> Iterable[str]:
    for text in texts:
        try:
            message = read(text)
        except (msgspec.DecodeError, UnicodeDecodeError):  # no message of Celery's
            continue
        if message.headers.id:
            yield message.headers.id
