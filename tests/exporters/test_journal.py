"""The journal: what it is told, what it gives back, and what may happen to it in between.

Longer than other files: the generated histories and the program that is killed are half of it, and share its values.
"""

import errno
import logging
import os
import random
import resource
import signal
import struct
import subprocess
import sys
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch
from zlib import crc32

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from core.record import HEADER, AttemptRecord
from exporters.journal import Journal, JournalError, JournalInUseError

ROOT = Path(__file__).resolve().parents[2]
MAIL = AttemptRecord("id-1", "app.send", "mail", None, 0, 1, 1_700_000_000.5, 1_700_000_000.5, 0.0, 0.0, 0, 0, None)
BILL = AttemptRecord("id-2", None, "(other)", "bill", 3, 3, 12.5, 10.25, 13.0, 99.0, 2, 5, "celery@alpha")
SMS = msgspec.structs.replace(MAIL, uuid="id-3", queue="sms")
FIRST, SECOND = "0000000001.journal", "0000000002.journal"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "state" / "journal"


def opened(folder, segment_bytes=1_000_000):
    return closing(Journal.open(folder, segment_bytes=segment_bytes))


def load(folder):
    with opened(folder) as journal:
        return journal.load()


def write(folder, *appends, segment_bytes=1_000_000):
    """Append (records, ended) one by one; returns the size of the newest segment after each."""
    with opened(folder, segment_bytes) as journal:
        journal.load()
        sizes = []
        for records, ended in appends:
            journal.append(records, ended)
            sizes.append(max(folder.glob("*.journal")).stat().st_size)
    return sizes


def files(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != "lock")


def test_records_come_back_as_they_were_in_the_order_of_their_first_writing(folder):
    write(folder, ([MAIL, BILL], []), ([SMS], []))

    assert load(folder) == [MAIL, BILL, SMS]


def test_last_record_of_an_attempt_counts_and_keeps_its_place(folder):
    running = msgspec.structs.replace(MAIL, state=3, worker="celery@alpha")

    write(folder, ([MAIL, SMS], []), ([running], []))

    assert load(folder) == [running, SMS]


def test_attempts_of_one_task_are_told_apart(folder):
    retried = msgspec.structs.replace(MAIL, retries=1)
    sent_again = msgspec.structs.replace(MAIL, eligible_at=1_700_000_009.0)

    write(folder, ([MAIL, retried, sent_again], []), ([], [retried.key()]))

    assert load(folder) == [MAIL, sent_again]


def test_attempt_that_ended_and_began_again_within_one_append_lives(folder):
    again = msgspec.structs.replace(MAIL, marks=1)

    write(folder, ([MAIL], []), ([again], [MAIL.key()]))

    assert load(folder) == [again]


def test_segments_roll_and_are_read_in_order(folder):
    write(folder, ([MAIL], []), ([SMS], []), ([BILL], [MAIL.key()]), segment_bytes=1)

    assert files(folder) == [FIRST, SECOND, "0000000003.journal"]
    assert load(folder) == [SMS, BILL]


def test_append_before_load_spoils_nothing(folder):
    write(folder, ([MAIL], []))
    with (folder / FIRST).open("ab") as file:
        file.write(b"torn")

    with opened(folder) as journal:
        journal.append([SMS], [])

    assert load(folder) == [MAIL, SMS]


def test_block_that_a_kill_left_unfinished_is_cut_off_without_a_word(folder, caplog):
    whole, end = write(folder, ([MAIL], []), ([SMS], [MAIL.key()]))
    segment = (folder / FIRST).read_bytes()

    for length in range(end):
        (folder / FIRST).write_bytes(segment[:length])
        kept = [MAIL] if length >= whole else []
        write(folder, ([BILL], []))
        assert (length, load(folder)) == (length, [*kept, BILL])

    assert (files(folder), caplog.messages) == ([FIRST], [])


