"""Attempts by a future second: etas that come, expiries that pass."""

from collections.abc import Callable
from heapq import heapify, heappop, heappush

from core.attempt import Attempt


class Agenda:
    """Who is due when, to the second; those who no longer matter leave by `sweep`, a bounded piece at a time.

    A heap with one entry an attempt would keep a day of finished tasks
    where tasks expire after a day.
    """

    def __init__(self, at: Callable[[Attempt], float], is_live: Callable[[Attempt], bool]) -> None:
        self._at = at
        self._is_live = is_live
        self._by_second: dict[int, list[Attempt]] = {}
        self._seconds: list[int] = []  # heap of the keys
        self._swept: list[int] = []  # keys still to sweep in this round
        self.entries = 0

    def add(self, attempt: Attempt) -> None:
        """Note it under its second."""
        second = int(self._at(attempt))
        bucket = self._by_second.get(second)
        if bucket is None:
            self._by_second[second] = [attempt]
            heappush(self._seconds, second)
        else:
            bucket.append(attempt)
        self.entries += 1

    def due(self, until: float, limit: int) -> list[Attempt]:
        """Take out the living ones whose time has come, at most about `limit`."""
        found: list[Attempt] = []
        moved: list[Attempt] = []
        while self._seconds and self._seconds[0] <= until and limit > 0:
            second = self._seconds[0]
            bucket = self._by_second[second]
            taken, kept = bucket[:limit], bucket[limit:]
            limit -= len(taken)
            for attempt in taken:
                if self._is_live(attempt):
                    at = self._at(attempt)
                    (found if at <= until else kept if int(at) == second else moved).append(attempt)
            self.entries -= len(bucket) - len(kept)
            if kept:
                self._by_second[second] = kept
                break
            heappop(self._seconds)
            del self._by_second[second]
        for attempt in moved:  # its time was put off since it was noted
            self.add(attempt)
        return found

    def is_behind(self, until: float) -> bool:
        """Whether a whole second before that has entries left: due() stopped at its limit, perhaps among the dead."""
        return bool(self._seconds) and self._seconds[0] + 1 <= until

    def sweep(self, limit: int) -> None:
        """Drop the dead in about `limit` entries."""
        if not self._swept:
            self._swept = list(self._by_second)
        looked = emptied = 0
        while self._swept and looked < limit:
            second = self._swept.pop()
            bucket = self._by_second.get(second)
            if bucket is None:
                continue
            looked += len(bucket)
            living = [attempt for attempt in bucket if self._is_live(attempt)]
            self.entries -= len(bucket) - len(living)
            if living:
                self._by_second[second] = living
            else:
                del self._by_second[second]
                emptied += 1
        if emptied:  # once a piece: a heap is not searched
            self._seconds = list(self._by_second)
            heapify(self._seconds)
