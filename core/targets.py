"""What each queue promises: the rows of queue_targets.csv, and which of them judges a task."""

import csv
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cached_property, partial
from itertools import chain
from typing import Annotated, Any

import msgspec


class Kind(StrEnum):
    """What the `queue` cell of a row names."""

    QUEUE = "queue"
    PROCESS = "process"  # beat, flower: documented beside the queues, judged by nobody
    PATTERN = "pattern"  # a glob over queues, judged as one
    TASK = "task"  # queue:task-glob, a promise of its own


class TargetClass(StrEnum):
    """The documented word for how soon a task shall start."""

    SECONDS = "seconds"
    MINUTES = "minutes"
    HOURS = "hours"


class Page(StrEnum):
    """Whom a broken promise calls."""

    PAGE = "page"
    TICKET = "ticket"
    NONE = "none"


# The documented words are not numbers; these are in force where the row gives none.
CLASS_SECONDS = {TargetClass.SECONDS: 30.0, TargetClass.MINUTES: 600.0, TargetClass.HOURS: 14_400.0}

# The fast page asks for 14.4 times the allowed rate of misses (Google, The Site Reliability Workbook, chapter 5).
# Below this objective that is more than every task: 14.4 x (1 - objective) reaches 1, and the page cannot fire.
MIN_PAGING_OBJECTIVE = 0.9306


class QueueTarget(msgspec.Struct, frozen=True, kw_only=True):
    """What one queue promises: one row, as parse_targets fills in the defaults of its class."""

    queue: str  # as `kind` reads it: a name, a glob, or queue:task-glob
    kind: Kind = Kind.QUEUE
    target_class: TargetClass | None = None  # None = no class
    target_seconds: Annotated[float, msgspec.Meta(gt=0)] | None = None  # in force, due to started; None = no target
    objective: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.99  # share of tasks that start within the target
    io_bound: bool | None = None  # None = not documented
    cadence: str = ""
    owner: str = ""
    page: Page = Page.NONE
    page_after_seconds: Annotated[float, msgspec.Meta(gt=0)] = 300.0
    scale_to_zero: bool = False  # having no consumer is normal while nothing waits
    serial_tasks: tuple[str, ...] = ()  # names of tasks that run one at a time
    broker: str = ""  # "" = any
    runbook_url: str = ""
    purpose: str = ""
    typical_duration: str = ""
    notes: str = ""


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong with the file."""

    line: int  # where the row starts, from 1
    column: str | None  # None = the whole row
    message: str

    def __str__(self) -> str:
        return f"line {self.line}{f', column {self.column}' if self.column else ''}: {self.message}"


class TargetsError(ValueError):
    """The text is not a table of targets; `problems` says all that is wrong with it, in file order."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class TargetTable(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """All rows of the file; `TargetTable()` is the empty one."""

    rows: tuple[QueueTarget, ...] = ()  # in file order
    warnings: tuple[str, ...] = ()  # what the file says in vain

    @property
    def queue_rows(self) -> tuple[QueueTarget, ...]:
        """The rows that can judge tasks: all but the processes, in file order."""
        return tuple(row for row in self.rows if row.kind is not Kind.PROCESS)

    def find(self, queue: str, task: str | None) -> QueueTarget | None:
        """Pick the row that judges a task of this queue; None = undocumented.

        The first task row that matches, else the queue's own row, else the first pattern that matches.
        `task` is None while its name is not known.
        """
        if task is not None:
            prefix = f"{queue}:"  # the row is not split at a colon: names of queues and tasks may hold some
            for row in self._rows_by_kind[Kind.TASK]:
                if row.queue.startswith(prefix) and fnmatchcase(task, row.queue[len(prefix) :]):
                    return row
        patterns = (row for row in self._rows_by_kind[Kind.PATTERN] if fnmatchcase(queue, row.queue))
        return self._rows_by_queue.get(queue) or next(patterns, None)

    def label(self, queue: str, task: str | None) -> str:
        """Name under which a task is counted: its row's `queue` cell, or the undocumented queue itself."""
        row = self.find(queue, task)
        return queue if row is None else row.queue

    def divided_by(self, divisor: float) -> "TargetTable":
        """Return the same promises for a clock that runs `divisor` times as fast."""
        rows = tuple(
            msgspec.structs.replace(
                row,
                target_seconds=None if row.target_seconds is None else row.target_seconds / divisor,
                page_after_seconds=row.page_after_seconds / divisor,
            )
            for row in self.rows
        )
        return TargetTable(rows=rows, warnings=self.warnings)

    @cached_property
    def _rows_by_queue(self) -> dict[str, QueueTarget]:
        return {row.queue: row for row in reversed(self.rows) if row.kind is Kind.QUEUE}  # the first one stays

    @cached_property
    def _rows_by_kind(self) -> dict[Kind, tuple[QueueTarget, ...]]:
        return {kind: tuple(row for row in self.rows if row.kind is kind) for kind in Kind}


