"""A program that a test starts: in a session of its own, with its output in a file, and gone when the test is."""

import ctypes
import os
import random
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.conftest import eventually

PR_SET_PDEATHSIG = 1  # prctl(2)
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
# Below the range from which the kernel takes ports for outgoing connections: none of those takes ours meanwhile.
PORTS = range(20_000, 32_000)


def free_port() -> int:
    """A port of the loopback address on which nothing listens now."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Program:
    """One start of a program. Its environment is only what it is given."""

    def __init__(
        self, command: Sequence[str | Path], log: Path, *, cwd: Path, env: Mapping[str, str] | None = None, **pipes
    ) -> None:
        self.log_path = log
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                stderr=output,
                cwd=cwd,
                env={**kept, **(env or {})},
                start_new_session=True,
                preexec_fn=_die_with_parent,
                **{"stdin": subprocess.DEVNULL, "stdout": output, **pipes},
            )

    @property
    def log(self) -> str:
        """All that it wrote until now."""
        return self.log_path.read_text(errors="replace")

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.poll() is None

    def terminate(self) -> None:
        """Ask it to end."""
        self.send(signal.SIGTERM)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.is_running:
            self.process.send_signal(number)

    def wait(self, within_seconds: float) -> int:
        """Its exit status, once it has ended by itself."""
        eventually(lambda: not self.is_running, within_seconds, f"{self.process.args} to end; its log:\n{self.log}")
        return self.process.returncode

    def kill(self) -> None:
        """End it and every process of its session, now."""
        leader = self.process.pid
        for pid in _pids_of_session(leader):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        self.process.wait()


def _pids_of_session(session: int) -> list[int]:
    """Living processes of a session; proc_pid_stat(5)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _parent, _group, its_session = stat.read_text(errors="replace").rpartition(")")[2].split()[:4]
            if int(its_session) == session and state not in "ZX":
                found.append(int(stat.parent.name))
    return found
