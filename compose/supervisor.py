"""One process tree: starts the children in order, keeps them running, and leaves none behind.

Each child runs under a guardian of its own (`compose.child`), which sees the end of this process, however it came, by
the end of the channel between them. All of it happens in the thread that calls; nothing is restarted between calls.
"""

import logging
import math
import os
import selectors
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum
from http.client import HTTPException
from pathlib import Path
from types import FrameType
from urllib.request import ProxyHandler, build_opener

import msgspec

from compose.child import Life, describe_exit, next_delay_seconds

logger = logging.getLogger(__name__)

WRONG_CONFIGURATION = 2  # the exit status that our commands have for it
FIRST_SECONDS = 10.0  # a child that lives so long is configured rightly
PROBE_SECONDS = 0.1  # between two looks at the world outside: is a child ready
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
COLOURS = (36, 33, 32, 35, 34, 31)  # ECMA-48: cyan, yellow, green, magenta, blue, red


class ChildError(Exception):
    """A child cannot be executed, or says by exit status 2 that its configuration is wrong."""


class Child(msgspec.Struct, frozen=True, kw_only=True):
    """A program to keep running."""

    name: str  # unique; stands before its lines of output
    argv: tuple[str, ...]
    env: dict[str, str] = {}  # on top of our own
    cwd: Path | None = None  # None = ours
    stop_signal: signal.Signals = signal.SIGTERM  # a Celery worker needs SIGQUIT: SIGTERM waits for its tasks
    stop_grace_seconds: float = 4.0  # between that signal and SIGKILL for the whole tree
    parent_death_signal: signal.Signals = signal.SIGKILL  # when we died; any other one is given the same grace
    after: tuple[str, ...] = ()  # earlier children that must be ready first, and that stop only after this one
    ready: Callable[[], bool] | int | str | None = None  # a probe, local port or URL; None = as soon as it runs
    restart: bool = True


class Phase(StrEnum):
    """Where a child is in its life."""

    WAITING = "waiting"  # for its turn, and for what it comes after
    STARTED = "started"  # not known to be ready
    READY = "ready"
    RESTARTING = "restarting"  # ended, its next start is due later
    ENDED = "ended"  # and stays so


class ChildStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One child at one moment."""

    name: str
    phase: Phase
    pid: int | None  # None = does not run
    restarts: int


def is_ready(child: Child) -> bool:
    """Probe a child that runs; OSError and HTTPException say no, too."""
    match child.ready:
        case int(port):
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
        case str(url):
            build_opener(ProxyHandler({})).open(url, timeout=1.0).close()  # raises on an error status
        case probe:
            return probe is None or probe()
    return True


class _Run:
    """A child's present life, and what its earlier ones taught. Times are monotonic."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.phase = Phase.WAITING
        self.life: Life | None = None
        self.started_at = 0.0
        self.due_at = math.inf  # the next start, or look whether it is ready
        self.delay_seconds = 0.0  # before the latest restart
        self.restarts = 0
        self.was_ready = False  # in any of its lives
        self.is_told = False  # to stop


