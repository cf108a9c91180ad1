"""The service: a fake exporter in, real HTTP receivers out."""

import logging

import msgspec
import pytest

from alerts.endpoint import AddressError, EndpointError
from alerts.service import AlertService, AlertSettings, SnapshotReader

LABELS = {"alertname": "CeleryQueueLate", "queue": "mail", "severity": "critical"}
FIRED = "alert changed state=firing alertname=CeleryQueueLate queue=mail severity=critical"
ENDED = "alert changed state=resolved alertname=CeleryQueueLate queue=mail severity=critical"


def told(server):
    return [post["status"] for post in server.posts]


def labels(server):
    return [[alert["labels"] for alert in post] for post in server.posts]


def test_late_queue_reaches_every_receiver_and_the_board(scene, listen, late, caplog):
    caplog.set_level(logging.INFO)
    one, two, hook = listen(), listen(), listen()
    scene.exporter.serve(late, labels={"cluster": "eu-1"})

    scene.run(
        alertmanager_urls=(one.url(), two.url()),
        webhook_urls=(hook.url("/hook"),),
        dashboard_url="http://127.0.0.1:8501",
    )
    scene.wait_until(lambda: [LABELS | {"cluster": "eu-1"}] in labels(one))
    scene.wait_until(lambda: [LABELS | {"cluster": "eu-1"}] in labels(two))
    scene.wait_until(lambda: told(hook) == ["firing"])
    scene.wait_until(scene.is_state("firing"))

    assert hook.posts[0]["alert"]["annotations"]["dashboard_url"] == "http://127.0.0.1:8501/?queue=mail"
    assert scene.alert.labels == LABELS | {"cluster": "eu-1"}
    assert scene.undelivered == {}
    assert caplog.messages == [FIRED]


def test_change_is_told_at_once_whatever_the_interval(scene, listen, late, fine):
    alertmanager, hook = listen(), listen()
    scene.exporter.serve(fine)
    scene.run(alertmanager_urls=(alertmanager.url(),), webhook_urls=(hook.url(),), resend_seconds=60.0)
    scene.wait_until(lambda: alertmanager.posts == [[]])

    scene.exporter.serve(late)
    scene.wait_until(lambda: labels(alertmanager) == [[], [LABELS]])
    scene.wait_until(lambda: told(hook) == ["firing"])


def test_queue_in_time_again_resolves(scene, listen, late, fine):
    alertmanager, hook = listen(), listen()
    scene.exporter.serve(late)
    scene.run(alertmanager_urls=(alertmanager.url(),), webhook_urls=(hook.url(),))
    scene.wait_until(lambda: told(hook) == ["firing"])

    scene.exporter.serve(fine)
    scene.wait_until(lambda: told(hook) == ["firing", "resolved"])
    end = hook.posts[1]["alert"]["endsAt"]

    scene.wait_until(lambda: any(alert["endsAt"] == end for post in alertmanager.posts for alert in post))
    scene.wait_until(scene.is_state("resolved"))


def test_exporter_that_is_gone_changes_nothing_and_is_said_once(scene, listen, late, fine, caplog):
    caplog.set_level(logging.INFO)
    alertmanager = listen()
    scene.exporter.serve(late)
    scene.run(alertmanager_urls=(alertmanager.url(),))
    scene.wait_until(scene.is_state("firing"))

    scene.exporter.stop()
    scene.wait_until(lambda: len(caplog.messages) == 2)
    sent = len(alertmanager.posts)
    scene.wait_until(lambda: len(alertmanager.posts) >= sent + 3)
    still = scene.alert.state
    scene.exporter.serve(fine)
    scene.exporter.start()
    scene.wait_until(scene.is_state("resolved"))

    assert still == "firing"
    assert labels(alertmanager)[sent:] == [[LABELS]] * (len(alertmanager.posts) - sent)
    assert caplog.messages == [
        FIRED,
        f"queues not seen, alerts keep their state exporter={scene.exporter.url()} reason='connection refused'",
        f"queues seen again, alerts move on exporter={scene.exporter.url()}",
        ENDED,
    ]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((500, b""), "HTTP 500"),
        ((200, b"<html>"), "its snapshot cannot be read: JSON is malformed: invalid character (byte 0)"),
        ((200, b"{}"), "its snapshot cannot be read: Object missing required field `at`"),
    ],
)
def test_answer_that_is_no_snapshot_changes_nothing(scene, late, caplog, answer, reason):
    scene.exporter.serve(late)
    scene.run()
    scene.wait_until(scene.is_state("firing"))

    scene.exporter.status, scene.exporter.content = answer[0], lambda: answer[1]
    scene.wait_until(lambda: caplog.messages)

    assert caplog.messages == [
        f"queues not seen, alerts keep their state exporter={scene.exporter.url()} reason={reason!r}"
    ]
    assert scene.alert.state == "firing"


def test_blind_exporter_is_said_and_changes_nothing(scene, late, fine, caplog):
    scene.exporter.serve(late)
    scene.run()
    scene.wait_until(scene.is_state("firing"))

    scene.exporter.serve(fine, blind_reason="no marker for 12 s")
    scene.wait_until(lambda: caplog.messages)
    before = scene.board.at
    scene.wait_until(lambda: scene.board.at > before)

    assert caplog.messages == [
        f"queues not seen, alerts keep their state exporter={scene.exporter.url()} reason='no marker for 12 s'"
    ]
    assert scene.alert.state == "firing"


