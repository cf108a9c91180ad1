"""Sends the demo's tasks at their rates, and makes its trouble on time."""

import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from heapq import heapify, heapreplace

from celery import Celery

from compose.demo.app import app as demo_app
from compose.demo.workload import CYCLE_SECONDS, DAY, EMAIL_WORKER, FLOWS, Flow, Trouble, WorkerPlan

logger = logging.getLogger(__name__)

BLOCKING_SECONDS = 75.0
REMINDERS = 400
REMINDER_SECONDS = 0.6
REMINDERS_DUE_IN_SECONDS = 10.0
SAVED_EXPORTS = 300
SAVED_EXPORT_SECONDS = 0.4
LONGEST_SECONDS = 3.0  # of a task of the steady flow


def worker_argv(plan: WorkerPlan) -> tuple[str, ...]:
    """The command that starts a worker."""
    return (
        *(sys.executable, "-P", "-W", "ignore", "-m", "celery", "--quiet", "--app=compose.demo.app", "worker"),
        f"--hostname={plan.name}@demo",
        f"--pool={plan.pool}",
        f"--concurrency={plan.concurrency}",
        f"--queues={','.join(plan.queues)}",
        f"--prefetch-multiplier={plan.prefetch_multiplier}",
        *("--task-events", "--loglevel=CRITICAL", "--without-mingle", "--without-gossip"),
    )


class Director:
    """One thread that sends tasks and makes trouble; the worker of email_queue is its own child."""

    def __init__(self, app: Celery, seed: int | None = None) -> None:
        self._app = app
        self._random = random.Random(seed)  # noqa: S311 - traffic, no secret
        self._failing = False
        self._email_worker: subprocess.Popen[bytes] | None = None

    def run(self, stop: threading.Event) -> None:
        """Send until asked to stop, one day after the other."""
        self.bring_email_worker_back()
        try:
            while not stop.is_set():
                self._run_day(stop)
        finally:
            self._end_email_worker()

    def _run_day(self, stop: threading.Event) -> None:
        began_at = time.monotonic()
        arrivals = [(began_at + self._gap_seconds(flow), index) for index, flow in enumerate(FLOWS)]
        heapify(arrivals)
        troubles = list(DAY)
        while not stop.is_set() and time.monotonic() - began_at < CYCLE_SECONDS:
            if troubles and time.monotonic() - began_at >= troubles[0].at_seconds:
                self._make(troubles.pop(0))
            due_at, index = arrivals[0]
            if stop.wait(max(0.0, min(due_at - time.monotonic(), 0.5))) or time.monotonic() < due_at:
                continue
            self._send(FLOWS[index])
            heapreplace(arrivals, (due_at + self._gap_seconds(FLOWS[index]), index))

    def _make(self, trouble: Trouble) -> None:
        logger.info("trouble: %s", trouble.says)
        getattr(self, trouble.what)()

    # -- the script

    def block_downloads(self) -> None:
        """A long task takes the only slot of a fast queue."""
        self._app.send_task("exports.build_download", (BLOCKING_SECONDS,), queue="export_download_queue")

    def burst_reminders(self) -> None:
        """Many reminders are due at the same moment."""
        due_at = datetime.now(UTC) + timedelta(seconds=REMINDERS_DUE_IN_SECONDS)
        for _ in range(REMINDERS):
            self._app.send_task("reminders.send_due", (REMINDER_SECONDS,), queue="reminder_queue", eta=due_at)

    def send_email_worker_away(self) -> None:
        """A warm shutdown, as a deploy does it that then goes wrong; tasks are sent while it goes."""
        if self._email_worker is not None:
            self._email_worker.send_signal(signal.SIGTERM)

    def bring_email_worker_back(self) -> None:
        """Start it again; should the old one still be there, it has had its time."""
        self._end_email_worker()
        self._email_worker = subprocess.Popen(worker_argv(EMAIL_WORKER))

    def fail_forwarding(self) -> None:
        """The outside service that records are forwarded to is down."""
        self._failing = True

    def heal_forwarding(self) -> None:
        """It is up again."""
        self._failing = False

    def midnight(self) -> None:
        """All saved exports are rebuilt at once."""
        for _ in range(SAVED_EXPORTS):
            self._app.send_task("exports.rebuild_saved", (SAVED_EXPORT_SECONDS,), queue="saved_exports_queue")

    # -- the steady flow

    def _send(self, flow: Flow) -> None:
        seconds = min(self._random.expovariate(1 / flow.mean_seconds), LONGEST_SECONDS)
        fails = self._failing and flow.queue == "repeat_record_queue" and self._random.random() < 1 / 2
        self._app.send_task(flow.task, (seconds,), {"fails": fails}, queue=flow.queue)

    def _gap_seconds(self, flow: Flow) -> float:
        return self._random.expovariate(flow.per_minute / 60)

    def _end_email_worker(self) -> None:
        if self._email_worker is not None:
            self._email_worker.send_signal(signal.SIGQUIT)  # a cold shutdown; nothing, if it has ended
            self._email_worker.wait()
            self._email_worker = None


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    seed = os.environ.get("CELERY_SLO_DEMO_SEED")
    Director(demo_app, int(seed) if seed else None).run(stop)


if __name__ == "__main__":
    main()
