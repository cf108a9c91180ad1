"""The targets file on disk: where it lies, and reading it."""

from pathlib import Path

from core.targets import TargetsError, TargetTable, parse_targets

_ROOT = Path(__file__).resolve().parent.parent  # the checkout, or the folder that the wheel was unpacked into


class TargetsFileError(ValueError):
    """The targets file cannot be used; the message has a line for each reason, beginning with the path."""


def default_path() -> Path:
    """Where the queue_targets.csv that comes with us lies.

    Its rows are the queues of CommCare HQ documentation, docs/celery.rst, 2019-03-12.
    """
    installed = _ROOT / "celery_slo" / "queue_targets.csv"  # pyproject.toml puts it there in the wheel
    return installed if installed.is_file() else _ROOT / "queue_targets.csv"


def read_targets(path: Path) -> TargetTable:
    """Read a targets file.

    Raises:
        TargetsFileError: it cannot be read, is not UTF-8, or has problems; all of them are told.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TargetsFileError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return parse_targets(content.decode())
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TargetsFileError(f"{path}: line {line}: not UTF-8: byte 0x{content[error.start]:02x}") from error
    except TargetsError as error:
        raise TargetsFileError("\n".join(f"{path}: {problem}" for problem in error.problems)) from error
