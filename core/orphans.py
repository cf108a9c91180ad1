"""Events of tasks whose task-sent has not come yet: parked, because only task-sent names the queue."""

from core.events import Event

PARKED_SECONDS = 10.0  # task-sent travels on the producer's own connection; seen late by seconds under load
MAX_PARKED = 100_000


class Orphans:
    """Events by task, oldest task first, bounded."""

    def __init__(self) -> None:
        self._parked: dict[str, tuple[float, list[Event]]] = {}

    def __len__(self) -> int:
        """How many tasks have events here."""
        return len(self._parked)

    def __contains__(self, uuid: str) -> bool:
        """Whether this task has events here."""
        return uuid in self._parked

    def park(self, event: Event, now: float) -> None:
        """Keep an event until its task-sent comes, or time is up."""
        entry = self._parked.get(event.uuid)
        if entry is None:
            self._parked[event.uuid] = (now, [event])
        else:
            entry[1].append(event)

    def claim(self, uuid: str) -> list[Event]:
        """Hand out what is kept of a task, in the order of its time stamps."""
        entry = self._parked.pop(uuid, None)
        if entry is None:
            return []
        return sorted(entry[1], key=lambda event: event.timestamp)

    def overdue(self, now: float, limit: int, patience_seconds: float | None = None) -> list[str]:
        """Tasks for which no task-sent came in time, at most `limit`, oldest first; and all beyond the bound."""
        before = now - (PARKED_SECONDS if patience_seconds is None else patience_seconds)
        excess = len(self._parked) - MAX_PARKED
        found = []
        for index, (uuid, (parked_at, _)) in enumerate(self._parked.items()):
            if index >= limit or (parked_at > before and index >= excess):
                break
            found.append(uuid)
        return found
