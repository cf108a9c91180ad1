"""How the dashboard is started: the child process for a supervisor, and what that child reads back."""

import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

_FOLDER = Path(__file__).resolve().parent
_EXPORTER_URL = "CELERY_SLO_EXPORTER_URL"
_DEFAULT_EXPORTER_URL = "http://127.0.0.1:9818"

_OPTIONS = {
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "browser.gatherUsageStats": "false",  # else every browser asks data.streamlit.io
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",  # a traceback belongs in the log, not before an SRE
    "logger.hideWelcomeMessage": "true",
    # A forced collection after every refresh holds the GIL for 70 ms; with 50 viewers the pages took seconds.
    "runner.postScriptGC": "false",
    # How many times its ttl a cached snapshot may be served while a slow exporter is asked in the background.
    "runner.cacheBackgroundRefreshTTLMultiplier": "4",
    # Red is kept for what is late. The backgrounds stand in overview.css too, under its sticky table head.
    "theme.light.primaryColor": "#0f766e",
    "theme.light.backgroundColor": "#ffffff",
    "theme.dark.primaryColor": "#2dd4bf",
    "theme.dark.backgroundColor": "#151719",
}


class PortError(Exception):
    """The dashboard cannot listen where it is told to."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the pages need to know from outside."""

    exporter_url: str


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read back in the child what `command` put into its environment."""
    return Settings(exporter_url=environ.get(_EXPORTER_URL) or _DEFAULT_EXPORTER_URL)


def command(host: str, port: int, exporter_url: str) -> tuple[list[str], dict[str, str]]:
    """Say how to start the dashboard: its argument list, and the variables to add to the environment.

    Our own folder is the whole PYTHONPATH and the working directory stays off the
    import path (-P), so that an application's `core` cannot shadow ours.
    """
    options = {"server.address": host, "server.port": str(port)} | _OPTIONS
    flags = [f"--{name}={value}" for name, value in options.items()]
    argv = [sys.executable, "-P", "-m", "streamlit", "run", str(_FOLDER / "app.py"), *flags]
    return argv, {_EXPORTER_URL: exporter_url, "PYTHONPATH": str(_FOLDER.parent)}


def check_port(host: str, port: int) -> None:
    """Make sure that the dashboard can listen there, before Streamlit finds out in its own words.

    Raises:
        PortError: one line that names the address and the reason.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server itself will do
            probe.bind(address)
    except OSError as error:
        raise PortError(f"the dashboard cannot listen on {host}:{port}: {error.strerror}") from error
