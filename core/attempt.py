"""One attempt to run a task: from sent, through waiting and running, to its end."""

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from core.series import TaskSeries
    from core.workers import Worker

# Where an attempt is. Plain integers: they are compared several times an event. Below RUNNING it has not started.
SCHEDULED: Final = 0  # eta in the future
WAITING: Final = 1  # due, not started
EXPIRED: Final = 2  # its expiry passed before it could start; the message is still about
RUNNING: Final = 3
ENDED: Final = 4

# What was said of its target, once per wait.
OPEN: Final = 0
MET: Final = 1
MISSED: Final = 2
EXCLUDED: Final = 3
RETRACTED: Final = 4  # was missed, and later evidence disproved it

# What is known of it beside that; a bit each.
RECEIVED: Final = 1  # a worker said that it holds it
RECOVERED: Final = 2  # its start was computed from its end; the event of the start may still come
JOURNALED: Final = 4  # the journal has a record of it


class Attempt(msgspec.Struct, gc=False):
    """One wait and the run that ends it. (uuid, retries, generation) is its identity.

    A million of these wait in memory at once, so fields are few and unknown
    times share one 0.0. They are not tracked by the garbage collector: an
    attempt that has ended is referred to by no worker, so no cycle outlives it.
    """

    uuid: str
    series: "TaskSeries"  # the counters of its task name on its queue
    retries: int
    state: int
    eligible_at: float = 0.0  # max(sent, eta); 0 = not known, so its wait is not measured
    sent_at: float = 0.0  # 0 = no task-sent seen
    started_at: float = 0.0  # 0 = not started, or not known
    expires_at: float = 0.0  # 0 = never
    decision: int = OPEN
    marks: int = 0
    worker: "Worker | None" = None  # that holds or runs it
    older: "Attempt | None" = None  # what the same uuid did before
