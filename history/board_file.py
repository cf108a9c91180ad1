"""The alert board on disk: the evaluator writes it, the exporter shows it in its snapshot."""

import logging
from pathlib import Path
from typing import TypeVar

import msgspec

from core.alert import AlertBoard

logger = logging.getLogger(__name__)

BOARD_FILE = "alerts.json"  # its name in the state directory

T = TypeVar("T")


def read_board(path: Path) -> AlertBoard | None:
    """Read the board as its writer last left it; None = there is none, or what lies there is no board."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=AlertBoard)
    except (OSError, ValueError):  # msgspec's errors and wrong UTF-8 are ValueErrors
        return None


def write_board(path: Path, board: AlertBoard) -> None:
    """Replace the board. A reader sees the old one or the new one, never a part."""
    replace_file(path, msgspec.json.encode(board))


def replace_file(path: Path, content: bytes) -> None:
    """Write a file as a whole: beside its place first, then over it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.new")
    beside.write_bytes(content)
    beside.replace(path)


def restore_file(path: Path, kind: type[T]) -> T | None:
    """Read back, at the start, what this process wrote with `replace_file`; None = there is nothing to restore.

    A damaged file is set aside under another name, for somebody to look at.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except ValueError as error:
        aside = path.replace(path.with_name(f"{path.name}.damaged"))
        logger.warning("damaged file set aside, its content is forgotten file=%s error=%r", aside, str(error))
        return None
