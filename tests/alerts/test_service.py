"""The service: a fake exporter in, real HTTP receivers out, and what outlives a restart."""

import logging
import threading
import time

import msgspec
import pytest

from alerts.service import AlertService, AlertSettings, SnapshotReader
from alerts.webhook import AddressError, EndpointError
from core.alert import AlertState
from core.verdict import Verdict
from history.board_file import read_board

LABELS = {"alertname": "CeleryQueueLate", "queue": "mail", "severity": "critical"}


@pytest.fixture
def late(queue, target):
    """Make the queue `mail`, late since a minute, which fires almost at once."""
    row = target(page_after_seconds=0.001)
    return queue(target=row, verdict=Verdict.LATE, oldest_waiting_at=time.time() - 60, waiting=1, overdue=1)


@pytest.fixture
def exporter(listen):
    """Start a fake exporter."""
    return listen()


@pytest.fixture
def run(exporter, tmp_path):
    """Start a service that looks at the exporter often; returns a function that ends it."""
    ends = []

    def _run(**settings):
        defaults = {"interval_seconds": 0.02, "resend_seconds": 0.2, "retry_seconds": 0.05, "state_dir": tmp_path}
        service = AlertService(AlertSettings(exporter_url=exporter.url(), **defaults | settings))
        stop = threading.Event()
        thread = threading.Thread(target=service.run, args=(stop,))
        thread.start()

        def end():
            stop.set()
            thread.join(20)
            assert not thread.is_alive()

        ends.append(end)
        return end

    yield _run
    for end in ends:
        end()


@pytest.fixture
def board(tmp_path):
    """Read the board that the service wrote."""
    return lambda: read_board(tmp_path / "alerts.json")


def state(board):
    found = board()
    return found.alerts[0].state if found is not None and found.alerts else None


def told(server):
    return [post["status"] for post in server.posts]


def labels(server):
    return [[alert["labels"] for alert in post] for post in server.posts]


def test_late_queue_reaches_every_receiver_and_the_board(
    run, exporter, listen, queue, late, board, eventually, caplog
):  # fmt: skip
    caplog.set_level(logging.INFO)
    one, two, hook = listen(), listen(), listen()
    exporter.serve(late, queue("sms"), labels={"cluster": "eu-1"})

    run(
        alertmanager_urls=(one.url(), two.url()),
        webhook_urls=(hook.url("/hook"),),
        dashboard_url="http://127.0.0.1:8501",
    )
    eventually(lambda: [LABELS | {"cluster": "eu-1"}] in labels(one) and [LABELS | {"cluster": "eu-1"}] in labels(two))
    eventually(lambda: told(hook) == ["firing"])

    assert hook.posts[0]["alert"]["annotations"]["dashboard_url"] == "http://127.0.0.1:8501/?queue=mail"
    assert [(alert.state, alert.labels) for alert in board().alerts] == [
        (AlertState.FIRING, LABELS | {"cluster": "eu-1"})
    ]
    assert board().undelivered == {}
    assert caplog.messages == [
        "alert changed state=firing alertname=CeleryQueueLate queue=mail severity=critical"
    ]  # fmt: skip


def test_queue_in_time_again_resolves(run, exporter, listen, queue, late, board, eventually):
    alertmanager, hook = listen(), listen()
    exporter.serve(late)
    run(alertmanager_urls=(alertmanager.url(),), webhook_urls=(hook.url(),))
    eventually(lambda: told(hook) == ["firing"])

    exporter.serve(queue())
    eventually(lambda: told(hook) == ["firing", "resolved"])
    eventually(lambda: board().alerts[0].resolved_at is not None)

    end = hook.posts[1]["alert"]["endsAt"]
    eventually(lambda: any(alert["endsAt"] == end for post in alertmanager.posts for alert in post))


def test_exporter_that_is_gone_changes_nothing_and_is_said_once(
    run, exporter, listen, queue, late, board, eventually, caplog
):  # fmt: skip
    caplog.set_level(logging.INFO)
    alertmanager = listen()
    exporter.serve(late)
    run(alertmanager_urls=(alertmanager.url(),))
    eventually(lambda: state(board) == "firing")

    exporter.stop()
    eventually(lambda: len(caplog.messages) == 2)
    sent = len(alertmanager.posts)
    eventually(lambda: len(alertmanager.posts) >= sent + 3)
    still = state(board)
    exporter.serve(queue())
    exporter.start()
    eventually(lambda: state(board) == "resolved")

    assert still == "firing"
    assert labels(alertmanager)[-1] == [LABELS]
    assert caplog.messages == [
        "alert changed state=firing alertname=CeleryQueueLate queue=mail severity=critical",
        f"queues not seen, alerts keep their state exporter={exporter.url()} reason='connection refused'",
        f"queues seen again, alerts move on exporter={exporter.url()}",
        "alert changed state=resolved alertname=CeleryQueueLate queue=mail severity=critical",
    ]


