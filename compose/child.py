"""One child process under its guardian, so that nothing of its tree outlives the child or the supervisor.

This file is both ends of the channel between them: the supervisor's is `Life`, the other is this file run as a program,
which stays the child's parent and is in a session of its own:

    python -I -S child.py CHANNEL DEATH_SIGNAL GRACE_SECONDS -- COMMAND [ARGUMENT...]

CHANNEL is a socket whose other end only the supervisor holds. A byte that comes is the number of a signal that shall
stop the child; end of file means that the supervisor is dead, however it died, and DEATH_SIGNAL is sent. A tree that is
not gone GRACE_SECONDS later is killed. Out go the lines `started PID` or `refused REASON`, and at the very end `ended
STATUS`, when no process of the tree is left.

The guardian is the subreaper of all that the child starts: what loses its parent becomes the guardian's own, whatever
session it moved to. Should the guardian itself be killed, the kernel sends the child DEATH_SIGNAL. It has one thread,
so it does not matter that the kernel ties that promise to a thread.

Only the standard library is imported: the program starts in 20 ms, and the child's environment cannot break it.
"""

import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO

PR_SET_PDEATHSIG = 1  # prctl(2)
PR_SET_CHILD_SUBREAPER = 36
GONE_STATES = frozenset("ZX")  # proc_pid_stat(5): zombie, dead
SESSION_KILL_SECONDS = 2.0  # a killed process that takes longer hangs in the kernel
LINE_BYTES = 65536  # a longer line of output is copied in pieces
RESTART_SECONDS = 1.0  # before the first restart; doubles with each
MAX_RESTART_SECONDS = 30.0
STEADY_SECONDS = 60.0  # after so long a life the doubling begins anew


def next_delay_seconds(previous: float, up_seconds: float) -> float:
    """How long to wait before a child that ended after `up_seconds` starts again; `previous` is 0 the first time."""
    doubled = min(previous * 2, MAX_RESTART_SECONDS)
    return RESTART_SECONDS if up_seconds >= STEADY_SECONDS else max(doubled, RESTART_SECONDS)


def describe_exit(exit_status: int) -> str:
    """`exit_status=1` or `signal=SIGKILL`."""
    if exit_status >= 0:
        return f"exit_status={exit_status}"
    names = {number.value: number.name for number in signal.Signals}
    return f"signal={names.get(-exit_status, -exit_status)}"


class Life:
    """One start of a child, as the supervisor holds it.

    Output goes to `log_file`; without one it is copied to standard error, each line behind `prefix`.

    Raises:
        OSError: the working directory or the log file cannot be opened.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path | None,
        death_signal: int,
        grace_seconds: float,
        log_file: Path | None,
        prefix: str,
    ) -> None:
        self.pid: int | None = None  # None until it runs
        self.refusal: str | None = None  # why it could not be executed; None = it could, or not known yet
        self.exit_status: int | None = None  # negative for a signal; None = it lives
        self._unfinished = b""
        self.channel, theirs = socket.socketpair()
        with ExitStack() as at_failure, theirs, ExitStack() as log:
            at_failure.callback(self.channel.close)
            guard = (str(theirs.fileno()), str(int(death_signal)), str(grace_seconds), "--")
            self._guardian = subprocess.Popen(
                [sys.executable, "-I", "-S", __file__, *guard, *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if log_file is None else log.enter_context(log_file.open("ab")),
                stderr=subprocess.STDOUT,
                cwd=cwd and str(cwd),  # as it shall stand in the error
                env={**os.environ, **env},
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C at the terminal reaches the supervisor alone
            )
            at_failure.pop_all()
        copy = (self._guardian.stdout, prefix.encode())
        self._copier = threading.Thread(target=_copy_lines, args=copy, daemon=True)
        self._copier.start()

    def stop(self, number: int) -> None:
        """Send the child a signal that should end it; its grace begins."""
        with suppress(OSError):  # it ended meanwhile
            self.channel.send(bytes([number]))

    def listen(self) -> bool:
        """Take in what the guardian said. Returns whether it is still there."""
        try:
            said = self.channel.recv(4096)
        except ConnectionError:  # it died with signals of ours unread
            said = b""
        *lines, self._unfinished = (self._unfinished + said).split(b"\n")
        for line in lines:
            match line.decode().partition(" "):
                case "started", _, pid:
                    self.pid = int(pid)
                case "refused", _, reason:
                    self.refusal = reason
                case "ended", _, exit_status:
                    self.exit_status = int(exit_status)
        return bool(said)

    def bury(self) -> int:
        """Collect the guardian once it is gone, with all that is left of its session. Returns the exit status."""
        with suppress(ChildProcessError):
            os.waitid(os.P_PID, self._guardian.pid, os.WEXITED | os.WNOWAIT)  # the id stays its own until `wait`
        _kill_session(self._guardian.pid)
        guardian_status = self._guardian.wait()
        self._copier.join(timeout=1.0)  # takes longer only when nobody reads what we write
        self.channel.close()
        return guardian_status if self.exit_status is None else self.exit_status


def _copy_lines(lines: BinaryIO | None, prefix: bytes) -> None:
    """Copy until the last writer is gone. Where nobody reads any more, lines are lost and the child goes on."""
    if lines is None:  # it has a log file
        return
    with lines:
        while line := lines.readline(LINE_BYTES):
            rest = prefix + line.removesuffix(b"\n") + b"\n"
            with suppress(OSError):
                while rest:
                    rest = rest[os.write(2, rest) :]


def _kill_session(session: int) -> None:
    """Kill a session whose leader was not waited for yet, so that the number is still its own.

    For the one case that a guardian could not see to: that it was killed itself.
    """
    give_up_at = time.monotonic() + SESSION_KILL_SECONDS
    while _kill_where(lambda _parent, its_session: its_session == session) and time.monotonic() < give_up_at:
        time.sleep(0.002)  # between the signal and the death


def _kill_where(is_ours: Callable[[int, int], bool]) -> int:
    """Kill the processes whose (parent, session) is ours. Returns how many were alive."""
    alive = 0
    for pid, state, parent, session in _processes():
        if is_ours(parent, session):
            alive += state not in GONE_STATES
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)  # zombies too: it may be only the first thread that ended
    return alive


def _processes() -> Iterator[tuple[int, str, int, int]]:
    """(pid, state, parent, session) of each process; proc_pid_stat(5)."""
    for entry in os.listdir("/proc"):  # noqa: PTH208 - plain names
        if entry.isdecimal():
            with suppress(FileNotFoundError, ProcessLookupError):
                stat = Path(f"/proc/{entry}/stat").read_text("utf-8", "replace")
                # The name in parentheses is the program's own choice and may contain anything.
                state, parent, _group, session = stat.rpartition(")")[2].split()[:4]
                yield int(entry), state, int(parent), int(session)


def guard(arguments: Sequence[str]) -> None:
    """Run one child to the end of its whole tree: the guardian's program."""
    descriptor, death_signal, grace_seconds, _, *command = arguments
    channel = socket.socket(fileno=int(descriptor))
    channel.set_inheritable(False)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    deaths = _wake_on_death()
    try:
        child = _start(command, int(death_signal))
    except (OSError, ValueError) as error:
        _say(channel, f"refused {error}")
        return
    _say(channel, f"started {child.pid}")
    child.returncode = _watch(child.pid, channel, deaths, int(death_signal), float(grace_seconds))
    _kill_descendants()
    _say(channel, f"ended {child.returncode}")


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl {option} failed")


