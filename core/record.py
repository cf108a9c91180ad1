"""What is kept of an attempt while its program is away, and the bytes that many of them become.

A segment of a journal is a header and blocks. A block is a frame (its length,
its checksum, the checksum of those two) and its records, column by column.
"""

from collections import defaultdict
from collections.abc import Sequence
from struct import Struct
from typing import TypeAlias
from zlib import crc32

import msgspec

from core.attempt import RUNNING, Attempt
from core.metrics import UNKNOWN

HEADER = b"celery-slo journal 1\n"  # the number is the version of the format

Key: TypeAlias = tuple[str, int, float]  # (uuid, retries, eligible_at): one task may have several attempts
Block: TypeAlias = "tuple[list[AttemptRecord], list[Key]]"  # records, and keys of attempts that ended before these

_frame = Struct("<III")
_seal = Struct("<II")


class AttemptRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One attempt as it is written down; numbers and zeros mean what they mean in `core.attempt`."""

    uuid: str
    name: str | None  # label of its task name; None = not known
    queue: str  # label of its queue
    member: str | None  # the queue itself, where the label stands for several; None = the label is its name
    retries: int
    state: int
    eligible_at: float
    sent_at: float
    started_at: float
    expires_at: float
    decision: int
    marks: int
    worker: str | None  # that holds or runs it; None = nobody does

    def key(self) -> Key:
        """Which attempt this is: a later record of the same key replaces it."""
        return self.uuid, self.retries, self.eligible_at


def key_of(attempt: Attempt) -> Key:
    """The key of its record."""
    return attempt.uuid, attempt.retries, attempt.eligible_at


def record_of(attempt: Attempt) -> AttemptRecord:
    """Write an attempt down as it is now."""
    book = attempt.series.queue
    return AttemptRecord(
        attempt.uuid,
        None if attempt.series.name == UNKNOWN else attempt.series.name,
        book.label,
        next(iter(book.members), None) if book.members != {book.label} else None,
        attempt.retries,
        attempt.state,
        attempt.eligible_at,
        attempt.sent_at,
        attempt.started_at,
        attempt.expires_at,
        attempt.decision,
        attempt.marks,
        attempt.worker.name if attempt.worker is not None and attempt.state == RUNNING else None,
    )


class _Columns(msgspec.Struct, array_like=True):
    """Records side by side, a list for each field; names stand in `words` once and are meant by their place there.

    A million records take 90 MB so, and 120 to 150 one after the other.
    """

    words: list[str | None]
    ended: list[Key]
    uuid: list[str]
    name: list[int]
    queue: list[int]
    member: list[int]
    retries: list[int]
    state: list[int]
    eligible_at: list[float]
    sent_at: list[float]
    started_at: list[float]
    expires_at: list[float]
    decision: list[int]
    marks: list[int]
    worker: list[int]


_decoder = msgspec.msgpack.Decoder(_Columns)


def pack(records: Sequence[AttemptRecord], ended: Sequence[Key]) -> bytes:
    """Make one block of records and of the keys of attempts that are no more."""
    packed = msgspec.msgpack.encode(_columns(records, ended))
    seal = _seal.pack(len(packed), crc32(packed))
    return b"".join((seal, crc32(seal).to_bytes(4, "little"), packed))


def unpack(segment: bytes) -> tuple[list[Block], int]:
    """The whole blocks at the beginning of a segment, and the offset at which they end."""
    blocks: list[Block] = []
    if not segment.startswith(HEADER):
        return blocks, 0
    end = len(HEADER)
    while (length := _length_at(segment, end)) is not None:
        start = end + _frame.size
        packed = memoryview(segment)[start : start + length]
        if crc32(packed) != _frame.unpack_from(segment, end)[1]:
            break
        try:
            blocks.append(_block(_decoder.decode(packed)))
        except (ValueError, IndexError):  # whole, but not of our making
            break
        end = start + length
    return blocks, end


def is_unfinished(segment: bytes, end: int) -> bool:
    """Is what follows its last whole block the beginning of another, as a kill in mid-write leaves it?"""
    if end == 0:
        return HEADER.startswith(segment)
    return len(segment) < end + _frame.size + (_length_at(segment, end) or 0)


def _length_at(segment: bytes, offset: int) -> int | None:
    """The length of the block whose frame begins there; None = that is no frame."""
    if len(segment) < offset + _frame.size:
        return None
    length, checksum, own_checksum = _frame.unpack_from(segment, offset)
    return length if crc32(_seal.pack(length, checksum)) == own_checksum else None


def _columns(records: Sequence[AttemptRecord], ended: Sequence[Key]) -> _Columns:
    words: defaultdict[str | None, int] = defaultdict()
    words.default_factory = words.__len__  # a new word gets the next place
    place = words.__getitem__
    columns = _Columns(
        words=[],
        ended=list(ended),
        uuid=[record.uuid for record in records],
        name=[place(record.name) for record in records],
        queue=[place(record.queue) for record in records],
        member=[place(record.member) for record in records],
        retries=[record.retries for record in records],
        state=[record.state for record in records],
        eligible_at=[record.eligible_at for record in records],
        sent_at=[record.sent_at for record in records],
        started_at=[record.started_at for record in records],
        expires_at=[record.expires_at for record in records],
        decision=[record.decision for record in records],
        marks=[record.marks for record in records],
        worker=[place(record.worker) for record in records],
    )
    columns.words = list(words)
    return columns


def _block(columns: _Columns) -> Block:
    words = columns.words
    records = map(
        AttemptRecord,
        columns.uuid,
        [words[place] for place in columns.name],
        [words[place] for place in columns.queue],
        [words[place] for place in columns.member],
        columns.retries,
        columns.state,
        columns.eligible_at,
        # Equal times share one float, and unknown ones share one 0.0: a million records take 70 MB less.
        [due if sent == due else sent for sent, due in zip(columns.sent_at, columns.eligible_at, strict=True)],
        [at or 0.0 for at in columns.started_at],
        [at or 0.0 for at in columns.expires_at],
        columns.decision,
        columns.marks,
        [words[place] for place in columns.worker],
    )
    return list(records), columns.ended
