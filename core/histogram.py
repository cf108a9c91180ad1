"""Waits and run times in buckets: counters for Prometheus, and the last minutes for the page."""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Sequence
from math import ceil

# Bounds in seconds: from interactive tasks to a day; every distinct target joins them.
WAIT_BOUNDS = (
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0,
    1800.0, 3600.0, 7200.0, 14400.0, 21600.0, 43200.0, 86400.0,
)  # fmt: skip
RUNTIME_BOUNDS = (
    0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0, 43200.0,
)  # fmt: skip
WINDOW_MINUTES = 15
STEP_SECONDS = 5.0
RATE_STEPS = 60  # five minutes


def wait_bounds(targets: Iterable[float]) -> tuple[float, ...]:
    """One set of bounds for all queues, so that sums over queues stay right."""
    return tuple(sorted({*WAIT_BOUNDS, *targets}))


class Histogram:
    """Counts per bucket since the start. A value on a bound belongs below it, as in Prometheus."""

    __slots__ = ("bounds", "counts", "sum_seconds")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum_seconds = 0.0

    @property
    def count(self) -> int:
        """How many values were observed."""
        return sum(self.counts)

    def observe(self, seconds: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.sum_seconds += seconds


class MinuteWindow:
    """The same buckets, minute by minute, for the last 15 minutes."""

    __slots__ = ("_bounds", "_minutes")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._minutes: deque[tuple[int, list[int]]] = deque()

    def observe(self, seconds: float, at: float) -> None:
        """Count one value in the minute of `at` (or in the newest, when `at` is older)."""
        minute = int(at // 60)
        if not self._minutes or minute > self._minutes[-1][0]:
            self._minutes.append((minute, [0] * (len(self._bounds) + 1)))
            if len(self._minutes) > WINDOW_MINUTES:
                self._minutes.popleft()
        self._minutes[-1][1][bisect_left(self._bounds, seconds)] += 1

    def counts(self, now: float) -> list[int]:
        """Sum the minutes that still lie in the window; older ones are dropped."""
        first = int(now // 60) - WINDOW_MINUTES + 1
        while self._minutes and self._minutes[0][0] < first:
            self._minutes.popleft()
        total = [0] * (len(self._bounds) + 1)
        for _, counts in self._minutes:
            total = [a + b for a, b in zip(total, counts, strict=True)]
        return total


class StartRate:
    """How many tasks started lately, in steps of five seconds."""

    __slots__ = ("_steps",)

    def __init__(self) -> None:
        self._steps: deque[tuple[int, int]] = deque(maxlen=RATE_STEPS)  # (step, starts), oldest first

    def count(self, at: float) -> None:
        """Count one start (in the newest step, when `at` is older)."""
        step = int(at // STEP_SECONDS)
        if self._steps and step <= self._steps[-1][0]:
            self._steps[-1] = (self._steps[-1][0], self._steps[-1][1] + 1)
        else:
            self._steps.append((step, 1))

    def since(self, begin: float) -> tuple[int, float]:
        """Starts since the first step that began at `begin` or later, and when that was."""
        first = ceil(begin / STEP_SECONDS)
        return sum(starts for step, starts in self._steps if step >= first), first * STEP_SECONDS


def quantile(bounds: Sequence[float], counts: Sequence[int], ratio: float) -> float | None:
    """Estimate a quantile by interpolation within its bucket, as histogram_quantile does.

    None when nothing was counted; the last bound when the quantile lies beyond it.
    """
    rank = ratio * sum(counts)
    if rank == 0:
        return None
    below = 0
    for index, count in enumerate(counts[:-1]):
        if count and below + count >= rank:
            lower = bounds[index - 1] if index else 0.0
            return lower + (bounds[index] - lower) * (rank - below) / count
        below += count
    return bounds[-1]
