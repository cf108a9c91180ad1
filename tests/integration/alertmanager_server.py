"""Debian's Alertmanager, started by a test."""

import socket
import subprocess

import requests

from tests.conftest import eventually

CONFIGURATION = """
route: {receiver: nobody}
receivers: [{name: nobody}]
"""


class AlertmanagerServer:
    """Debian's program on a loopback port of its own, alone in its cluster."""

    def __init__(self, program, folder):
        self._program = program
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._process = None
        (folder / "alertmanager.yml").write_text(CONFIGURATION)

    def start(self):
        with (self._folder / "alertmanager.log").open("a") as log:
            self._process = subprocess.Popen(
                [
                    self._program,
                    f"--config.file={self._folder / 'alertmanager.yml'}",
                    f"--storage.path={self._folder / 'storage'}",
                    f"--web.listen-address=127.0.0.1:{self._port}",
                    "--cluster.listen-address=",
                ],
                stderr=log,
            )
        eventually(self._is_ready, 20, "Alertmanager to be ready")

    def stop(self):
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def alerts(self, **states):
        """Ask for its alerts; by default the active ones."""
        return requests.get(f"{self.url}/api/v2/alerts", params=states, timeout=5).json()

    def _is_ready(self):
        assert self._process.poll() is None, (self._folder / "alertmanager.log").read_text()
        try:
            return requests.get(f"{self.url}/-/ready", timeout=5).ok
        except requests.ConnectionError:
            return False
