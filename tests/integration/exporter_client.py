"""The exporter as its users meet it: a process, its log, its pages."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import requests
from prometheus_client.parser import text_string_to_metric_families

from core.snapshot import QueueView, Snapshot
from tests.conftest import eventually
from tests.integration.program import Program

STOP_SECONDS = 5.0
COMMAND = (sys.executable, "-m", "celery_slo", "exporter")
_LISTENS = re.compile(r"http server listens address=127\.0\.0\.1:(\d+)")
_LEVEL = re.compile(r"^[-0-9]+ [0-9:,]+ ([A-Z]+) ", re.MULTILINE)


class Exporter:
    """One exporter on a free port. It must end well when it is stopped, or the test fails."""

    def __init__(
        self,
        *options: str | Path,
        folder: Path,
        env: Mapping[str, str] | None = None,
        command: Sequence[str | Path] = COMMAND,
    ) -> None:
        self.tells_tracebacks = "DEBUG" in options
        log = folder / "exporter.log"
        log.unlink(missing_ok=True)
        self.program = Program([*command, "--port", "0", *options], log, cwd=folder, env=env)
        try:
            eventually(self._port, 20, "the exporter to listen")
        except BaseException:
            self.program.kill()
            raise
        self.url = f"http://127.0.0.1:{self._port()}"

    def _port(self) -> str | None:
        assert self.program.exit_status is None, self.program.log
        found = _LISTENS.search(self.program.log)
        return found and found[1]

    # -- pages

    def get(self, path: str, accept: str = "*/*") -> requests.Response:
        """Ask for a page."""
        return requests.get(f"{self.url}{path}", headers={"Accept": accept}, timeout=10)

    def samples(self) -> dict[tuple[str, frozenset], float]:
        """One scrape, as the client's own parser reads it: value by name and labels."""
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(self.get("/metrics").text)
            for sample in family.samples
        }

    def value(self, metric: str, **labels: str) -> float | None:
        """The value of one series; None = it is not there."""
        return self.samples().get((metric, frozenset(labels.items())))

    def counts(self, metric: str, *labels: str) -> Counter:
        """The values of a family by these labels, zeros left out."""
        found = Counter()
        for (name, pairs), value in self.samples().items():
            if name == metric and value:
                found[tuple(dict(pairs)[label] for label in labels)] += value
        return found

    def snapshot(self) -> Snapshot:
        """The snapshot, as the dashboard reads it."""
        return msgspec.json.decode(self.get("/api/v1/snapshot").content, type=Snapshot)

    def queue(self, name: str) -> QueueView | None:
        """One queue of the snapshot; None = it was not heard of."""
        return next((view for view in self.snapshot().queues if view.queue == name), None)

    def is_ready(self) -> bool:
        """Whether it says that its numbers can be relied on."""
        return self.get("/readyz").status_code == 200

    # -- log and life

    def lines(self, level: str) -> list[str]:
        """Log lines of a level."""
        return [line for line in self.program.log.splitlines() if (found := _LEVEL.match(line)) and found[1] == level]

    def stop(self, within_seconds: float = STOP_SECONDS) -> None:
        """Ask it to end, and see that it does so well."""
        if self.program.process.returncode is not None:
            return  # it was stopped before
        self.program.terminate()
        try:
            assert self.program.wait(within_seconds) == 0, self.program.log
        finally:
            self.program.kill()

    close = stop


def refused(*options: str | Path, folder: Path, env: Mapping[str, str] | None = None) -> str:
    """Start an exporter that must not start: standard error, of which exit status 2 was seen to."""
    log = folder / "refused.log"
    log.unlink(missing_ok=True)
    program = Program([*COMMAND, "--port", "0", *options], log, cwd=folder, env=env, stdout=subprocess.DEVNULL)
    try:
        assert program.wait(20) == 2, program.log
    finally:
        program.kill()
    return program.log