def test_flipped_bit_anywhere_sets_aside_its_block_and_what_follows(folder, caplog):
    sizes = write(folder, ([MAIL], []), ([BILL], []), ([SMS], []))
    segment = (folder / FIRST).read_bytes()
    chance = random.Random(1)
    caplog.set_level(logging.CRITICAL)

    for offset in range(len(segment)):
        damaged = bytearray(segment)
        damaged[offset] ^= 1 << chance.randrange(8)
        (folder / FIRST).write_bytes(damaged)
        whole = [end for end in (len(HEADER), *sizes) if end <= offset]
        assert (offset, load(folder)) == (offset, [MAIL, BILL, SMS][: max(0, len(whole) - 1)])
        kept = max(whole, default=0)
        assert (folder / f"{FIRST}.damaged").read_bytes() == damaged[kept:]
        assert (folder / FIRST).read_bytes() == segment[:kept]


@pytest.mark.parametrize("content", [b"garbage", b"celery-slo journal 2\nwhat is not known yet", b"\0" * 5_000])
@pytest.mark.parametrize("place", [FIRST, SECOND, "0000000003.journal"])
def test_segment_that_is_not_ours_is_set_aside_and_the_others_are_read(folder, caplog, content, place):
    write(folder, ([MAIL], []), ([BILL], []), ([SMS], []), segment_bytes=1)
    records = dict(zip(files(folder), [MAIL, BILL, SMS], strict=True))
    (folder / place).write_bytes(content)

    assert load(folder) == [record for name, record in records.items() if name != place]
    aside = folder / f"{place}.damaged"
    assert aside.read_bytes() == content
    assert caplog.messages == [f"damaged journal set aside, its content is forgotten file={aside}"]
    write(folder, ([msgspec.structs.replace(MAIL, uuid="id-4")], []))
    assert len(load(folder)) == 3


def test_block_of_another_making_is_set_aside(folder):
    write(folder, ([MAIL], []))
    lengths = struct.pack("<II", 1, crc32(b"\xc0"))
    block = lengths + struct.pack("<I", crc32(lengths)) + b"\xc0"
    with (folder / FIRST).open("ab") as file:
        file.write(block)

    assert load(folder) == [MAIL]
    assert (folder / f"{FIRST}.damaged").read_bytes() == block


def test_segment_that_ends_too_soon_and_is_not_the_newest_is_damaged(folder, caplog):
    write(folder, ([MAIL], []), ([SMS], []), segment_bytes=1)
    os.truncate(folder / FIRST, (folder / FIRST).stat().st_size - 1)

    assert load(folder) == [SMS]
    assert [entry.levelname for entry in caplog.records] == ["WARNING"]


def test_second_exporter_in_the_folder_is_refused_until_the_first_is_done(folder):
    with opened(folder), pytest.raises(JournalInUseError, match=f"{folder} is in use by another exporter"):
        Journal.open(folder)

    assert load(folder) == []


