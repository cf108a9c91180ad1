"""The memory on disk: attempts that have not ended, in a journal that outlives the process.

It is meant to survive SIGKILL, not a power cut: what `write` took is safe in
the kernel, so nothing is ever synced.

A journal is a folder of segments: numbered files of blocks, as `core.record`
makes them. Blocks count in the order in which they were written: a record
replaces earlier ones of its key, the key of an ended attempt (a tombstone)
takes them away.
"""

import fcntl
import logging
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import msgspec

from core.record import HEADER, AttemptRecord, Block, Key, is_unfinished, pack, unpack

logger = logging.getLogger(__name__)

SEGMENT_BYTES = 8_000_000  # some 90,000 records: moving them takes a fifth of a second
BLOCK_RECORDS = 10_000  # moved at once: a block is read in one piece, and no event is handled meanwhile
RECORD_BYTES = 90  # measured, with a UUID as the task's id
LOCK_FILE = "lock"
SUFFIX = ".journal"
FILE_MODE = 0o644


class JournalError(Exception):
    """The journal's folder cannot be read or written."""


class JournalInUseError(JournalError):
    """Another process keeps its journal in this folder."""


class _Segment(msgspec.Struct):
    path: Path
    number: int
    size_bytes: int  # up to the end of its last whole block


class Journal:
    """The segments of one folder. Not thread-safe: one thread opens, loads, appends and compacts."""

    def __init__(self, folder: Path, lock: int, segments: Sequence[_Segment], segment_bytes: int) -> None:
        self._folder = folder
        self._lock: int | None = lock
        self._segments = deque(segments)  # oldest first
        self._segment_bytes = segment_bytes
        self._file: int | None = None  # the newest segment, open for writing
        self._is_sealed = True  # the newest segment takes no more; at first because nobody knows how it ends
        self._appended_bytes = 0  # since the last step of compaction
        # Of compaction: what was found living when everything was last read, and what ended since beyond what began.
        self._living_bytes = 0
        self._moved_bytes = 0
        self._ended_net = 0
        self._last_to_move: int | None = None  # number of a segment; None = compaction rests

    @classmethod
    def open(cls, folder: Path, *, segment_bytes: int = SEGMENT_BYTES) -> Self:
        """Take hold of a folder, which is made if need be. `load` comes next.

        Raises:
            JournalInUseError: another process has it.
            JournalError: it cannot be read or written.
        """
        with _naming(folder):
            folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, FILE_MODE)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                segments = [
                    _Segment(path, int(path.stem), path.stat().st_size)
                    for path in folder.glob(f"*{SUFFIX}")
                    if path.stem.isdecimal()
                ]
            except BlockingIOError as error:
                os.close(lock)
                raise JournalInUseError(f"the journal in {folder} is in use by another exporter") from error
            except BaseException:
                os.close(lock)
                raise
        return cls(folder, lock, sorted(segments, key=lambda segment: segment.number), segment_bytes)

    def close(self) -> None:
        """Let go of the folder; what was appended stays."""
        self._close_newest()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def load(self) -> list[AttemptRecord]:
        """Read the records of all attempts that have not ended, in the order in which they were first written.

        Compaction writes anew: what it moved comes behind what was not moved.
        What is damaged is set aside as `*.damaged` and does not stop the rest.

        Raises:
            JournalError: the folder cannot be read or written.
        """
        living: dict[Key, AttemptRecord] = {}
        for segment in self._segments:
            for records, ended in self._read(segment):
                for key in ended:
                    living.pop(key, None)
                living.update((record.key(), record) for record in records)
        self._is_sealed = False
        self._living_bytes = len(living) * RECORD_BYTES
        self._ended_net = 0
        return list(living.values())

    def append(self, records: Sequence[AttemptRecord], ended: Sequence[Key]) -> None:
        """Write down what is new, in one piece that is read back as a whole or not at all.

        An attempt that ended and began again under its old key may be in both.

        Raises:
            JournalError: nothing of it was written; the journal is as it was before, and may be tried again.
        """
        if records or ended:
            self._appended_bytes += self._write(records, ended)
            self._ended_net += len(ended) - len(records)

    def compact(self, is_live: Callable[[Key], bool], current: Callable[[Key], AttemptRecord | None]) -> int:
        """Make the journal smaller, if more than half of it is no longer true; one step of many, between appends.

        `is_live` says whether an attempt has not ended, `current` gives its
        record as of now (None = it ended a moment ago). Both must know what
        `load` returned. Returns how many records were moved.

        Raises:
            JournalError: a segment cannot be read, written or deleted; nothing is lost, and a later step goes on.
        """
        # The invariant: whatever is deleted is older than all that stays. A tombstone is needed as long as a record
        # that it took away may be on disk, and such a record is never newer than the tombstone. So only ever the
        # oldest segment goes, even when a younger one holds nothing but tombstones; and it goes after what still
        # lives of it was written to the newest. Killed in between, the journal has both, and the newer one counts.
        # What is moved is the attempt as it is now, never the old bytes: they may have been replaced in a segment
        # between the two, and would win over their own replacement.
        budget_bytes = 2 * self._appended_bytes  # faster than appends, or they would never be caught up with
        self._appended_bytes = 0
        if self._last_to_move is None:
            self._last_to_move = self._begin_round()
            if self._last_to_move is None:
                return 0
        moved = 0
        while self._segments and self._segments[0].number <= self._last_to_move:
            budget_bytes -= self._segments[0].size_bytes
            moved += self._move_oldest(is_live, current)
            if budget_bytes <= 0:
                break
        if not self._segments or self._segments[0].number > self._last_to_move:
            self._living_bytes = self._moved_bytes
            self._last_to_move = None
        return moved

    def _begin_round(self) -> int | None:
        """Start to move all segments that there are, if that seems worth it; returns the last one's number.

        How much lives is not counted: that would take an index of all keys. It
        is known of the last time that everything was read, by `load` or by a
        round. What ended since is taken off; what began since is not added
        before the next round has seen it. So a round comes too early rather
        than too late, and in a growing waiting set each is twice the one before.
        """
        ended_bytes = max(0, self._ended_net) * RECORD_BYTES
        living_bytes = max(0, self._living_bytes - ended_bytes)
        whole_bytes = sum(segment.size_bytes for segment in self._segments)
        if whole_bytes <= 2 * living_bytes + 2 * self._segment_bytes:
            return None
        self._is_sealed = True  # what is moved out of the newest must not go into it
        self._moved_bytes = 0
        self._ended_net = 0
        return self._segments[-1].number

    def _move_oldest(self, is_live: Callable[[Key], bool], current: Callable[[Key], AttemptRecord | None]) -> int:
        oldest = self._segments[0]
        keys = dict.fromkeys(record.key() for records, _ in self._read(oldest) for record in records)
        survivors = [record for key in keys if is_live(key) and (record := current(key)) is not None]
        for start in range(0, len(survivors), BLOCK_RECORDS):
            self._moved_bytes += self._write(survivors[start : start + BLOCK_RECORDS], ())
        with _naming(self._folder):
            oldest.path.unlink(missing_ok=True)
        self._segments.popleft()
        return len(survivors)

    # -- one segment

    def _write(self, records: Sequence[AttemptRecord], ended: Sequence[Key]) -> int:
        """Write one block with one call, and return its size."""
        block = pack(records, ended)
        with _naming(self._folder):
            file = self._newest()
            segment = self._segments[-1]
            rest = memoryview(block if segment.size_bytes else HEADER + block)
            size_bytes = len(rest)
            try:
                while rest:  # again only if the disk fills up on the way, to hear so
                    rest = rest[os.write(file, rest) :]
            except OSError:
                self._take_back(file, segment)
                raise
            segment.size_bytes += size_bytes
        return size_bytes

    def _newest(self) -> int:
        """The segment to write to, open; a new one if the last one is full."""
        last = self._segments[-1] if self._segments else None
        if last is None or self._is_sealed or last.size_bytes >= self._segment_bytes:
            self._close_newest()
            number = last.number + 1 if last else 1
            path = self._folder / f"{number:010}{SUFFIX}"
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, FILE_MODE)
            self._segments.append(_Segment(path, number, 0))
            self._is_sealed = False
        elif self._file is None:
            self._file = os.open(last.path, os.O_WRONLY | os.O_APPEND)
        return self._file

    def _take_back(self, file: int, segment: _Segment) -> None:
        """Cut off what was written of a block that does not fit."""
        try:
            os.ftruncate(file, segment.size_bytes)
        except OSError as error:
            self._is_sealed = True  # nothing may be written behind it; `load` will cut it off
            logger.warning("unfinished block stays at the end of its segment file=%s error=%s", segment.path, error)

    def _close_newest(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _read(self, segment: _Segment) -> list[Block]:
        """Read all blocks up to the first that is not whole; that one and what follows it are cut off."""
        with _naming(self._folder):
            content = segment.path.read_bytes()
            blocks, end = unpack(content)
            if end < len(content):
                if segment is self._segments[-1] and is_unfinished(content, end):
                    logger.debug("unfinished block cut off file=%s offset_bytes=%d", segment.path, end)
                else:
                    aside = segment.path.with_name(f"{segment.path.name}.damaged")
                    aside.write_bytes(content[end:])
                    logger.warning("damaged journal set aside, its content is forgotten file=%s", aside)
                os.truncate(segment.path, end)
            segment.size_bytes = end
        return blocks


@contextmanager
def _naming(folder: Path) -> Iterator[None]:
    """Turn an error of the system into one that says where."""
    try:
        yield
    except OSError as error:
        raise JournalError(f"the journal in {folder} cannot be read or written: {error}") from error
