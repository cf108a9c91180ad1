"""Which of a task's attempts does an event mean? Starts and ends do not say; times, workers and retries do."""

from collections.abc import Iterator

from core.attempt import ENDED, RECEIVED, RECOVERED, RUNNING, Attempt
from core.events import Event
from core.workers import Worker

LATE_START_SECONDS = 1.0  # a start computed from the end may be off by that much
EARLY_SECONDS = 0.1  # a worker's timer may run a task that much before its eta
SKEW_SECONDS = 30.0  # more than any clock we trust is off


def sent_before(newest: Attempt, event: Event) -> Attempt | None:
    """The attempt that a task-sent belongs to; None = it opens another one.

    Task.replace() and re-sends under a fixed id use uuid and retries again: a
    task-sent later than a start opens the next generation. Where the sender's
    clock is not the worker's, "later" must be more than clocks differ.
    """
    chain = list(chain_of(newest))
    for attempt in chain:
        if attempt.sent_at == event.timestamp:
            return attempt
    for attempt in chain:
        if attempt.retries == (event.retries or 0):
            if attempt.state == ENDED and not attempt.started_at and 0.0 < attempt.sent_at < event.timestamp:
                return None  # it ended before it could start, and was sent again
            if not attempt.started_at or event.timestamp <= attempt.started_at:
                return attempt
            sender = event.hostname.rpartition("@")[2]
            same_clock = attempt.worker is not None and attempt.worker.name.rpartition("@")[2] == sender
            if not attempt.sent_at and not same_clock and event.timestamp - attempt.started_at < SKEW_SECONDS:
                return attempt
    return None


def starting(newest: Attempt, worker: Worker, at: float) -> Attempt:
    """Which of a task's attempts does this start belong to? Starts do not say."""
    for attempt in chain_of(newest):
        if attempt.started_at == at and _is_by(attempt, worker):
            return attempt
    unstarted = [one for one in chain_of(newest.older) if not one.started_at and one.state != ENDED]
    if unstarted:
        older = unstarted[-1]
        if _is_by(older, worker) != _is_by(newest, worker):  # it starts what it holds
            return older if _is_by(older, worker) else newest
        # A retry is sent by the run before it, whose start its worker may stamp later than the child sends.
        held = older.marks & RECEIVED and not newest.marks & RECEIVED
        too_early = at < newest.eligible_at - EARLY_SECONDS
        if at < newest.sent_at or (older.retries < newest.retries and (held or too_early)):
            return older
    if newest.state >= RUNNING or at < newest.sent_at:
        for attempt in chain_of(newest):
            if is_start_of(attempt, worker, at):
                return attempt
    return newest


def is_start_of(attempt: Attempt, worker: Worker, at: float) -> bool:
    """Is this the start that is known of it? One that was computed from the end is near it."""
    if not _is_by(attempt, worker):
        return False
    near = attempt.marks & RECOVERED and at <= attempt.started_at + LATE_START_SECONDS
    return bool(near) or at == attempt.started_at


def ending(newest: Attempt, worker: Worker, event: Event) -> Attempt | None:
    """Which attempt of the task does this end belong to? None = to one that has ended already. Ends do not say."""
    if newest.older is None:  # nearly always
        return newest if newest.state != ENDED else None
    at = event.timestamp
    held = worker.held.get(newest.uuid)
    known = {id(one): one for start in (newest, held) for one in chain_of(start)}
    runs = [one for one in known.values() if one.started_at and _is_by(one, worker)]
    going = [one for one in runs if one.state == RUNNING and one.started_at <= at]
    if going:
        return _run_that_ended(newest, going, runs, None if event.runtime is None else at - event.runtime)
    if newest.state < RUNNING and at > newest.sent_at and (runs or _is_by(newest, worker)):
        return newest  # its start was not seen
    if runs:
        return None
    elsewhere = next((one for one in known.values() if one.state == RUNNING), None)
    if elsewhere is not None:
        return elsewhere
    attempt = newest.older if at < newest.sent_at else newest
    return attempt if attempt.state != ENDED else None


def retrying(newest: Attempt, worker: Worker) -> Attempt | None:
    """Which attempt is retried? The oldest that has not ended; None = all have."""
    alive = [one for one in chain_of(newest) if one.state != ENDED]
    mine = [one for one in alive if one.state == RUNNING and _is_by(one, worker)]
    return next(reversed(mine or alive), None)


def _run_that_ended(
    newest: Attempt, going: list[Attempt], runs: list[Attempt], began_at: float | None
) -> Attempt | None:
    """Of several runs in one worker the one that began then; None = it has ended already."""
    if began_at is None:
        return None if newest.state == ENDED and _succeeds(newest, going[0]) else going[0]

    def off_seconds(run: Attempt) -> float:
        return abs(run.started_at - began_at)

    run, nearest = min(going, key=off_seconds), min(runs, key=off_seconds)
    is_other = off_seconds(nearest) <= LATE_START_SECONDS < off_seconds(run)
    return None if nearest.state == ENDED and (is_other or _succeeds(nearest, run)) else run


def _succeeds(later: Attempt, run: Attempt) -> bool:
    """Was it sent by, or after, that run? Then the run ends as retried, or without a word."""
    return later.retries > run.retries or later.sent_at > run.started_at


def _is_by(attempt: Attempt, worker: Worker) -> bool:
    return attempt.worker is not None and (attempt.worker is worker or attempt.worker.name == worker.name)


def chain_of(newest: Attempt | None) -> Iterator[Attempt]:
    """A task's attempts, newest first."""
    attempt = newest
    while attempt is not None:
        yield attempt
        attempt = attempt.older
