"""`celery-slo alerts`: the evaluator."""

import signal
import threading
from pathlib import Path

import click

from compose.options import env_option, fail, log_level_option, state_dir_option


@click.group()
def alerts() -> None:
    """Evaluate alerts and deliver them."""


def receiver_options(command: click.decorators.FC) -> click.decorators.FC:
    """--alertmanager-url and --webhook-url."""
    command = env_option(
        "--webhook-url", multiple=True, metavar="URL", help="POST each alert that fires or resolves there. Repeatable."
    )(command)
    return env_option(
        "--alertmanager-url",
        multiple=True,
        metavar="URL",
        help="Alertmanager to send alerts to; name every member of a cluster. Repeatable.",
    )(command)


@alerts.command()
@env_option("--exporter-url", default="http://127.0.0.1:9818", help="Where the exporter listens.")
@receiver_options
@state_dir_option
@env_option("--dashboard-url", default=None, metavar="URL", help="Base of the links in alerts.")
@env_option(
    "--interval-seconds", default=5.0, type=click.FloatRange(min=0, min_open=True), help="Between two evaluations."
)
@log_level_option
def run(
    exporter_url: str,
    alertmanager_url: tuple[str, ...],
    webhook_url: tuple[str, ...],
    state_dir: Path | None,
    dashboard_url: str | None,
    interval_seconds: float,
) -> None:
    """Evaluate the exporter's snapshot and tell the receivers, until stopped."""
    from alerts.endpoint import AddressError  # noqa: PLC0415 - requests takes 0.1 s to import
    from alerts.service import AlertService, AlertSettings  # noqa: PLC0415

    settings = AlertSettings(
        exporter_url=exporter_url,
        interval_seconds=interval_seconds,
        alertmanager_urls=alertmanager_url,
        webhook_urls=webhook_url,
        state_dir=state_dir,
        dashboard_url=dashboard_url,
    )
    try:
        service = AlertService(settings)
    except AddressError as error:
        fail(f"--exporter-url, --alertmanager-url or --webhook-url: {error}")
    except OSError as error:
        fail(f"--state-dir {state_dir}: {error.strerror}")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    service.run(stop)
