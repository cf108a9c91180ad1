"""The front door: the console script, and the guard of the import path."""

import sys
from pathlib import Path


def main() -> None:
    """Run the command line.

    Our own folder goes first on the import path, so that an application's
    `core` or `alerts` on PYTHONPATH cannot shadow ours.
    """
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from compose.cli import cli  # noqa: PLC0415 - only after the path is ours

    cli(prog_name="celery-slo")
