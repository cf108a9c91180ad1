"""The alert board on disk: whole or not there, for its reader and for its writer."""

import pytest

from core.alert import AlertBoard, AlertState, AlertView
from history.board_file import read_board, restore_file, write_board

BOARD = AlertBoard(
    at=1000.0,
    alerts=(
        AlertView(
            state=AlertState.FIRING,
            labels={"alertname": "CeleryQueueLate", "queue": "mail", "severity": "critical"},
            annotations={"summary": "Queue mail is late"},
            active_at=600.0,
            fires_at=900.0,
            resolved_at=None,
        ),
    ),
    undelivered={"http://127.0.0.1:9093": "connection refused"},
)
DAMAGED = [b"", b'{"at":', b'{"at": "noon"}', b"[]", b'{"at":1,"alerts":[],"undelivered":{"\xff":""}}']


def test_board_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "state" / "alerts.json"

    write_board(path, AlertBoard(at=1.0, alerts=(), undelivered={}))
    write_board(path, BOARD)

    assert read_board(path) == BOARD
    assert restore_file(path, AlertBoard) == BOARD
    assert [file.name for file in path.parent.iterdir()] == ["alerts.json"]


def test_no_board_is_none(tmp_path):
    assert read_board(tmp_path / "alerts.json") is None
    assert restore_file(tmp_path / "alerts.json", AlertBoard) is None


@pytest.mark.parametrize("content", DAMAGED)
def test_reader_leaves_a_damaged_board_to_its_writer(tmp_path, content):
    path = tmp_path / "alerts.json"
    path.write_bytes(content)

    assert read_board(path) is None
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", DAMAGED)
def test_writer_sets_a_damaged_board_aside(tmp_path, caplog, content):
    path = tmp_path / "alerts.json"
    path.write_bytes(content)

    assert restore_file(path, AlertBoard) is None
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("alerts.json.damaged", content)]
    (message,) = caplog.messages
    assert message.startswith(f"damaged file set aside, its content is forgotten file={path}.damaged error=")