def test_folder_that_cannot_be_made_is_one_clear_error(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(JournalError, match=r"journal in .*/file/journal cannot be read or written: .*Not a directory"):
        Journal.open(tmp_path / "file" / "journal")


def test_segment_that_cannot_be_read_is_one_clear_error(folder):
    (folder / FIRST).mkdir(parents=True)

    with opened(folder) as journal, pytest.raises(JournalError, match=r"cannot be read or written: .*Is a directory"):
        journal.load()


@contextmanager
def file_size_limit(limit_bytes):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("room_bytes", [0, 1, 50])
def test_full_disk_is_said_and_nothing_is_lost_when_there_is_room_again(folder, room_bytes):
    with opened(folder) as journal:
        journal.load()
        journal.append([MAIL], [])
        size = (folder / FIRST).stat().st_size

        with file_size_limit(size + room_bytes), pytest.raises(JournalError, match="File too large"):
            journal.append([SMS], [MAIL.key()])
        assert (folder / FIRST).stat().st_size == size
        journal.append([BILL], [])

    assert load(folder) == [MAIL, BILL]


def test_block_that_cannot_even_be_taken_back_does_not_hide_later_ones(folder, caplog):
    with opened(folder) as journal:
        journal.load()
        journal.append([MAIL], [])
        size = (folder / FIRST).stat().st_size
        refused = patch.object(os, "ftruncate", side_effect=OSError(errno.EIO, "Input/output error"))
        with file_size_limit(size + 9), refused, pytest.raises(JournalError):
            journal.append([SMS], [])
        journal.append([BILL], [])

    assert load(folder) == [MAIL, BILL]
    assert "unfinished block stays at the end of its segment" in caplog.messages[0]


def attempts(count, label):
    records = [msgspec.structs.replace(MAIL, uuid=f"{label}-{number:04}") for number in range(count)]
    return {record.key(): record for record in records}


def bytes_on_disk(folder):
    return sum(path.stat().st_size for path in folder.glob("*.journal"))


@pytest.mark.parametrize("pinned", [attempts(3, "pinned"), attempts(300, "pinned")], ids=len)
@pytest.mark.parametrize("together", [1, 40])
def test_churn_beside_pinned_attempts_keeps_the_journal_and_each_step_small(folder, pinned, together):
    gone, passing = attempts(1_000, "gone"), list(attempts(3_000, "passing").values())
    write(folder, *(([record], []) for record in [*pinned.values(), *gone.values()]), segment_bytes=1_000)
    steps, sizes = [], []
    with opened(folder, 1_000) as journal:
        journal.load()
        journal.append([], list(gone))
        for start in range(0, len(passing), together):
            some = passing[start : start + together]
            journal.append(some, [])
            journal.append([], [record.key() for record in some])
            steps.append(journal.compact(pinned.__contains__, pinned.get))
            sizes.append(bytes_on_disk(folder))

    assert {record.key(): record for record in load(folder)} == pinned
    assert max(sizes[len(sizes) // 4 :]) < 60_000  # without compaction 250,000 and more
    assert max(steps[1:]) < 200  # the first one answers a thousand ends at once
    assert sum(steps) < 10_000  # what lives was not moved all the time


def test_backlog_that_is_worked_off_leaves_little_behind(folder):
    backlog = attempts(2_000, "backlog")
    write(folder, *(([record], []) for record in backlog.values()), segment_bytes=10_000)
    with opened(folder, 10_000) as journal:
        journal.load()
        for key in list(backlog)[3:]:
            del backlog[key]
            journal.append([], [key])
            journal.compact(backlog.__contains__, backlog.get)

    assert load(folder) == list(backlog.values())
    assert bytes_on_disk(folder) < 40_000  # without compaction 400,000


class Killed(BaseException):
    """The process is gone in the middle of a call."""


@contextmanager
def failing_disk(room_bytes, *, can_delete, error):
    """Let so many bytes through to the disk, then fail."""
    write, unlink = os.write, Path.unlink
    left = room_bytes

    def limited_write(file, data):
        nonlocal left
        if left == 0:
            raise error
        written = write(file, data[:left])
        left -= written
        return written

    def limited_unlink(path, *, missing_ok):
        if not can_delete:
            raise error
        unlink(path, missing_ok=missing_ok)

    with patch.object(os, "write", limited_write), patch.object(Path, "unlink", limited_unlink):
        yield


class History(RuleBasedStateMachine):
    """A ledger that is a dict, written behind: what changed and what ended goes out with the next flush."""

    def __init__(self):
        super().__init__()
        self.folder = TemporaryDirectory(prefix="journal-")
        self.ledger, self.changed, self.ended = {}, set(), set()
        self.journal = None
        self.restart()

    def teardown(self):
        self.flush()
        self.restart()
        self.journal.close()
        self.folder.cleanup()

    def restart(self):
        """Come back: everything that did not change since the last flush must be as it was."""
        if self.journal is not None:
            self.journal.close()
        self.journal = Journal.open(Path(self.folder.name), segment_bytes=300)
        loaded = {record.key(): record for record in self.journal.load()}
        in_doubt = self.changed | self.ended
        assert without(loaded, in_doubt) == without(self.ledger, in_doubt)
        self.ledger, self.changed, self.ended = loaded, set(), set()

    @rule(number=st.integers(0, 7), state=st.integers(0, 4))
    def change(self, number, state):
        record = msgspec.structs.replace(MAIL, uuid=f"id-{number % 4}", retries=number // 4, state=state)
        self.ledger[record.key()] = record
        self.changed.add(record.key())

    @rule(chance=st.randoms(use_true_random=False))
    def end(self, chance):
        if self.ledger:
            key = chance.choice(list(self.ledger))
            del self.ledger[key]
            self.changed.discard(key)
            self.ended.add(key)

    @rule()
    def flush(self):
        self.journal.append([self.ledger[key] for key in self.changed], list(self.ended))
        self.changed, self.ended = set(), set()

    @rule()
    def compact(self):
        self.journal.compact(self.ledger.__contains__, self.ledger.get)

    @rule()
    def stop_and_start(self):
        self.flush()
        self.restart()

    @rule(work=st.sampled_from([flush, compact]), room_bytes=st.integers(0, 400), can_delete=st.booleans())
    def run_into_a_full_disk(self, work, room_bytes, can_delete):
        full = OSError(errno.ENOSPC, "No space left on device")
        with suppress(JournalError), failing_disk(room_bytes, can_delete=can_delete, error=full):
            work(self)

    @rule(work=st.sampled_from([flush, compact]), room_bytes=st.integers(0, 400), can_delete=st.booleans())
    def be_killed(self, work, room_bytes, can_delete):
        with suppress(Killed), failing_disk(room_bytes, can_delete=can_delete, error=Killed()):
            work(self)
        self.restart()


def without(records, keys):
    return {key: record for key, record in records.items() if key not in keys}


def test_no_history_of_flushes_compactions_and_accidents_loses_or_resurrects_an_attempt():
    run_state_machine_as_test(History, settings=settings(max_examples=150, deadline=None, database=None))


# Says, a line each: the attempts it begins with, and before each append those that will live; "null" when that is done.
CHURN = """
import os, random, sys
from pathlib import Path
import msgspec
from core.record import AttemptRecord
from exporters.journal import Journal

def say(value):
    os.write(1, msgspec.json.encode(value) + b"\\n")

chance = random.Random(sys.argv[2])
pinned, segment_bytes = chance.choice([(10, 2_000), (100, 500)])  # the one compacts all the time, the other has a past
journal = Journal.open(Path(sys.argv[1]), segment_bytes=segment_bytes)
model = {record.key(): record for record in journal.load()}
say(list(model.values()))
say(None)
while True:
    new = [
        AttemptRecord(f"{chance.getrandbits(64):x}", "app.send", "mail", None, 0, 1, 5.0, 5.0, 0.0, 0.0, 0, 0, None)
        for _ in range(chance.choice([0, 0, 5, 80]))
    ]
    old = chance.sample(list(model.values()), chance.choice([0, 0, len(model) // 9]))
    new += [msgspec.structs.replace(record, marks=record.marks + 1) for record in old]
    model.update((record.key(), record) for record in new)
    ended = chance.sample(list(model)[pinned:], max(0, len(model) - pinned - chance.randrange(100)))
    for key in ended:
        del model[key]
    say(list(model.values()))
    journal.append([record for record in new if record.key() in model], ended)
    say(None)
    journal.compact(model.__contains__, model.get)
"""


def churn_until_killed(folder, seed, output, is_time):
    """Returns what the journal may hold: what it held after the last append, or after the one under way."""
    with (
        output.open("wb") as said,
        subprocess.Popen([sys.executable, "-c", CHURN, folder, str(seed)], cwd=ROOT, stdout=said) as churn,
    ):
        is_time(lambda: output.stat().st_size)
        churn.send_signal(signal.SIGKILL)
    *lines, _ = output.read_bytes().split(b"\n")
    models = [msgspec.json.decode(line, type=list[AttemptRecord]) for line in lines[-4:] if line != b"null"]
    return models[-1:] if lines[-1] == b"null" else models[-2:]


def test_twenty_kills_in_churn_and_compaction_lose_and_resurrect_nothing(folder, tmp_path, eventually, caplog):
    chance = random.Random(20)

    for seed in range(20):
        enough_bytes = chance.randrange(50_000, 500_000)
        possible = churn_until_killed(
            folder,
            seed,
            tmp_path / "said",
            lambda size: eventually(lambda: size() > enough_bytes, 30, "churn"),  # noqa: B023
        )
        assert set(load(folder)) in [set(model) for model in possible]

    assert (caplog.messages, [name for name in files(folder) if "damaged" in name]) == ([], [])