@pytest.mark.parametrize(
    ("status", "content", "reason"),
    [
        (500, b"", "HTTP 500"),
        (200, b"<html>", "its snapshot cannot be read: JSON is malformed: invalid character (byte 0)"),
        (200, b"{}", "its snapshot cannot be read: Object missing required field `at`"),
    ],
)
def test_answer_that_is_no_snapshot_changes_nothing(
    run, exporter, late, board, eventually, caplog, status, content, reason
):  # fmt: skip
    exporter.serve(late)
    run()
    eventually(lambda: state(board) == "firing")

    exporter.status, exporter.content = status, lambda: content
    eventually(lambda: caplog.messages)

    assert caplog.messages == [
        f"queues not seen, alerts keep their state exporter={exporter.url()} reason={reason!r}"
    ]  # fmt: skip
    assert state(board) == "firing"


def test_blind_exporter_is_said_and_changes_nothing(run, exporter, queue, late, board, eventually, caplog):
    exporter.serve(late)
    run()
    eventually(lambda: state(board) == "firing")

    exporter.serve(queue(), blind_reason="no marker for 12 s")
    eventually(lambda: caplog.messages)

    assert caplog.messages == [
        f"queues not seen, alerts keep their state exporter={exporter.url()} reason='no marker for 12 s'"
    ]
    assert state(board) == "firing"


def test_snapshot_that_stands_still_is_not_trusted(exporter, snapshot):
    content = msgspec.json.encode(snapshot(at=77.0))
    exporter.content = lambda: content
    reader = SnapshotReader(exporter.url())

    first = reader.read(1000.0)
    again = reader.read(1030.0)
    with pytest.raises(EndpointError, match=r"^its snapshot stands still$"):
        reader.read(1030.1)
    exporter.content = lambda: msgspec.json.encode(snapshot(at=78.0))
    moved = reader.read(1040.0)

    assert [first.at, again.at, moved.at] == [77.0, 77.0, 78.0]


def test_restart_keeps_a_firing_alert_and_tells_nobody_twice(
    run, exporter, listen, queue, late, board, eventually
):  # fmt: skip
    first_manager, second_manager, hook = listen(), listen(), listen()
    exporter.serve(late)
    end = run(alertmanager_urls=(first_manager.url(),), webhook_urls=(hook.url(),))
    eventually(lambda: told(hook) == ["firing"])
    end()
    before = board().alerts[0]

    exporter.stop()
    run(alertmanager_urls=(second_manager.url(),), webhook_urls=(hook.url(),))
    eventually(lambda: len(second_manager.posts) >= 2)
    kept = board().alerts[0]
    exporter.serve(queue())
    exporter.start()
    eventually(lambda: told(hook) == ["firing", "resolved"])

    assert labels(second_manager)[0] == [LABELS]
    assert kept == before
    assert hook.posts[0]["alert"]["startsAt"] == hook.posts[1]["alert"]["startsAt"]


def test_restart_of_a_late_queue_goes_unnoticed(run, exporter, listen, late, board, eventually):
    hook = listen()
    exporter.serve(late)
    end = run(webhook_urls=(hook.url(),))
    eventually(lambda: told(hook) == ["firing"])
    end()
    before = board()

    run(webhook_urls=(hook.url(),))
    eventually(lambda: board().at > before.at)

    assert (board().alerts[0].fires_at, told(hook)) == (before.alerts[0].fires_at, ["firing"])


def test_notification_that_waits_outlives_a_restart(run, exporter, listen, late, board, eventually):
    hook = listen()
    hook.status = 503
    exporter.serve(late)
    end = run(webhook_urls=(hook.url(),))
    eventually(lambda: board() is not None and board().undelivered)
    end()
    reason = board().undelivered

    hook.status = 200
    run(webhook_urls=(hook.url(),))
    eventually(lambda: told(hook) == ["firing"])
    eventually(lambda: board().undelivered == {})

    assert reason == {hook.url(): "HTTP 503; 1 notification waiting"}


