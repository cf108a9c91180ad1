"""A process tree that a test starts, told from all other processes by a mark in its environment."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from tests.conftest import eventually

ROOT = Path(__file__).resolve().parents[2]
MARK_VARIABLE = "SUPERVISED_TREE"
GONE_STATES = ("Z", "X")  # proc_pid_stat(5): zombie, dead


class ProcessTree:
    """Whatever was executed with the mark, its forks, and whatever was seen to belong to it once.

    A process is its id and its start time, because ids are used again.
    """

    def __init__(self) -> None:
        self.mark = uuid4().hex
        self._seen: set[tuple[int, str]] = set()
        self._started: list[subprocess.Popen] = []

    def start(self, program: Path, *arguments: str, stderr) -> subprocess.Popen:
        """Run a Python file of the tests from the root of the checkout, as leader of a process group of its own."""
        process = subprocess.Popen(
            [sys.executable, str(program), *arguments],
            cwd=ROOT,
            env={**os.environ, MARK_VARIABLE: self.mark, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            process_group=0,
        )
        self._started.append(process)
        return process

    def living(self) -> set[int]:
        """Ids of all its processes that live."""
        entry = f"{MARK_VARIABLE}={self.mark}".encode()
        found = set()
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                state, *others = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
                process = (int(folder.name), others[18])
                if state not in GONE_STATES and (
                    process in self._seen or entry in (folder / "environ").read_bytes().split(b"\0")
                ):
                    found.add(process)
        self._seen |= found
        return {pid for pid, _ in found}

    def await_end(self, within_seconds: float) -> None:
        """Wait until no process of it lives."""
        eventually(lambda: not self.living(), within_seconds, f"no process left of {self.living()}")

    def kill(self) -> None:
        """End what a failed test left."""
        for process in self._started:
            process.kill()
            process.wait()
        for pid in self.living():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