class Supervisor:
    """Runs the children, in the order given, once. Their output goes to stderr, or to NAME.log in `log_directory`."""

    def __init__(self, children: Sequence[Child], *, log_directory: Path | None = None) -> None:
        self._runs: dict[str, _Run] = {}
        for child in children:
            if child.name in self._runs or not child.argv or not self._runs.keys() >= set(child.after):
                raise ValueError(f"child {child.name!r}: not a new name, no command, or `after` a later one")
            self._runs[child.name] = _Run(child)
        self._log_directory = log_directory
        self._selector = selectors.DefaultSelector()
        self._wake, self._waker = socket.socketpair()
        self._waker.setblocking(False)
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._failure: ChildError | None = None
        self._asked_by: str | None = None  # who wants us to stop; None = nobody, we start things
        self._is_urgent = False

    def run(self, on_ready: Callable[[], None] | None = None) -> int:
        """Start all, keep them running until SIGINT, SIGTERM, SIGHUP or `request_stop`, then stop all.

        Calls `on_ready` once, when every child has been ready. A second SIGINT or SIGTERM kills at once.
        Returns our own exit status: 0, or 2 when a child cannot work as it is configured.
        """
        with self._signals():
            try:
                self._until(lambda: all(run.was_ready for run in self._runs.values()))
                if on_ready is not None and self._asked_by is None:
                    on_ready()
                self._until(lambda: False)
            finally:
                self.stop()
        return WRONG_CONFIGURATION if self._failure else 0

    def start(self) -> None:
        """Start all and return, the last ones ready or not; for callers that do not `run`. Raises as `wait_until`."""
        runs = self._runs.values()
        self.wait_until(lambda: all(run.life.pid if run.life else run.phase is not Phase.WAITING for run in runs))

    def wait_ready(self, name: str, timeout_seconds: float) -> None:
        """Supervise until this child is ready. Raises as `wait_until`, and TimeoutError."""
        if not self.wait_until(lambda: self._runs[name].phase is Phase.READY, timeout_seconds):
            raise TimeoutError(f"{name} was not ready in {timeout_seconds:g} s")

    def wait_until(self, condition: Callable[[], bool], timeout_seconds: float = math.inf) -> bool:
        """Supervise until the condition holds. Returns whether it did in that time.

        Raises:
            ChildError: a child cannot work as it is configured; the others are being stopped.
        """
        self._until(condition, time.monotonic() + timeout_seconds, PROBE_SECONDS)
        if self._failure is not None:
            raise self._failure
        return condition()

    def status(self) -> tuple[ChildStatus, ...]:
        """Every child as it stands, in order."""
        return tuple(
            ChildStatus(name=name, phase=run.phase, pid=run.life.pid if run.life else None, restarts=run.restarts)
            for name, run in self._runs.items()
        )

    def request_stop(self, asked_by: str = "request") -> None:
        """Make `run` stop all and return. From any thread."""
        self._asked_by = self._asked_by or asked_by
        with suppress(OSError):  # stopped meanwhile
            self._waker.send(b"\0")

    def stop(self) -> None:
        """Stop all, last ones first; returns when no process of theirs is left."""
        self._asked_by = self._asked_by or "caller"
        self._act()
        logger.info("stopping all asked_by=%s", self._asked_by)
        while any(run.life for run in self._runs.values()):
            self._turn(math.inf)
        for resource in (self._selector, self._wake, self._waker):
            resource.close()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Let the signals that stop us wake the loop, if this is the main thread; ignored ones (nohup) stay ignored."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        heeded = [number for number in STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        earlier_handlers = [(number, signal.signal(number, self._on_signal)) for number in heeded]
        earlier_waker = signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(earlier_waker)
            for number, handler in earlier_handlers:
                signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._is_urgent |= self._asked_by is not None and number != signal.SIGHUP  # closing terminals send two
        self._asked_by = self._asked_by or signal.Signals(number).name

    def _until(self, condition: Callable[[], bool], deadline: float = math.inf, look_seconds: float = math.inf) -> None:
        self._act()
        while not condition() and self._asked_by is None and time.monotonic() < deadline:
            self._turn(min(deadline, time.monotonic() + look_seconds))

    def _turn(self, deadline: float) -> None:
        """Wait for the next thing to happen, and act on it."""
        next_at = min([deadline, *(run.due_at for run in self._runs.values())])
        wait_seconds = None if next_at == math.inf else max(0.0, next_at - time.monotonic())
        for key, _ in self._selector.select(wait_seconds):
            if key.data is None:
                self._wake.recv(4096)
            elif not key.data.life.listen():
                self._bury(key.data, key.data.life)
        self._act()

    def _act(self) -> None:
        """Do what is due."""
        runs = tuple(self._runs.values())
        if self._asked_by is not None:
            for run in reversed(runs):
                self._press_to_stop(run)
            return
        for run in runs:
            if run.phase is Phase.STARTED:
                self._probe(run)
            elif run.phase is Phase.RESTARTING and time.monotonic() >= run.due_at:
                run.restarts += 1
                self._launch(run)
        waiting = [run for run in runs if run.phase is Phase.WAITING]
        if waiting and all(self._runs[name].was_ready for name in waiting[0].child.after):
            self._launch(waiting[0])  # the next one after this one was heard of, which keeps the order

    def _launch(self, run: _Run) -> None:
        run.phase, run.started_at, run.due_at = Phase.STARTED, time.monotonic(), math.inf
        child = run.child
        try:
            run.life = Life(
                child.argv,
                env=child.env,
                cwd=child.cwd,
                death_signal=child.parent_death_signal,
                grace_seconds=child.stop_grace_seconds,
                log_file=self._log_directory and self._log_directory / f"{child.name}.log",
                prefix=self._prefix(child.name),
            )
        except OSError as error:
            run.phase = Phase.ENDED
            self._fail(child.name, f"cannot be executed: {error}")
        else:
            self._selector.register(run.life.channel, selectors.EVENT_READ, run)

    def _prefix(self, name: str) -> str:
        names = list(self._runs)
        text = f"{name:<{max(map(len, names))}} | "
        return f"\x1b[{COLOURS[names.index(name) % len(COLOURS)]}m{text}\x1b[0m" if os.isatty(2) else text

    def _probe(self, run: _Run) -> None:
        run.due_at = time.monotonic() + PROBE_SECONDS
        with suppress(OSError, HTTPException):
            if run.life and run.life.pid and is_ready(run.child):
                run.phase, run.was_ready, run.due_at = Phase.READY, True, math.inf
                logger.info("child ready name=%s pid=%s", run.child.name, run.life.pid)

    def _bury(self, run: _Run, life: Life) -> None:
        """Take note of the end of a child, and decide what comes next."""
        self._selector.unregister(life.channel)
        exit_status, up_seconds = life.bury(), time.monotonic() - run.started_at
        run.life, run.phase, run.due_at = None, Phase.ENDED, math.inf
        name, ending = run.child.name, describe_exit(exit_status)
        if self._asked_by is not None:
            logger.info("child stopped name=%s %s", name, ending)
        elif life.refusal is not None:
            self._fail(name, f"cannot be executed: {life.refusal}")
        elif exit_status == WRONG_CONFIGURATION and up_seconds < FIRST_SECONDS:
            self._fail(name, "says by its exit status 2 that its configuration is wrong")
        elif run.child.restart:
            run.phase, run.delay_seconds = Phase.RESTARTING, next_delay_seconds(run.delay_seconds, up_seconds)
            run.due_at = time.monotonic() + run.delay_seconds
            logger.warning("child ended, restarting name=%s %s in_seconds=%.1f", name, ending, run.delay_seconds)
        else:
            logger.warning("child ended, not restarted name=%s %s", name, ending)

    def _fail(self, name: str, reason: str) -> None:
        self._failure = ChildError(f"{name} {reason}")
        logger.error("child cannot work, stopping all name=%s reason=%s", name, reason)
        self.request_stop("failure")

    def _press_to_stop(self, run: _Run) -> None:
        """Ask a child to stop once nothing that needs it is left."""
        is_needed = any(other.life and run.child.name in other.child.after for other in self._runs.values())
        run.due_at = math.inf
        if run.life is None:
            run.phase = Phase.ENDED
        elif self._is_urgent:
            run.life.stop(signal.SIGKILL)
        elif not is_needed and not run.is_told:
            run.is_told = True
            run.life.stop(run.child.stop_signal)
