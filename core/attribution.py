"""On which queue is a task? The best evidence first, and which it was is counted."""

from core.events import Event
from core.workers import Worker

DELAY_BITS = 28  # native delayed delivery prefixes the key with so many bits (kombu native_delayed_delivery.py)
MAX_NAMES = 20_000


class Attribution:
    """The ladder: task-sent, delayed-delivery key, the one queue of the worker, the name's last queue, unknown."""

    def __init__(self) -> None:
        self.sources: dict[str, int] = {}
        self._last_queue: dict[str, str] = {}  # task name -> queue

    def of_sent(self, event: Event) -> str | None:
        """The queue that a task-sent names."""
        queue, source = event.queue, "sent"
        if not queue:
            queue, source = _behind_delay(event.routing_key), "routing_key"
        if not queue:
            self._count("unknown")
            return None
        if event.name is not None and (event.name in self._last_queue or len(self._last_queue) < MAX_NAMES):
            self._last_queue[event.name] = queue
        self._count(source)
        return queue

    def guess(self, name: str | None, worker: Worker | None) -> str | None:
        """The queue of a task whose task-sent was not seen."""
        if worker is not None and worker.queues is not None and len(worker.queues) == 1:
            self._count("worker")
            return worker.queues[0]
        if name is not None and name in self._last_queue:
            self._count("name")
            return self._last_queue[name]
        self._count("unknown")
        return None

    def _count(self, source: str) -> None:
        self.sources[source] = self.sources.get(source, 0) + 1


def _behind_delay(routing_key: str | None) -> str | None:
    """The key without the delay's bits; with the default exchange a routing key is a queue's name."""
    if not routing_key:
        return None
    parts = routing_key.split(".")
    if len(parts) > DELAY_BITS and all(part in ("0", "1") for part in parts[:DELAY_BITS]):
        return ".".join(parts[DELAY_BITS:])
    return routing_key
