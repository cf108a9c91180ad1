"""The tasks that wait, in the order in which they became due."""

from bisect import insort
from collections.abc import Callable, Iterator
from operator import attrgetter

from core.attempt import Attempt

CHUNK = 1024
# Producers and the network shuffle events by milliseconds; order below this is not worth a search.
TOLERANCE_SECONDS = 0.25
_due = attrgetter("eligible_at")


class Line:
    """First due first out, for any number of tasks that also leave from the middle.

    Who leaves is not searched for: `is_live` tells the dead, which are dropped
    when they reach the head, or by `sweep`, a bounded piece at a time. So a line
    whose head never starts does not keep everything that passed it.
    """

    __slots__ = ("_chunks", "_head", "_is_live", "_latest_at", "_swept", "entries")

    def __init__(self, is_live: Callable[[Attempt], bool]) -> None:
        self._is_live = is_live
        self._chunks: list[list[Attempt]] = []
        self._head = 0  # index of the head within the first chunk
        self._swept = 0  # the next chunk to sweep
        self._latest_at = 0.0  # of all that stand here, or stood
        self.entries = 0  # the living and the dead

    def add(self, attempt: Attempt) -> None:
        """Put one in its place; nearly always that is the end."""
        self.entries += 1
        chunks = self._chunks
        due_at = attempt.eligible_at
        if chunks and due_at + TOLERANCE_SECONDS < self._latest_at:
            self._insert(attempt)
            return
        if not chunks or due_at > self._latest_at:
            self._latest_at = due_at
        if chunks and len(chunks[-1]) < CHUNK:
            chunks[-1].append(attempt)
        else:
            chunks.append([attempt])

    def head(self) -> Attempt | None:
        """The living one that became due first, or None; the dead before it are dropped."""
        chunks = self._chunks
        while chunks:
            first = chunks[0]
            while self._head < len(first):
                if self._is_live(first[self._head]):
                    return first[self._head]
                self._head += 1
                self.entries -= 1
            del chunks[0]
            self._head = 0
            self._swept = max(0, self._swept - 1)
        return None

    def pop(self) -> None:
        """Take away what head() has just returned."""
        self._head += 1
        self.entries -= 1

    def newest(self) -> Attempt | None:
        """The living one that became due last, or None; looks at no more than the tail's dead."""
        for index in range(len(self._chunks) - 1, -1, -1):
            chunk = self._chunks[index]
            for place in range(len(chunk) - 1, self._head - 1 if index == 0 else -1, -1):
                if self._is_live(chunk[place]):
                    return chunk[place]
        return None

    def sample(self, size: int) -> Iterator[tuple[int, Attempt]]:
        """About so many living ones evenly from the whole line, each with its place in it, the dead counted too."""
        step = max(1, self.entries // size)
        place = -self._head
        for chunk in self._chunks:
            for index in range(-place % step if place >= 0 else -place, len(chunk), step):
                if self._is_live(chunk[index]):
                    yield place + index, chunk[index]
            place += len(chunk)

    def sweep(self, limit: int) -> None:
        """Drop the dead among about `limit` entries, going on where the last sweep ended."""
        looked = 0
        while looked < limit and self._chunks:
            if self._swept >= len(self._chunks):
                self._swept = 0
            index = self._swept
            chunk = self._chunks[index]
            start = self._head if index == 0 else 0
            looked += len(chunk) - start
            living = [attempt for attempt in chunk[start:] if self._is_live(attempt)]
            self.entries -= len(chunk) - start - len(living)
            if index == 0:
                self._head = 0
            if living:
                self._chunks[index] = living
                self._swept += 1
            else:
                del self._chunks[index]

    def __iter__(self) -> Iterator[Attempt]:
        """Walk the living ones in order."""
        for index, chunk in enumerate(self._chunks):
            for attempt in chunk[self._head if index == 0 else 0 :]:
                if self._is_live(attempt):
                    yield attempt

    def _insert(self, attempt: Attempt) -> None:
        """Find the chunk from the end: late ones are not very late."""
        chunks = self._chunks
        index = len(chunks) - 1
        while index > 0 and chunks[index][0].eligible_at > attempt.eligible_at:
            index -= 1
        chunk = chunks[index]
        insort(chunk, attempt, lo=self._head if index == 0 else 0, key=_due)
        if len(chunk) > 2 * CHUNK:
            if index == 0:
                del chunk[: self._head]
                self._head = 0
            half = (len(chunk) + 1) // 2
            chunks[index : index + 1] = [chunk[:half], chunk[half:]] if half < len(chunk) else [chunk]
