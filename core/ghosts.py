"""Tasks that we take to wait and that nobody has any more: lost events, purged queues, workers that were not heard.

On Redis a task that waits has its message in a list of its queue, or among
those that workers hold unacknowledged. Who is in neither, at every look for
some seconds, while each worker that could have started it has spoken since, is
a ghost. (A solo worker speaks only when its task has ended; until then the task
is presumed to run.)
"""

from collections.abc import Collection, Iterable

import msgspec

from core.queue_book import QueueBook

YOUNG_SECONDS = 3.0  # its message, or the event that says where it went, may still be under way
CONFIRM_SECONDS = 4.0  # from the first look to the one that decides
HELD_SECONDS = 30.0  # so long in a worker's hands: look whether it still is


class _Doubt(msgspec.Struct):
    """What the looks at one queue have in common so far."""

    first_at: float
    before: float  # who became due earlier is doubted
    seen: set[str]  # who was seen at any look is not


class Ghosts:
    """Doubts by queue label, and those that are confirmed and not carried out yet."""

    def __init__(self) -> None:
        self._doubts: dict[str, _Doubt] = {}
        self._confirmed: dict[str, _Doubt] = {}

    def is_doubtful(self, book: QueueBook, observed_since: float, now: float) -> bool:
        """Whether the broker may have fewer tasks of this queue than we think.

        It has fewer messages; or a worker holds a task for long; or the stream
        had a gap since somebody looked.
        """
        oldest = book.oldest_waiting()
        if oldest is None or not book.ready_messages or now - oldest.eligible_at < YOUNG_SECONDS:
            return False
        missing = book.waiting - book.reserved > sum(book.ready_messages.values())
        if oldest.eligible_at < observed_since and book.verified_at < observed_since:
            return True
        return missing or (book.reserved > 0 and now - oldest.eligible_at > HELD_SECONDS)

    def look(
        self, book: QueueBook, seen: Collection[str], spoken_at: float, now: float, *, oldest_seen_at: float | None
    ) -> None:
        """Take in one look at the broker.

        `seen`: the tasks found there. `oldest_seen_at`: when there were more
        messages than could be read, the time since which the oldest of them is
        due; who is younger is not doubted. `spoken_at`: since then each worker
        that reads the queue has spoken.
        """
        before = now - YOUNG_SECONDS if oldest_seen_at is None else min(now - YOUNG_SECONDS, oldest_seen_at)
        doubt = self._doubts.get(book.label)
        if doubt is None:
            self._doubts[book.label] = _Doubt(now, before, set(seen))
            return
        doubt.before = min(doubt.before, before)
        doubt.seen.update(seen)
        if now - doubt.first_at >= CONFIRM_SECONDS and spoken_at > doubt.first_at:
            self._confirmed[book.label] = self._doubts.pop(book.label)

    def forget_doubts(self, keep: Iterable[str] = ()) -> None:
        """Nothing is doubted any more, but for these labels."""
        kept = set(keep)
        self._doubts = {label: doubt for label, doubt in self._doubts.items() if label in kept}

    def take(self, book: QueueBook, limit: int) -> list[str]:
        """Hand out tasks of the queue that are gone, at most `limit`; call again until there are none."""
        doubt = self._confirmed.get(book.label)
        if doubt is None:
            return []
        gone: list[str] = []
        for attempt in book.in_line(doubt.before):
            if attempt.uuid not in doubt.seen:
                gone.append(attempt.uuid)
                if len(gone) >= limit:
                    return gone
        del self._confirmed[book.label]
        book.verified_at, book.verified_before = doubt.first_at, doubt.first_at - YOUNG_SECONDS
        return gone
