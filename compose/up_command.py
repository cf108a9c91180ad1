"""`celery-slo up`: exporter, evaluator and dashboard in one supervised process tree."""

import tempfile
from contextlib import ExitStack
from pathlib import Path

import click

from compose.alerts_command import receiver_options
from compose.options import (
    broker_option,
    check_ports,
    check_receivers,
    env_option,
    load_targets,
    log_level_option,
    state_dir_option,
    static_labels,
    targets_option,
)


@click.command()
@broker_option
@env_option("--host", default="127.0.0.1", help="Address to listen on; 0.0.0.0 for all.")
@env_option("--port", default=9818, type=click.IntRange(1, 65535), help="Port of the exporter.")
@env_option("--dashboard-port", default=8501, type=click.IntRange(1, 65535), help="Port of the dashboard.")
@targets_option
@receiver_options
@state_dir_option
@env_option("--static-label", multiple=True, metavar="NAME=VALUE", help="Put this label on every sample. Repeatable.")
@log_level_option
def up(
    broker_url: str,
    host: str,
    port: int,
    dashboard_port: int,
    targets: Path | None,
    alertmanager_url: tuple[str, ...],
    webhook_url: tuple[str, ...],
    state_dir: Path | None,
    static_label: tuple[str, ...],
) -> None:
    """Run exporter, alerts and dashboard against your broker.

    A part that dies is started again. Ctrl-C ends them all.
    """
    from compose.stack import StackSettings, stack_children  # noqa: PLC0415 - the dashboard is an extra
    from compose.supervisor import Supervisor  # noqa: PLC0415

    static_labels(static_label)
    path, _ = load_targets(targets)
    check_ports(host, exporter=port, dashboard=dashboard_port)
    check_receivers(alertmanager_url=alertmanager_url, webhook_url=webhook_url)
    with ExitStack() as stack:
        folder = state_dir or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="celery-slo-")))
        settings = StackSettings(
            broker_url=broker_url,
            targets_path=path.resolve(),
            state_dir=folder.resolve(),
            host=host,
            port=port,
            dashboard_port=dashboard_port,
            alertmanager_urls=alertmanager_url,
            webhook_urls=webhook_url,
            static_labels=static_label,
        )

        def say_ready() -> None:
            click.echo(f"dashboard  {settings.dashboard_url}\nmetrics    {settings.exporter_url}/metrics", err=True)

        raise SystemExit(Supervisor(stack_children(settings)).run(say_ready))
