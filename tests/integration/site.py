"""A site that runs Celery: one database of a broker, a producer, workers and our exporter."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.conftest import eventually
from tests.integration.broker_server import BrokerServer
from tests.integration.exporter_client import Exporter
from tests.integration.program import Program
from tests.integration.truth import Truth

APPLICATION = Path(__file__).with_name("truth_app.py")
LONG_TARGETS = "queue,target_seconds\norders,600\nmail,600\nreports,600\nimports,600\n"


class Site:
    """All that is started here ends with it."""

    def __init__(self, broker: BrokerServer, folder: Path) -> None:
        self.broker = broker
        self.url = broker.new_database()
        self.folder = folder
        self.truth = Truth(folder / "truth.jsonl")
        self.targets_path = folder / "targets.csv"
        self.exporter: Exporter | None = None
        self._producer: Program | None = None
        self._workers: list[Program] = []

    # -- the application

    def send(self, task: str, queue: str, count: int = 1, *, args: Sequence[object] = (), **options) -> list[str]:
        """Send a task so many times; returns the ids once the broker has all of them."""
        return self._order({"task": f"truth.{task}", "queue": queue, "count": count, "args": args, "options": options})

    def revoke(self, ids: Sequence[str]) -> None:
        """Tell the workers that are there not to start these."""
        self._order({"revoke": ids})

    def _order(self, order: Mapping[str, object]) -> list[str]:
        if self._producer is None:
            command = [sys.executable, APPLICATION]
            self._producer = self._start(command, "producer", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        pipes = self._producer.process
        pipes.stdin.write(json.dumps(order).encode() + b"\n")
        pipes.stdin.flush()
        answer = pipes.stdout.readline()
        assert answer, self._producer.log
        return json.loads(answer)

    def start_worker(
        self,
        name: str,
        queues: Sequence[str],
        *,
        pool: str = "prefork",
        concurrency: int = 2,
        events: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> Program:
        """Start a worker; `await_workers` tells when it takes tasks."""
        command = [sys.executable, "-m", "celery", "-A", APPLICATION.stem, "worker", "-n", f"{name}@test"]
        command += ["-Q", ",".join(queues), "-P", pool, "-c", str(concurrency), *(["-E"] if events else [])]
        worker = self._start(command, name, {"PYTHONPATH": str(APPLICATION.parent), **(env or {})})
        self._workers.append(worker)
        return worker

    def await_workers(self, *names: str) -> None:
        """Wait until these have said that they are ready."""
        wanted = {f"{name}@test" for name in names}

        def are_ready():
            assert all(worker.exit_status is None for worker in self._workers), [worker.log for worker in self._workers]
            return wanted <= {record["worker"] for record in self.truth.records("worker_ready")}

        eventually(are_ready, 30, f"{names} to be ready")

    def _start(
        self, command: Sequence[str | Path], name: str, env: Mapping[str, str] | None = None, **pipes
    ) -> Program:
        environment = {"TRUTH_BROKER": self.url, "TRUTH_FILE": str(self.truth.path), **(env or {})}
        return Program(command, self.folder / f"{name}.log", cwd=self.folder, env=environment, **pipes)

    # -- the exporter

    def start_exporter(self, *options: str | Path, targets: str = LONG_TARGETS, env=None) -> Exporter:
        """Start an exporter and wait until it sees the stream of events."""
        exporter = self.start_blind_exporter(*options, targets=targets, env=env)
        eventually(exporter.is_ready, 20, "the exporter to be ready")
        return exporter

    def start_blind_exporter(self, *options: str | Path, targets: str = LONG_TARGETS, env=None) -> Exporter:
        """Start an exporter and wait only until it answers."""
        self.targets_path.write_text(targets)
        arguments = ("--broker-url", self.url, "--targets", self.targets_path, *options)
        self.exporter = Exporter(*arguments, folder=self.folder, env=env)
        return self.exporter

    # -- the end

    def close(self) -> None:
        """End everything: at once, save for the exporter, which must end well by itself."""
        for program in (self._producer, *self._workers):
            if program is not None:
                program.kill()
        if self.exporter is not None:
            self.exporter.stop()
            assert self.exporter.tells_tracebacks or "Traceback" not in self.exporter.program.log
