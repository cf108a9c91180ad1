"""Options that several commands share, each with its environment variable."""

import logging
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from compose.targets_file import TargetsFileError, default_path, read_targets
from core.metrics import CATALOGUE
from core.targets import TargetTable
from exporters.broker import Broker, BrokerUrlError

Command = TypeVar("Command", bound=Callable[..., Any])

WRONG_CONFIGURATION = 2  # exit status
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_OWN_LABELS = {label for metric in CATALOGUE for label in metric.labels} | {"le", "job", "instance"}


def env_option(flag: str, **settings: Any) -> Callable[[Command], Command]:
    """An option whose environment variable is CELERY_SLO_ and its name."""
    variable = "CELERY_SLO_" + flag.lstrip("-").partition("/")[0].replace("-", "_").upper()
    return click.option(flag, envvar=variable, show_envvar=True, **settings)


def broker_option(command: Command) -> Command:
    """--broker-url, also from a file named by CELERY_SLO_BROKER_URL_FILE: it carries a password."""
    return env_option(
        "--broker-url",
        metavar="URL",
        callback=_checked_broker,
        help="Broker of the Celery application, e.g. redis://localhost:6379/0. "
        "CELERY_SLO_BROKER_URL_FILE names a file that holds it.",
    )(command)


def targets_option(command: Command) -> Command:
    """--targets, checked at once; every problem is told."""
    return env_option(
        "--targets",
        type=click.Path(path_type=Path),
        default=None,
        help="What each queue promises (CSV).  [default: the queue_targets.csv that comes with celery-slo]",
    )(command)


def state_dir_option(command: Command) -> Command:
    """--state-dir."""
    return env_option(
        "--state-dir",
        type=click.Path(path_type=Path, file_okay=False),
        default=None,
        help="Folder for what must outlive a restart. Without it nothing is kept.",
    )(command)


def log_level_option(command: Command) -> Command:
    """--log-level."""
    return env_option(
        "--log-level",
        type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"], case_sensitive=False),
        default="INFO",
        callback=lambda _ctx, _parameter, value: _configure_logging(value),
        expose_value=False,
        help="Least severe log lines that are written to stderr.",
    )(command)


def load_targets(path: Path | None) -> tuple[Path, TargetTable]:
    """Read the targets file, or end the program with all its problems."""
    chosen = path or default_path()
    try:
        table = read_targets(chosen)
    except TargetsFileError as error:
        fail(str(error))
    for warning in table.warnings:
        logging.getLogger(__name__).warning("targets file=%s %s", chosen, warning)
    return chosen, table


def check_ports(host: str, **ports: int) -> None:
    """End the program if one of these (by what is to listen there) is taken, or named twice."""
    from dashboard.launch import PortError, check_port  # noqa: PLC0415 - the dashboard is an extra

    for name, port in ports.items():
        if list(ports.values()).count(port) > 1:
            fail(f"port {port} is named for more than one of {', '.join(ports)}")
        try:
            check_port(host, port)
        except PortError as error:
            fail(str(error).replace("the dashboard", f"the {name}"))


def check_receivers(**urls: tuple[str, ...]) -> None:
    """End the program if a URL (by its option) is no HTTP address; the message leaves the address out."""
    from alerts.endpoint import AddressError, Endpoint  # noqa: PLC0415 - requests takes 0.1 s to import

    for option, values in urls.items():
        for url in values:
            try:
                Endpoint(url)
            except AddressError as error:
                fail(f"--{option.replace('_', '-')}: {error}")


def static_labels(pairs: tuple[str, ...]) -> dict[str, str]:
    """Read `name=value` pairs, or end the program."""
    labels: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not _LABEL_NAME.fullmatch(name) or name.startswith("__"):
            fail(f"--static-label {pair!r}: expected NAME=VALUE with a Prometheus label name")
        if name in _OWN_LABELS:
            fail(f"--static-label {pair!r}: {name!r} is a label of our own metrics (or of Prometheus); choose another")
        labels[name] = value
    return labels


def fail(message: str) -> NoReturn:
    """Say what is wrong with the configuration and end the program."""
    sys.stderr.write(message.rstrip() + "\n")
    raise SystemExit(WRONG_CONFIGURATION)


def _checked_broker(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> str:
    url = value or _secret_from_file("CELERY_SLO_BROKER_URL_FILE")
    if not url:
        fail("no broker: give --broker-url, CELERY_SLO_BROKER_URL or CELERY_SLO_BROKER_URL_FILE")
    try:
        Broker(str(url))
    except BrokerUrlError as error:
        fail(str(error))
    return str(url)


def _secret_from_file(variable: str) -> str | None:
    path = os.environ.get(variable)
    if not path:
        return None
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{variable}={path}: cannot be read: {error}")
    return None


def _configure_logging(level: str) -> None:
    logging.basicConfig(
        level=level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s", force=True
    )
    for chatty in ("celery", "kombu", "amqp", "urllib3"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))
