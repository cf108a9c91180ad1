"""The verdict of a queue: one word and its reason, by numbered rules of which the first that holds wins."""

from enum import StrEnum

import msgspec

from core.words import count, duration

# A start needs no longer than this where a slot is free: time for a fetch, a fork, a slow hand-over.
BLOCKED_SECONDS = 15.0


class Verdict(StrEnum):
    """How a queue stands, worst first. Unknown is a state of its own, never OK."""

    BLIND = "blind"  # we cannot see, so we do not say
    NO_CONSUMERS = "no_consumers"  # tasks wait and nobody reads the queue
    BLOCKED = "blocked"  # tasks wait beside idle slots, and none starts
    LATE = "late"  # the oldest wait is beyond the target
    AT_RISK = "at_risk"  # in time now, and will not stay so
    BUSY = "busy"  # all slots taken, in time
    QUIET = "quiet"  # no traffic seen: nothing to judge
    OK = "ok"


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules look at. None = not known."""

    at: float  # epoch seconds
    blind_reason: str | None = None
    target_seconds: float | None = None
    waiting: int = 0
    reserved: int = 0  # of the waiting ones, in the hands of a worker
    running: int = 0
    oldest_waiting_at: float | None = None
    last_start_at: float | None = None
    seen: bool = False  # any task was ever sent to it or started from it
    consumers: int | None = None
    unread: bool = False  # all workers that can be heard were asked, and none has ever read it
    slots: int | None = None
    idle_slots: int | None = None
    held_beside_idle_slots: bool = False  # a worker holds waiting tasks although it has idle slots
    unseen_messages: int = 0  # in the broker, beyond the tasks that we know to wait there
    measured: bool = True  # the waits of the tasks that started are known
    starts_per_second: float | None = None  # while tasks wait; None = too few to say
    expected_wait_seconds: float | None = None  # the longest that anyone in line will have had at that rate

    @property
    def oldest_wait_seconds(self) -> float:
        """How long the task waits that waits longest; 0 when none waits."""
        return 0.0 if self.oldest_waiting_at is None else max(0.0, self.at - self.oldest_waiting_at)


def judge(situation: Situation) -> tuple[Verdict, str]:
    """Give the verdict and its reason in words, which also says how late."""
    for rule in _RULES:
        found = rule(situation)
        if found is not None:
            return found
    return Verdict.OK, "tasks start in time" if situation.target_seconds else "tasks start"


_Found = tuple[Verdict, str] | None


def _blind(s: Situation) -> _Found:
    """Rule 1: what we cannot see is not judged."""
    return (Verdict.BLIND, s.blind_reason) if s.blind_reason is not None else None


def _no_consumers(s: Situation) -> _Found:
    """Rule 2: nobody reads the queue, and something waits in it."""
    if not (s.waiting or s.unseen_messages) or not (s.consumers == 0 or s.unread):
        return None
    nobody = "no worker is known to read this queue" if s.unread else "no worker reads this queue"
    return Verdict.NO_CONSUMERS, f"{nobody}; {_wait(s) if s.waiting else _unseen(s)}"


def _blocked(s: Situation) -> _Found:
    """Rule 3: idle slots that may take the tasks, and for a while none was started."""
    takes_none = bool(s.idle_slots) and s.waiting > s.reserved
    if not s.waiting or not (takes_none or s.held_beside_idle_slots):
        return None
    still_seconds = min(s.oldest_wait_seconds, s.at - (s.last_start_at or 0.0))
    if still_seconds < BLOCKED_SECONDS:
        return None
    where = f"beside {count(s.idle_slots, 'idle slot')}" if s.idle_slots else "in workers with idle slots"
    return Verdict.BLOCKED, f"nothing has started for {duration(still_seconds)} {where}; {_wait(s)}"


def _late(s: Situation) -> _Found:
    """Rule 4: the oldest wait is beyond the target."""
    if s.target_seconds is None or s.oldest_wait_seconds <= s.target_seconds:
        return None
    return Verdict.LATE, f"{_cause(s)}; {_wait(s)}"


def _unmeasured(s: Situation) -> _Found:
    """Rule 5: what is not known to be in time is not called so."""
    if s.unseen_messages:
        return Verdict.BLIND, f"{_unseen(s)}: their waits are not known (task_send_sent_event may be off)"
    if s.measured or s.target_seconds is None:
        return None
    return Verdict.BLIND, "tasks start, but no task-sent event says how long they waited (task_send_sent_event is off)"


def _at_risk(s: Situation) -> _Found:
    """Rule 6: at the present rate of starts somebody in line will start too late."""
    if s.target_seconds is None or s.starts_per_second is None or s.expected_wait_seconds is None:
        return None
    if s.expected_wait_seconds <= s.target_seconds:
        return None
    rate = f"{s.starts_per_second * 60:.3g} starts a minute"
    return Verdict.AT_RISK, f"at {rate} waits will reach {duration(s.expected_wait_seconds)}; {_wait(s)}"


def _busy(s: Situation) -> _Found:
    """Rule 7: every slot is taken and tasks wait, still in time."""
    if s.idle_slots != 0 or not s.waiting:
        return None
    return Verdict.BUSY, f"{_cause(s)}; {_wait(s)}"


def _quiet(s: Situation) -> _Found:
    """Rule 8: nothing was ever seen here, so nothing can be said."""
    return None if s.seen or s.waiting or s.running else (Verdict.QUIET, "no task seen since the exporter started")


_RULES = (_blind, _no_consumers, _blocked, _late, _unmeasured, _at_risk, _busy, _quiet)


def _cause(s: Situation) -> str:
    """Why tasks wait, as far as it is known."""
    if s.consumers is None:
        return "no worker has said that it reads this queue"
    if s.slots is None or s.idle_slots is None:
        return "its workers' slots are not known"
    if s.idle_slots == 0:
        elsewhere = "" if s.running else " with tasks of other queues"
        return ("its only slot is busy" if s.slots == 1 else f"all {s.slots} slots are busy") + elsewhere
    if s.reserved and s.reserved == s.waiting:
        return "held by prefetch in busy workers"
    return f"{s.idle_slots} of {s.slots} slots are idle"


def _unseen(s: Situation) -> str:
    return f"{count(s.unseen_messages, 'message')} in the broker not seen to be sent"


def _wait(s: Situation) -> str:
    """How many wait and how long, against what."""
    text = f"{count(s.waiting, 'task')} waiting, the oldest for {duration(s.oldest_wait_seconds)}"
    return text if s.target_seconds is None else f"{text} (target {duration(s.target_seconds)})"
