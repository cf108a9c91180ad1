"""A made-up exporter: serves one scene over HTTP, without a broker.

As a program it is a playground for the pages:
`python -m tests.dashboard.fake_exporter --scene incident --port 9818`.
"""

import argparse
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import msgspec

from core.snapshot import Snapshot
from tests.dashboard.scenes import SCENES, calm

Scene = Callable[[float], Snapshot]


class FakeExporter:
    """Serves what `scene` paints, at the moment it is asked. Stop and start keep the port."""

    def __init__(self, scene: Scene = calm, port: int = 0) -> None:
        self.scene = scene
        self.port = port  # 0 until the first start: the system picks a free one
        self.answer: tuple[int, bytes] | None = None  # status and body instead of the scene
        self.requests = 0
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                fake.requests += 1
                status, body = fake.answer or (200, msgspec.json.encode(fake.scene(time.time())))
                if self.path != "/api/v1/snapshot":
                    status = 404
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_) -> None:
                """Tests read no access log."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop()


def main() -> None:
    """Serve one scene until interrupted."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--scene", choices=SCENES, default="incident")
    parser.add_argument("--port", type=int, default=9818)
    arguments = parser.parse_args()
    with FakeExporter(SCENES[arguments.scene], arguments.port) as fake:
        print(f"{arguments.scene} on {fake.url}/api/v1/snapshot")
        threading.Event().wait()


if __name__ == "__main__":
    main()