def test_snapshot_that_stands_still_is_not_trusted(scene, snapshot):
    reader = SnapshotReader(scene.exporter.url())
    contents = [msgspec.json.encode(snapshot(at=at)) for at in (77.0, 77.0, 77.0, 78.0)]
    scene.exporter.content = lambda: contents.pop(0)

    first = reader.read(1000.0)
    again = reader.read(1030.0)
    with pytest.raises(EndpointError, match=r"^its snapshot stands still$"):
        reader.read(1030.1)
    moved = reader.read(1040.0)

    assert [first.at, again.at, moved.at] == [77.0, 77.0, 78.0]


def test_receivers_that_are_down_hear_of_all_when_they_are_back(scene, listen, late, fine):
    alertmanager, hook = listen(), listen()
    alertmanager.stop()
    hook.status = 500
    scene.exporter.serve(late)
    scene.run(alertmanager_urls=(alertmanager.url(),), webhook_urls=(hook.url(),))
    scene.wait_until(scene.is_state("firing"))
    scene.exporter.serve(fine)
    scene.wait_until(scene.is_state("resolved"))
    scene.wait_until(lambda: len(scene.undelivered) == 2)
    undelivered = scene.undelivered

    alertmanager.start()
    hook.status = 200
    scene.wait_until(lambda: told(hook) == ["firing", "resolved"])
    scene.wait_until(lambda: not scene.undelivered)

    assert undelivered[alertmanager.url()] == "connection refused"
    assert undelivered[hook.url()].startswith("HTTP 500; ")
    assert alertmanager.posts[0][0]["endsAt"] == hook.posts[1]["alert"]["endsAt"]


def test_receiver_is_said_to_be_down_and_up_once_and_without_its_secrets(scene, listen, late, caplog):
    caplog.set_level(logging.INFO)
    alertmanager, hook = listen(), listen()
    alertmanager.status = hook.status = 500
    alertmanager.answer = hook.answer = b"no room"
    scene.exporter.serve(late)
    scene.run(
        alertmanager_urls=(alertmanager.url(credentials="slo:s3cret@"),),
        webhook_urls=(hook.url("/s3cret", "slo:s3cret@"), hook.url("/other")),
    )
    scene.wait_until(lambda: len(scene.undelivered) == 3)
    undelivered = scene.undelivered
    tries = len(hook.requests)
    scene.wait_until(lambda: len(hook.requests) >= tries + 6)

    alertmanager.status = hook.status = 200
    scene.wait_until(lambda: not scene.undelivered)

    assert undelivered == {
        alertmanager.url(): "HTTP 500: no room",
        hook.url("/***"): "HTTP 500; 1 notification waiting",
        hook.url("/***") + " (2)": "HTTP 500; 1 notification waiting",
    }
    assert sorted(caplog.messages) == sorted(
        [
            FIRED,
            *(
                f"receiver down, alerts are kept receiver={receiver} reason={reason!r}"
                for receiver, reason in undelivered.items()
            ),
            *(f"receiver up again, all alerts delivered receiver={receiver}" for receiver in undelivered),
        ]
    )
    assert "s3cret" not in caplog.text + (scene.state_dir / "alerts.json").read_text()


def test_receiver_that_hangs_delays_neither_evaluation_nor_the_others(scene, listen, late):
    hanging, alertmanager = listen(), listen()
    hanging.gate.clear()
    scene.exporter.serve(late)

    scene.run(alertmanager_urls=(hanging.url(), alertmanager.url()))
    scene.wait_until(lambda: [LABELS] in labels(alertmanager))
    first = scene.board.at
    scene.wait_until(lambda: scene.board.at > first)

    assert hanging.posts == []
    hanging.gate.set()


def test_bug_in_the_evaluation_is_logged_and_the_next_round_goes_on(scene, late, caplog, monkeypatch):
    scene.exporter.serve(late)
    with monkeypatch.context() as patch:
        patch.delattr("alerts.service.evaluate")
        scene.run()
        scene.wait_until(lambda: caplog.messages)
    scene.wait_until(scene.is_state("firing"))

    assert set(caplog.messages) == {"evaluation failed, alerts keep their state"}


def test_bug_in_a_delivery_is_logged_and_the_next_one_goes_on(scene, listen, late, caplog, monkeypatch):
    alertmanager = listen()
    scene.exporter.serve(late)
    with monkeypatch.context() as patch:
        patch.delattr("alerts.alertmanager._form")
        scene.run(alertmanager_urls=(alertmanager.url(),))
        scene.wait_until(lambda: scene.undelivered)
        undelivered = scene.undelivered
    scene.wait_until(lambda: [LABELS] in labels(alertmanager))
    scene.wait_until(lambda: not scene.undelivered)

    assert undelivered == {alertmanager.url(): "internal error: NameError"}
    assert set(caplog.messages) == {f"delivery failed, will try again receiver={alertmanager.url()}"}


@pytest.mark.parametrize(
    "wrong", [{"exporter_url": "nowhere"}, {"alertmanager_urls": ("nowhere",)}, {"webhook_urls": ("nowhere",)}]
)
def test_wrong_address_stops_the_start(wrong):
    settings = {"exporter_url": "http://127.0.0.1:9818"} | wrong

    with pytest.raises(AddressError):
        AlertService(AlertSettings(**settings))