def _say(channel: socket.socket, line: str) -> None:
    with suppress(OSError):  # nobody is left to hear it
        channel.sendall(f"{line}\n".encode())


def _wake_on_death() -> int:
    """Returns a descriptor that becomes readable when a process of ours has died.

    Signals that a service manager sends to every process it knows are for the child to act on. The guardian's handlers
    do nothing. Unlike ignored signals they end with exec: the child has defaults, whatever our own parent ignored.
    """
    readable, writable = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: None)
    return readable


def _start(command: Sequence[str], death_signal: int) -> subprocess.Popen[bytes]:
    guardian = os.getpid()

    def before_exec() -> None:
        _prctl(PR_SET_PDEATHSIG, death_signal)
        if os.getppid() != guardian:  # it died before the line above
            os._exit(127)

    # A group of its own: a child that signals its whole group must not hit the guardian.
    return subprocess.Popen(command, process_group=0, preexec_fn=before_exec)  # noqa: PLW1509 - there is one thread


def _watch(pid: int, channel: socket.socket, deaths: int, death_signal: int, grace_seconds: float) -> int:
    """See the child to its end. Returns its exit status, negative for a signal."""
    poll = select.poll()
    poll.register(deaths, select.POLLIN)
    poll.register(channel, select.POLLIN)
    kill_at: float | None = None
    while True:
        timeout_ms = None if kill_at is None else max(0.0, kill_at - time.monotonic()) * 1000
        ready = {descriptor for descriptor, _ in poll.poll(timeout_ms)}
        if deaths in ready:
            os.read(deaths, 4096)
        exit_status = _reap(pid)
        if exit_status is not None:
            return exit_status
        # Until it is reaped its id cannot be reused, so the signals below hit nobody else.
        if channel.fileno() in ready:
            orders = _orders(channel)
            if not orders:
                poll.unregister(channel)
            for number in orders or bytes([death_signal]):
                os.kill(pid, number)
            kill_at = time.monotonic() + grace_seconds
        if kill_at is not None and time.monotonic() >= kill_at:
            os.kill(pid, signal.SIGKILL)
            kill_at = None


def _orders(channel: socket.socket) -> bytes:
    """Signal numbers from the supervisor; none = it is dead."""
    try:
        return channel.recv(64)
    except ConnectionError:  # with lines of ours unread
        return b""


def _reap(child: int) -> int | None:
    """Collect the dead, adopted ones too. Returns the child's exit status once it is among them."""
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == child:
            return os.waitstatus_to_exitcode(status)
        if pid == 0:
            return None


def _kill_descendants() -> None:
    """Kill whatever the child left, down to the last generation.

    Only our own children are killed: until we wait for them their ids cannot be reused. Whoever they leave becomes our
    child in turn, before the wait returns. As long as any descendant lives, one of its line is our child; so the wait
    never blocks on one that was not killed, and there are none when it finds no child.
    """
    guardian = os.getpid()
    while True:
        _kill_where(lambda parent, _session: parent == guardian)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


if __name__ == "__main__":
    guard(sys.argv[1:])
