"""Looks at the queues in Redis: how many messages lie there, over all priorities."""

from collections.abc import Sequence

from exporters.broker import RedisLink


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
