"""`celery-slo dashboard`: the page alone, beside an exporter that runs elsewhere."""

import os

import click

from compose.options import env_option, fail


@click.command()
@env_option("--host", default="127.0.0.1", help="Address to listen on; 0.0.0.0 for all.")
@env_option("--dashboard-port", default=8501, type=click.IntRange(1, 65535), help="Port to listen on.")
@env_option("--exporter-url", default="http://127.0.0.1:9818", help="Where the exporter listens.")
def dashboard(host: str, dashboard_port: int, exporter_url: str) -> None:
    """Serve the dashboard (needs the extra: pip install 'celery-slo[dashboard]')."""
    from dashboard.launch import PortError, check_port, command  # noqa: PLC0415 - the extra may be missing

    try:
        check_port(host, dashboard_port)
    except PortError as error:
        fail(str(error))
    argv, env = command(host, dashboard_port, exporter_url)
    os.execve(argv[0], argv, {**os.environ, **env})  # noqa: S606 - our own interpreter and script
