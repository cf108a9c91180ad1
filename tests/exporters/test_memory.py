import logging
import threading

import pytest

from exporters.journal import Journal, JournalError
from exporters.memory import Memory
from tests.core.replay import Replay, sent, started, succeeded


@pytest.fixture
def replay():
    return Replay()


@pytest.fixture
def memory(replay, tmp_path):
    one = Memory(tmp_path, replay.ledger, threading.Lock())
    one.restore()
    yield one
    one.close()


def written(tmp_path):
    """The ids that a new process would find."""
    journal = Journal.open(tmp_path / "journal")
    try:
        return sorted(record.uuid for record in journal.load())
    finally:
        journal.close()


def test_what_lives_is_found_again_and_what_ended_is_not(replay, memory, tmp_path):
    replay.feed(sent("waits", 0), sent("ends", 0), started("ends", 1))
    memory.flush()
    replay.feed(succeeded("ends", 2, runtime=1.0), sent("new", 3))
    memory.close()

    assert written(tmp_path) == ["new", "waits"]


def test_a_disk_that_refuses_is_said_once_and_nothing_is_lost(replay, memory, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    replay.feed(*(sent(f"old{number}", 0) for number in range(5_000)))
    memory.flush()
    with monkeypatch.context() as full_disk:
        full_disk.setattr(Journal, "append", lambda *_: refuse())
        for second in range(1, 4):
            replay.feed(sent(f"new{second}", second), started(f"old{second}", second))
            replay.feed(succeeded(f"old{second}", second + 0.5, runtime=0.5))
            memory.flush()
    memory.flush()
    memory.close()

    assert written(tmp_path) == sorted(
        [f"old{number}" for number in range(5_000) if number not in {1, 2, 3}] + ["new1", "new2", "new3"]
    )
    assert [record.message for record in caplog.records if record.name == "exporters.memory"] == [
        "journal not written, a restart would forget attempts: no space left",
        "journal is written again",
    ]


def test_what_a_full_disk_holds_up_does_not_grow_with_what_comes_and_goes(replay, memory, monkeypatch):
    with monkeypatch.context() as full_disk:
        full_disk.setattr(Journal, "append", lambda *_: refuse())
        for number in range(3_000):
            replay.feed(sent(str(number), number / 100))
            memory.flush() if number % 500 == 0 else None
            replay.feed(started(str(number), number / 100), succeeded(str(number), number / 100, runtime=0.0))
        memory.flush()

        assert len(memory._backlog) <= 10


def refuse():
    raise JournalError("no space left")