def parse_targets(text: str) -> TargetTable:
    """Read the whole CSV text, header row included.

    Columns come in any order and only `queue` is required. A missing column, an empty cell and a cell that is
    cut off at the end of its row mean the default. Blank rows and lines that begin with # are skipped.

    Raises:
        TargetsError: every problem with its line and column; a broken header alone, for no row can be read without.
    """
    records = _records(text.removeprefix("\ufeff"))
    columns, warnings = _columns(*next(records, (1, Problem(1, None, "no header: the file is empty"))))
    rows: list[QueueTarget] = []
    problems: list[Problem] = []
    line_of: dict[tuple[str, Kind, str], int] = {}
    for line, cells in records:
        if isinstance(cells, Problem):
            problems.append(cells)
        elif len(cells) > len(columns):
            problems.append(Problem(line, None, f"{len(cells)} cells, {len(columns)} columns; a comma needs quotes"))
        else:
            row, found = _row(line, dict(zip(columns, cells, strict=False)))
            rows.append(row)
            problems += found
            if {"queue", "kind", "broker"}.isdisjoint(problem.column for problem in found):
                first_line = line_of.setdefault((row.queue, row.kind, row.broker), line)
                if first_line != line:
                    problems.append(Problem(line, "queue", f"{_shown(row.queue)} is already on line {first_line}"))
    if problems:
        raise TargetsError(tuple(problems))
    return TargetTable(rows=tuple(rows), warnings=warnings if rows else (*warnings, "no rows: no queue has a target"))


