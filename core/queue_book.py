"""One queue: who waits, what it promised, and how that went."""

from collections.abc import Iterator, Mapping
from itertools import takewhile

import msgspec

from core.attempt import (
    ENDED,
    EXCLUDED,
    EXPIRED,
    MET,
    MISSED,
    OPEN,
    RETRACTED,
    RUNNING,
    SCHEDULED,
    WAITING,
    Attempt,
)
from core.histogram import RATE_STEPS, RUNTIME_BOUNDS, STEP_SECONDS, Histogram, MinuteWindow, StartRate, quantile
from core.line import Line
from core.snapshot import HistogramView, RecentView, SloView
from core.targets import QueueTarget

MIN_RATE_SECONDS = 15.0
LINE_SAMPLES = 200
MIN_STARTS = 10  # fewer say nothing about a rate
SWEEP_ENTRIES = 20_000  # a piece that stops nobody: about 1 ms


class Observed(msgspec.Struct, frozen=True):
    """Since when nothing escapes us that happens to a queue's tasks."""

    since: float  # epoch seconds
    patient_until: float  # what began earlier waits until then for a look at the broker


class QueueBook:
    """Gauges, the line of those who wait, and the counters of one queue label."""

    def __init__(self, label: str, row: QueueTarget | None, wait_bounds: tuple[float, ...]) -> None:
        self.label = label
        self.row = row
        self.members: set[str] = set()  # names of the queues behind the label, as the broker knows them
        self.waiting = self.overdue = self.scheduled = self.reserved = self.running = 0
        self._undecided = Line(self._is_undecided)
        self._overdue = Line(self._is_overdue)
        self.met = [0, 0]  # first attempts, retries
        self.missed = [0, 0]
        self.excluded: dict[str, int] = {}
        self.retracted = self.expired = 0
        self.observed_since = 0.0  # a worker that reads it sent no task events until then
        self._unseen_now = 0  # the newest look at it
        self.unseen_messages = 0  # in the broker beyond the tasks that we know to wait there
        self.verified_before = 0.0  # who became due earlier was looked for
        self.verified_at = 0.0  # when the line was last held against the broker, and who is not there struck off
        self.ghosts: dict[str, int] = {}  # reason -> attempts that turned out to be gone
        self.time_to_start = Histogram(wait_bounds)
        self.runtime = Histogram(RUNTIME_BOUNDS)
        self.last_minutes = MinuteWindow(wait_bounds)
        self.starts = StartRate()
        self.waits_by_source: dict[str, int] = {}
        self.last_sent_at = self.last_start_at = 0.0
        self.ready_messages: dict[str, int] = {}  # by member

    @property
    def target_seconds(self) -> float | None:
        """The target in force; None = none is documented."""
        return self.row.target_seconds if self.row else None

    # -- who waits

    def schedule(self, attempt: Attempt) -> None:
        """It is not due yet."""
        attempt.state = SCHEDULED
        self.scheduled += 1

    def wait(self, attempt: Attempt) -> None:
        """It is due now: it waits from here on."""
        attempt.state = WAITING
        self.waiting += 1
        self._undecided.add(attempt)

    def enter(self, attempt: Attempt, state: int) -> None:
        """It comes from another queue, and nothing was decided yet."""
        if state == SCHEDULED:
            self.schedule(attempt)
        elif state == WAITING:
            self.wait(attempt)
            if attempt.worker is not None:
                self.reserved += 1

    def hold(self, attempt: Attempt) -> None:
        """A worker is taking it from the broker."""
        if attempt.state == WAITING:
            self.reserved += 1

    def release(self, attempt: Attempt) -> None:
        """The worker that has it will hold it no longer, and did not start it."""
        if attempt.state == WAITING:
            self.reserved -= 1

    def restore(self, attempt: Attempt) -> None:
        """Take back one that was written down, in the state in which it then was."""
        if attempt.state == SCHEDULED:
            self.scheduled += 1
        elif attempt.state == RUNNING:
            self.running += 1
        elif attempt.state == WAITING:
            self.waiting += 1
            self.overdue += attempt.decision != OPEN
            (self._undecided if attempt.decision == OPEN else self._overdue).add(attempt)

    def observe_lengths(self, lengths: Mapping[str, int]) -> None:
        """Ready messages by queue name, as the broker has them now."""
        known = [name for name in self.members | {self.label} if name in lengths]
        if not known:
            return
        self.ready_messages.update({name: lengths[name] for name in known})
        unseen = max(0, sum(self.ready_messages.values()) - (self.waiting - self.reserved) - self.scheduled)
        self._unseen_now, before = unseen, self._unseen_now
        self.unseen_messages = min(before, unseen)  # twice in a row: once, an event may have been on its way

    def become_due(self, attempt: Attempt) -> None:
        """Its eta has come."""
        self.scheduled -= 1
        self.wait(attempt)
        if attempt.worker is not None:
            self.reserved += 1

    def leave(self, attempt: Attempt, state: int) -> None:
        """It starts, ends or expires: it waits no longer."""
        if attempt.state == WAITING:
            self.waiting -= 1
            if attempt.decision != OPEN:
                self.overdue -= 1
            if attempt.worker is not None:
                self.reserved -= 1
        elif attempt.state == SCHEDULED:
            self.scheduled -= 1
        attempt.state = state

    def _is_undecided(self, attempt: Attempt) -> bool:
        return attempt.state == WAITING and attempt.decision == OPEN and attempt.series.queue is self

    def _is_overdue(self, attempt: Attempt) -> bool:
        return attempt.state == WAITING and attempt.decision != OPEN

    def sweep(self) -> bool:
        """Drop some of those who left from the middle of the lines, where they are many; True = many are left."""
        more = False
        for line, living in ((self._undecided, self.waiting - self.overdue), (self._overdue, self.overdue)):
            entries = line.entries
            if entries > 2 * living + SWEEP_ENTRIES // 10:
                line.sweep(SWEEP_ENTRIES)
                more = more or 2 * living + 2 * SWEEP_ENTRIES < line.entries < entries
        return more

    def in_line(self, before: float) -> Iterator[Attempt]:
        """Those who wait and became due earlier than that, in their order."""
        for line in (self._overdue, self._undecided):
            yield from takewhile(lambda attempt: attempt.eligible_at < before, line)

    def oldest_waiting(self) -> Attempt | None:
        """Who became due first of those who wait."""
        heads = [head for head in (self._overdue.head(), self._undecided.head()) if head is not None]
        return min(heads, key=lambda attempt: attempt.eligible_at, default=None)

    def newest_waiting(self) -> Attempt | None:
        """Who became due last of those who wait."""
        tails = [tail for tail in (self._overdue.newest(), self._undecided.newest()) if tail is not None]
        return max(tails, key=lambda attempt: attempt.eligible_at, default=None)

    # -- what was promised

    def pass_deadlines(self, until: float, view: "Observed", limit: int) -> list[Attempt]:
        """Decide those whose target has passed while they still wait; returns them, at most `limit`.

        `until`: the stream has been read that far. The start of a wait that
        began before `view.since` may not have been seen. So it is decided when
        somebody has looked whether the task is still there, and held against
        nobody if nobody did so in time.
        """
        target = self.target_seconds
        decided: list[Attempt] = []
        while target is not None and len(decided) < limit:
            attempt = self._undecided.head()
            if attempt is None or attempt.eligible_at + target > until:
                break
            if attempt.eligible_at >= view.since or self._was_there(
                attempt, min(view.since, attempt.eligible_at + target)
            ):
                self.miss(attempt)
            elif until < view.patient_until:
                break
            else:
                self.exclude(attempt, "unobserved")
            self._undecided.pop()
            self.overdue += 1
            self._overdue.add(attempt)
            decided.append(attempt)
        return decided

    def _was_there(self, attempt: Attempt, at: float) -> bool:
        """Whether somebody looked then or later, and the task was not struck off."""
        return self.verified_at >= at and attempt.eligible_at < self.verified_before

    def judge_start(self, attempt: Attempt, wait_seconds: float) -> None:
        """It started after this wait: met, missed, or a miss taken back."""
        target = self.target_seconds
        if target is None:
            return
        if attempt.decision == OPEN:
            if wait_seconds > target:
                self.miss(attempt)
            else:
                self._meet(attempt)
        elif attempt.decision == MISSED and wait_seconds <= target:
            attempt.decision = RETRACTED
            self.retracted += 1

    def measure(self, seconds: float, now: float, source: str) -> None:
        """Count a wait whose length is known."""
        self.time_to_start.observe(seconds)
        self.last_minutes.observe(seconds, now)
        self.waits_by_source[source] = self.waits_by_source.get(source, 0) + 1

    def judge_partial(self, attempt: Attempt, at_least_seconds: float) -> None:
        """It started, and its wait was that long or longer: a miss is certain, a hit is not."""
        target = self.target_seconds
        if target is None or attempt.decision != OPEN:
            return
        if at_least_seconds > target:
            self.miss(attempt)
        else:
            self.exclude(attempt, "wait_unknown")

    def judge_end(self, attempt: Attempt, at: float, observed_since: float) -> None:
        """It ended, and no start was seen: it started at `at` or earlier, perhaps in a gap of the stream."""
        target = self.target_seconds
        if target is None or attempt.decision != OPEN or not attempt.eligible_at:
            return
        if attempt.eligible_at < observed_since and at - attempt.eligible_at > target:
            self.exclude(attempt, "unobserved")
        else:
            judge = self.judge_start if attempt.sent_at else self.judge_partial
            judge(attempt, at - attempt.eligible_at)

    def judge_revoked(self, attempt: Attempt, at: float) -> None:
        """A caller took it back: held against nobody, if the target had not passed by then."""
        if attempt.decision != OPEN or self.target_seconds is None:
            return
        if attempt.eligible_at and at > attempt.eligible_at + self.target_seconds:
            self.miss(attempt)
        else:
            self.exclude(attempt, "revoked")

    def expire(self, attempt: Attempt, observed_since: float = 0.0) -> None:
        """Its expiry passed before it could start: a promise broken, not a task less.

        A wait that began before `observed_since` may have ended in a gap of the
        stream: then nobody can say that it expired.
        """
        self.leave(attempt, EXPIRED)
        unobserved = attempt.eligible_at < observed_since
        if not unobserved:
            self.expired += 1
        if attempt.decision != OPEN or self.target_seconds is None:
            return
        if unobserved:
            self.exclude(attempt, "unobserved")
        else:
            self.miss(attempt)

    def give_up(self, attempt: Attempt, reason: str, observed_since: float = 0.0) -> None:
        """It is gone, and nobody saw how: it waits no longer, and nothing is held against the queue."""
        self.leave(attempt, ENDED)
        self.ghosts[reason] = self.ghosts.get(reason, 0) + 1
        if attempt.decision == OPEN and self.target_seconds is not None:
            seen_since = max(observed_since, self.observed_since)
            self.exclude(attempt, "unobserved" if attempt.eligible_at < seen_since else "ghost")

    def miss(self, attempt: Attempt) -> None:
        """Count a miss (or an exclusion, where the task's name is not judged)."""
        if attempt.series.judged:
            attempt.decision = MISSED
            self.missed[attempt.retries > 0] += 1
        else:
            self.exclude(attempt, "not_judged")

    def exclude(self, attempt: Attempt, reason: str) -> None:
        """Count as not judged."""
        attempt.decision = EXCLUDED
        self.excluded[reason] = self.excluded.get(reason, 0) + 1

    def _meet(self, attempt: Attempt) -> None:
        if attempt.series.judged:
            attempt.decision = MET
            self.met[attempt.retries > 0] += 1
        else:
            self.exclude(attempt, "not_judged")

    # -- what it looks like

    def starts_per_second(self, now: float) -> float | None:
        """The rate at which tasks leave the line, measured since somebody waits; None = too early to say.

        Before that, tasks started as they came: a rate of arrivals, which says
        nothing about how fast a backlog drains.
        """
        oldest = self.oldest_waiting()
        if oldest is None:
            return None
        starts, began_at = self.starts.since(max(oldest.eligible_at, now - STEP_SECONDS * RATE_STEPS))
        seconds = now - began_at
        return starts / seconds if seconds >= MIN_RATE_SECONDS and starts >= MIN_STARTS else None

    def expected_wait_seconds(self, now: float, starts_per_second: float) -> float:
        """The longest wait that anyone in line will have had when it starts, at this rate, first due first.

        That need not be the last in line: behind a burst come a few that are young.
        """
        longest = ahead = 0.0
        for line, living in ((self._overdue, self.overdue), (self._undecided, self.waiting - self.overdue)):
            share = living / line.entries if line.entries else 0.0
            for place, attempt in line.sample(LINE_SAMPLES):
                starts_before = ahead + (place + 1) * share
                longest = max(longest, now - attempt.eligible_at + starts_before / starts_per_second)
            ahead += living
        return longest

    def slo_view(self) -> SloView:
        """The promise's counters."""
        return SloView(
            met_first=self.met[0],
            met_retry=self.met[1],
            missed_first=self.missed[0],
            missed_retry=self.missed[1],
            excluded=dict(self.excluded),
            retracted=self.retracted,
            expired=self.expired,
        )

    def recent_view(self, now: float) -> RecentView:
        """Quantiles of the last minutes."""
        counts = self.last_minutes.counts(now)
        bounds = self.time_to_start.bounds
        return RecentView(
            started=sum(counts),
            p50_seconds=quantile(bounds, counts, 0.5),
            p95_seconds=quantile(bounds, counts, 0.95),
        )


def histogram_view(histogram: Histogram) -> HistogramView:
    """A copy that does not change any more."""
    return HistogramView(counts=tuple(histogram.counts), sum_seconds=histogram.sum_seconds)
