"""A program that a test starts: in a session of its own, with its output in a file, and gone when the test is."""

import os
import random
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.conftest import eventually

DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL")  # also when the tests themselves are killed
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


class Program:
    """One start of a program. Its environment is only what it is given."""

    def __init__(
        self, command: Sequence[str | Path], log: Path, *, cwd: Path, env: Mapping[str, str] | None = None, **pipes
    ) -> None:
        self.log_path = log
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [*DIES_WITH_US, *command],
                stderr=output,
                cwd=cwd,
                env={**kept, **(env or {})},
                start_new_session=True,
                **{"stdin": subprocess.DEVNULL, "stdout": output, **pipes},
            )

    @property
    def log(self) -> str:
        """All that it wrote until now."""
        return self.log_path.read_text(errors="replace")

    @property
    def exit_status(self) -> int | None:
        """As Popen has it; None = it runs. It is not collected before `kill`: until then its id is nobody else's."""
        if self.process.returncode is not None:
            return self.process.returncode
        ended = os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return None
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status

    def terminate(self) -> None:
        """Ask it to end."""
        self.send(signal.SIGTERM)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.exit_status is None:
            os.kill(self.process.pid, number)

    def wait(self, within_seconds: float) -> int:
        """Its exit status, once it has ended by itself."""

        def has_ended():
            assert self.exit_status is not None, f"its log:\n{self.log}"
            return True

        eventually(has_ended, within_seconds, f"{self.process.args} to end")
        return self.exit_status

    def kill(self) -> None:
        """End it and every process of its session, now."""
        if self.process.returncode is not None:
            return
        for pid in _pids_of_session(self.process.pid):
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
