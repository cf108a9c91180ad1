"""The front door: version, console script, and the guard of the import path."""

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

try:
    __version__ = version("celery-slo")
except PackageNotFoundError:  # a checkout on the path, nothing installed
    __version__ = "0+unknown"


def main() -> None:
    """Run the command line.

    Our own folder goes first on the import path, so that an application's
    `core` or `alerts` on PYTHONPATH cannot shadow ours.
    """
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from compose.cli import cli  # noqa: PLC0415 - only after the path is ours

    cli(prog_name="celery-slo")
