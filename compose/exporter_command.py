"""`celery-slo exporter`: broker in, numbers out."""

import signal
import threading
from pathlib import Path

import click

from compose.options import (
    broker_option,
    env_option,
    fail,
    load_targets,
    log_level_option,
    state_dir_option,
    static_labels,
    targets_option,
)
from compose.targets_file import TargetsFileError, read_targets
from compose.version import VERSION
from core.targets import TargetTable


@click.command()
@broker_option
@env_option("--host", default="127.0.0.1", help="Address to listen on; 0.0.0.0 for all.")
@env_option("--port", default=9818, type=click.IntRange(0, 65535), help="Port to listen on.")
@targets_option
@state_dir_option
@env_option("--static-label", multiple=True, metavar="NAME=VALUE", help="Put this label on every sample. Repeatable.")
@env_option(
    "--sli-exclude",
    multiple=True,
    default=("celery.*",),
    metavar="GLOB",
    help="Task names that are counted and not held to a target. Repeatable.",
)
@env_option("--target-divisor", default=1.0, type=click.FloatRange(min=1.0), hidden=True)
@log_level_option
def exporter(
    broker_url: str,
    host: str,
    port: int,
    targets: Path | None,
    state_dir: Path | None,
    static_label: tuple[str, ...],
    sli_exclude: tuple[str, ...],
    target_divisor: float,
) -> None:
    """Subscribe to a broker's Celery events and serve /metrics.

    Serves as soon as it runs, whether the broker is there or not. Stops on
    SIGTERM and SIGINT; reads the targets file again on SIGHUP and when it
    changes.
    """
    labels = static_labels(static_label)
    path, table = load_targets(targets)

    from exporters.http import AddressError, PortTakenError  # noqa: PLC0415 - kombu and celery take 0.2 s to import
    from exporters.journal import JournalError  # noqa: PLC0415
    from exporters.service import ExporterService  # noqa: PLC0415
    from exporters.settings import ExporterSettings  # noqa: PLC0415

    watch = TargetsWatch(path)
    settings = ExporterSettings(
        broker_url=broker_url,
        host=host,
        port=port,
        targets_path=path,
        target_divisor=target_divisor,
        state_dir=state_dir,
        static_labels=labels,
        unjudged_names=sli_exclude,
    )
    try:
        service = ExporterService(settings, table, version=VERSION, reload_targets=watch.changed)
    except JournalError as error:
        fail(f"--state-dir {state_dir}: {error}")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    signal.signal(signal.SIGHUP, lambda *_: watch.force())
    try:
        service.run(stop)
    except (PortTakenError, AddressError) as error:
        fail(str(error))


class TargetsWatch:
    """Notices that the targets file changed: by its time and size, or because it was asked to read it again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = self._stamp()

    def force(self) -> None:
        """Read again at the next look, changed or not."""
        self._seen = None

    def changed(self) -> TargetTable | None:
        """The new targets; None = the file is as it was.

        Raises:
            TargetsFileError: it is broken; told once for each change.
        """
        stamp = self._stamp()
        if stamp == self._seen:
            return None
        self._seen = stamp
        targets = read_targets(self._path)
        if not targets.rows:
            raise TargetsFileError(f"{self._path}: no rows; a file that promises nothing replaces no other")
        return targets

    def _stamp(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return (0, 0)
        return (status.st_mtime_ns, status.st_size)
