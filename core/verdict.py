"""The verdict of a queue: one word and its reason, by numbered rules of which the first that holds wins."""

from enum import StrEnum


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