def test_receiver_that_is_down_is_said_once_without_its_password(
    run, exporter, listen, queue, late, board, eventually, caplog, tmp_path
):  # fmt: skip
    caplog.set_level(logging.INFO)
    alertmanager, hook = listen(), listen()
    exporter.serve(late)
    alertmanager.stop()
    hook.status = 500
    run(
        alertmanager_urls=(alertmanager.url(credentials="slo:s3cret@"),),
        webhook_urls=(hook.url("/s3cret", "slo:s3cret@"), hook.url("/other")),
    )
    eventually(lambda: board() is not None and len(board().undelivered) == 3)
    undelivered = board().undelivered
    tries = len(hook.requests)
    eventually(lambda: len(hook.requests) >= tries + 6)

    exporter.serve(queue())
    eventually(lambda: state(board) == "resolved")
    alertmanager.start()
    hook.status = 200
    eventually(lambda: told(hook).count("resolved") == 2)
    eventually(lambda: board().undelivered == {})

    assert undelivered.keys() == {alertmanager.url(), hook.url("/***"), hook.url("/***") + " (2)"}
    assert undelivered[alertmanager.url()] == "connection refused"
    assert alertmanager.posts[0][0]["endsAt"] == hook.posts[-1]["alert"]["endsAt"]
    assert sorted(caplog.messages) == sorted(
        [
            "alert changed state=firing alertname=CeleryQueueLate queue=mail severity=critical",
            "alert changed state=resolved alertname=CeleryQueueLate queue=mail severity=critical",
            f"receiver down, alerts are kept receiver={alertmanager.url()} reason='connection refused'",
            f"receiver down, alerts are kept receiver={hook.url('/***')} reason='HTTP 500; 1 notification waiting'",
            f"receiver down, alerts are kept receiver={hook.url('/***')} (2) reason='HTTP 500; 1 notification waiting'",
            f"receiver up again, all alerts delivered receiver={alertmanager.url()}",
            f"receiver up again, all alerts delivered receiver={hook.url('/***')}",
            f"receiver up again, all alerts delivered receiver={hook.url('/***')} (2)",
        ]
    )
    assert "s3cret" not in caplog.text + (tmp_path / "alerts.json").read_text()


def test_receiver_that_hangs_delays_neither_evaluation_nor_the_others(
    run, exporter, listen, late, board, eventually
):  # fmt: skip
    hanging, alertmanager = listen(), listen()
    hanging.gate.clear()
    exporter.serve(late)

    run(alertmanager_urls=(hanging.url(), alertmanager.url()))
    eventually(lambda: [LABELS] in labels(alertmanager))
    first = board().at
    eventually(lambda: board().at > first)

    assert hanging.posts == []
    hanging.gate.set()


def test_bug_in_the_evaluation_is_logged_and_the_next_round_goes_on(
    run, exporter, late, board, eventually, caplog, monkeypatch
):  # fmt: skip
    def broken(*_args, **_keywords):
        raise ZeroDivisionError

    exporter.serve(late)
    with monkeypatch.context() as patch:
        patch.setattr("alerts.service.evaluate", broken)
        run()
        eventually(lambda: caplog.messages)
    eventually(lambda: state(board) == "firing")

    assert set(caplog.messages) == {"evaluation failed, alerts keep their state"}


def test_bug_in_a_delivery_is_logged_and_the_next_one_goes_on(
    run, exporter, listen, late, board, eventually, caplog, monkeypatch
):  # fmt: skip
    def broken(*_args, **_keywords):
        raise ZeroDivisionError

    alertmanager = listen()
    exporter.serve(late)
    with monkeypatch.context() as patch:
        patch.setattr("alerts.alertmanager.posted", broken)
        run(alertmanager_urls=(alertmanager.url(),))
        eventually(lambda: board() is not None and board().undelivered)
        reason = board().undelivered
    eventually(lambda: [LABELS] in labels(alertmanager))
    eventually(lambda: board().undelivered == {})

    assert reason == {alertmanager.url(): "internal error: ZeroDivisionError"}
    assert set(caplog.messages) == {f"delivery failed, will try again receiver={alertmanager.url()}"}


def test_damaged_board_is_set_aside(run, exporter, late, board, eventually, caplog, tmp_path):
    (tmp_path / "alerts.json").write_text('{"at": 1, "alerts": [')
    exporter.serve(late)

    run()
    eventually(lambda: state(board) == "firing")

    assert (tmp_path / "alerts.json.damaged").read_text() == '{"at": 1, "alerts": ['
    assert caplog.messages == [
        f"damaged file set aside, its content is forgotten file={tmp_path / 'alerts.json'}.damaged"
        " error='Input data was truncated'"
    ]


def test_board_that_cannot_be_written_is_said_once_and_alerts_go_out(
    run, exporter, listen, late, eventually, caplog, tmp_path
):  # fmt: skip
    alertmanager = listen()
    (tmp_path / "alerts.json.new").mkdir()
    exporter.serve(late)

    run(alertmanager_urls=(alertmanager.url(),))
    eventually(lambda: len(alertmanager.posts) >= 5)

    assert [LABELS] in labels(alertmanager)
    assert caplog.messages == [f"state not saved, a restart would forget alerts file={tmp_path / 'alerts.json'}"]


def test_service_without_a_state_directory_delivers(run, exporter, listen, late, eventually, tmp_path):
    hook = listen()
    exporter.serve(late)

    run(webhook_urls=(hook.url(),), state_dir=None)
    eventually(lambda: told(hook) == ["firing"])

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "wrong", [{"exporter_url": "nowhere"}, {"alertmanager_urls": ("nowhere",)}, {"webhook_urls": ("nowhere",)}]
)
def test_wrong_address_stops_the_start(wrong):
    settings = {"exporter_url": "http://127.0.0.1:9818"} | wrong

    with pytest.raises(AddressError):
        AlertService(AlertSettings(**settings))
