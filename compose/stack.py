"""The three programs of ours as children of one supervisor: exporter, evaluator, dashboard."""

import sys
from pathlib import Path

import msgspec

from compose.supervisor import Child
from dashboard.launch import command as dashboard_command


class StackSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the three listen, what they read, and whom they tell."""

    broker_url: str
    targets_path: Path
    state_dir: Path
    host: str = "127.0.0.1"
    port: int = 9818
    dashboard_port: int = 8501
    target_divisor: float = 1.0
    alertmanager_urls: tuple[str, ...] = ()
    webhook_urls: tuple[str, ...] = ()
    static_labels: tuple[str, ...] = ()  # NAME=VALUE

    @property
    def exporter_url(self) -> str:
        """Where the other two find the exporter."""
        return f"http://{_reachable(self.host)}:{self.port}"

    @property
    def dashboard_url(self) -> str:
        """Where people find the dashboard."""
        return f"http://{_reachable(self.host)}:{self.dashboard_port}"


def own_command(*arguments: str) -> tuple[str, ...]:
    """A command of ours, run by this interpreter; -P keeps the working directory off the import path."""
    return (sys.executable, "-P", "-m", "celery_slo", *arguments)


def stack_children(settings: StackSettings, *, after: tuple[str, ...] = ()) -> list[Child]:
    """Exporter, evaluator and dashboard. The broker's password travels in the environment, not in the process list."""
    exporter = Child(
        name="exporter",
        argv=own_command(
            "exporter",
            f"--host={settings.host}",
            f"--port={settings.port}",
            f"--targets={settings.targets_path}",
            f"--state-dir={settings.state_dir}",
            f"--target-divisor={settings.target_divisor!r}",
            *(f"--static-label={label}" for label in settings.static_labels),
        ),
        env={"CELERY_SLO_BROKER_URL": settings.broker_url},
        after=after,
        ready=f"{settings.exporter_url}/healthz",
    )
    alerts = Child(
        name="alerts",
        argv=own_command(
            "alerts",
            "run",
            f"--exporter-url={settings.exporter_url}",
            f"--dashboard-url={settings.dashboard_url}",
            f"--state-dir={settings.state_dir}",
        ),
        env={
            "CELERY_SLO_ALERTMANAGER_URL": " ".join(settings.alertmanager_urls),
            "CELERY_SLO_WEBHOOK_URL": " ".join(settings.webhook_urls),
        },
        after=("exporter",),
    )
    argv, env = dashboard_command(settings.host, settings.dashboard_port, settings.exporter_url)
    dashboard = Child(
        name="dashboard",
        argv=tuple(argv),
        env=env,
        after=("exporter",),
        ready=f"{settings.dashboard_url}/_stcore/health",
    )
    return [exporter, alerts, dashboard]


def _reachable(host: str) -> str:
    """The address to connect to for a server that listens on `host`."""
    wildcard = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}  # noqa: S104 - compared, not bound
    return wildcard.get(host, f"[{host}]" if ":" in host else host)