def _records(text: str) -> Iterator[tuple[int, list[str] | Problem]]:
    """Yield each row's first line with its stripped cells, or with the reason why it cannot be read."""
    # Not splitlines(): it also breaks at characters like U+2028, which may stand in a note.
    lines = (f"{line}\n" for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    line = 1
    for first in lines:
        if first.startswith("#"):
            line += 1
            continue
        # A reader per row, fed from the shared lines: it takes what a quoted newline needs and leaves the rest.
        reader = csv.reader(chain((first,), lines), strict=True, skipinitialspace=True)
        try:
            cells = [cell.strip() for cell in next(reader)]
        except csv.Error as error:
            yield line, Problem(line, None, f"not CSV ({error}); look for a stray or unclosed quote")
        else:
            if any(cells):
                yield line, cells
        line += reader.line_num


def _columns(line: int, header: list[str] | Problem) -> tuple[list[str], tuple[str, ...]]:
    """Return the columns in the order of the file, and a warning for each unknown one."""
    if isinstance(header, Problem):
        raise TargetsError((header,))
    repeated = [name for name in dict.fromkeys(header) if name and header.count(name) > 1]
    problems = [Problem(line, name, "this column is there more than once") for name in repeated]
    if "queue" not in header:
        problems.append(Problem(line, "queue", f"this column is missing; there is {', '.join(map(_shown, header))}"))
    if problems:
        raise TargetsError(tuple(problems))
    warnings = []
    for name in (name for name in header if name not in _CELL_READERS):
        hint = "".join(f"; did you mean {known}?" for known in get_close_matches(name, _CELL_READERS, n=1))
        warnings.append(f"line {line}: unknown column {_shown(name)} is ignored{hint}")
    return header, tuple(warnings)


def _row(line: int, cells: Mapping[str, str]) -> tuple[QueueTarget, list[Problem]]:
    """Read the cells of one row; what cannot be read is told, and left at its default."""
    values: dict[str, Any] = {"queue": ""}
    problems: list[Problem] = []
    for column, cell in cells.items():
        try:
            if cell and column in _CELL_READERS:
                values[column] = _CELL_READERS[column](cell)
        except ValueError as error:
            problems.append(Problem(line, column, f"{_shown(cell)} {error}"))
    target_class = values.get("target_class")
    seconds = values.setdefault("target_seconds", target_class and CLASS_SECONDS[target_class])
    values.setdefault("page", _default_page(target_class, seconds))
    row = QueueTarget(**values)
    found = _contradictions(row, cells, {problem.column for problem in problems})
    return row, problems + [Problem(line, column, message) for column, message in found]


def _default_page(target_class: TargetClass | None, seconds: float | None) -> Page:
    if seconds is None:
        return Page.NONE
    # A number alone pages where a class that allows as little would.
    nearest = TargetClass.MINUTES if seconds <= CLASS_SECONDS[TargetClass.MINUTES] else TargetClass.HOURS
    return Page.TICKET if (target_class or nearest) is TargetClass.HOURS else Page.PAGE


def _contradictions(row: QueueTarget, cells: Mapping[str, str], refused: set[str | None]) -> Iterator[tuple[str, str]]:
    """Yield column and message of what is wrong only in view of the row's other cells."""
    if not cells.get("queue"):
        yield "queue", "the name is missing"
    elif row.kind is Kind.TASK and row.queue and not all(row.queue.partition(":")[::2]):
        yield "queue", f"{_shown(row.queue)} is not of the form queue:task-glob"
    if row.kind is Kind.PROCESS:
        yield from ((name, "a process has no target") for name in ("target_class", "target_seconds") if cells.get(name))
    pages = row.page is Page.PAGE and row.target_seconds is not None and refused.isdisjoint({"page", "target_class"})
    if pages and row.objective < MIN_PAGING_OBJECTIVE:
        yield "objective", f"{row.objective} is below {MIN_PAGING_OBJECTIVE}: its page could never fire"


def _number(cell: str, below: float = float("inf"), meaning: str = "a number of seconds above 0") -> float:
    if re.fullmatch(r"([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", cell) and 0 < float(cell) < below:
        return float(cell)
    raise ValueError(f"is not {meaning}")


def _word(cell: str, words: Mapping[str, Any]) -> Any:
    if cell.lower() not in words:
        raise ValueError(f"is not one of {', '.join(words)}")
    return words[cell.lower()]


def _text(cell: str) -> str:
    if "\0" in cell:
        raise ValueError("holds a NUL byte")
    return cell


def _name(cell: str) -> str:
    for character in _text(cell):
        if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}:  # nobody would see it
            raise ValueError(f"holds the invisible character U+{ord(character):04X}")
    return cell


def _web_address(cell: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]\S*", cell, re.IGNORECASE):
        raise ValueError("is not an http:// or https:// address")
    return _name(cell)


def _shown(text: str) -> str:
    """Quote a cell for a message: short, and with nothing in it that a terminal would obey."""
    short = text if len(text) <= 60 else f"{text[:60]}..."  # noqa: PLR2004 - enough to find the cell by
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in short) + '"'


_CELL_READERS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("purpose", "typical_duration", "notes"), _text),
    **dict.fromkeys(("queue", "broker", "cadence", "owner"), _name),
    **dict.fromkeys(("target_seconds", "page_after_seconds"), _number),
    **dict.fromkeys(("io_bound", "scale_to_zero"), partial(_word, words={"yes": True, "no": False})),
    "kind": partial(_word, words={word.value: word for word in Kind}),
    "target_class": partial(_word, words={word.value: word for word in TargetClass}),
    "page": partial(_word, words={word.value: word for word in Page}),
    "objective": partial(_number, below=1.0, meaning="a number between 0 and 1, like 0.99"),
    "serial_tasks": lambda cell: tuple(_name(cell).replace(";", " ").split()),
    "runbook_url": _web_address,
}
