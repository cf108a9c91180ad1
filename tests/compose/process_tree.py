"""A process tree that a test starts, told from all other processes by a mark in its environment."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from tests.conftest import eventually

ROOT = Path(__file__).resolve().parents[2]
SUPERVISED = Path(__file__).with_name("supervised.py")
MARK_VARIABLE = "SUPERVISED_TREE"
GONE_STATES = ("Z", "X")  # proc_pid_stat(5): zombie, dead
SOON = 10.0  # seconds within which things happen, on a busy machine too
GENEROUS = 600.0  # seconds that no test waits


def parent_of(pid: int) -> int:
    """proc_pid_stat(5)."""
    return int(Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[1])


class ProcessTree:
    """Whatever was executed with the mark, its forks, and whatever was seen to belong to it once.

    A process is its id and its start time, because ids are used again.
    """

    def __init__(self, folder: Path) -> None:
        self.mark = uuid4().hex
        self._stderr = folder / "stderr"
        self._seen: set[tuple[int, str]] = set()
        self._started: list[subprocess.Popen] = []

    def supervise(self, *children: dict, stderr: int | None = None) -> subprocess.Popen:
        """Run a supervisor of these children as a program; its stderr goes to a descriptor, or to a file."""
        return self.start(SUPERVISED, json.dumps(children), stderr=stderr)

    def start(self, program: Path, *arguments: str, stderr: int | None = None) -> subprocess.Popen:
        """Run a Python file of the tests from the root of the checkout, as leader of a process group of its own."""
        return self.run(sys.executable, str(program), *arguments, stderr=stderr)

    def run(self, *command: str, stderr: int | None = None) -> subprocess.Popen:
        """Run a command, as `start` does."""
        with os.fdopen(stderr, "wb") if stderr is not None else self._stderr.open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, MARK_VARIABLE: self.mark, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=output,
                process_group=0,
            )
        self._started.append(process)
        return process

    def await_words(self, *words: str) -> None:
        """Wait until the program has said these words in the file."""
        eventually(lambda: all(word in self.said for word in words), SOON, f"{words}; said so far:\n{self.said}")

    @property
    def said(self) -> str:
        """All that the program wrote to its file until now."""
        return self._stderr.read_text(errors="replace")

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
        eventually(lambda: not self.living(), within_seconds, f"no process left, there were {self.living()}")

    def kill(self) -> None:
        """End what a failed test left."""
        for process in self._started:
            process.kill()
            process.wait()
        for pid in self.living():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
