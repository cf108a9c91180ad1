"""What the service writes down, and what outlives its restart."""

LABELS = {"alertname": "CeleryQueueLate", "queue": "mail", "severity": "critical"}


def told(server):
    return [post["status"] for post in server.posts]


def labels(server):
    return [[alert["labels"] for alert in post] for post in server.posts]


def test_restart_keeps_a_firing_alert_while_the_exporter_is_away(scene, listen, late, fine):
    alertmanager, hook = listen(), listen()
    scene.exporter.serve(late)
    scene.run(webhook_urls=(hook.url(),))
    scene.wait_until(lambda: told(hook) == ["firing"])
    scene.end()
    before = scene.alert

    scene.exporter.stop()
    scene.run(alertmanager_urls=(alertmanager.url(),), webhook_urls=(hook.url(),))
    scene.wait_until(lambda: len(alertmanager.posts) >= 2)
    kept = scene.alert
    scene.exporter.serve(fine)
    scene.exporter.start()
    scene.wait_until(lambda: told(hook) == ["firing", "resolved"])

    assert labels(alertmanager)[:2] == [[LABELS], [LABELS]]
    assert kept == before
    assert hook.posts[0]["alert"]["startsAt"] == hook.posts[1]["alert"]["startsAt"]


def test_restart_while_a_queue_is_late_tells_nobody_twice(scene, listen, late):
    hook = listen()
    scene.exporter.serve(late)
    scene.run(webhook_urls=(hook.url(),))
    scene.wait_until(lambda: told(hook) == ["firing"])
    scene.end()
    before = scene.board

    scene.run(webhook_urls=(hook.url(),))
    scene.wait_until(lambda: scene.board.at > before.at)
    scene.end()

    assert (scene.alert.fires_at, told(hook)) == (before.alerts[0].fires_at, ["firing"])


def test_notification_that_waits_outlives_a_restart(scene, listen, late):
    hook = listen()
    hook.status = 503
    scene.exporter.serve(late)
    scene.run(webhook_urls=(hook.url(),))
    scene.wait_until(lambda: scene.undelivered)
    scene.end()
    undelivered = scene.undelivered

    hook.status = 200
    scene.run(webhook_urls=(hook.url(),))
    scene.wait_until(lambda: told(hook) == ["firing"])
    scene.wait_until(lambda: not scene.undelivered)

    assert undelivered == {hook.url(): "HTTP 503; 1 notification waiting"}


def test_damaged_board_is_set_aside(scene, late, caplog):
    file = scene.state_dir / "alerts.json"
    file.write_text('{"at": 1, "alerts": [')
    scene.exporter.serve(late)

    scene.run()
    scene.wait_until(scene.is_state("firing"))

    assert (scene.state_dir / "alerts.json.damaged").read_text() == '{"at": 1, "alerts": ['
    assert caplog.messages == [
        f"damaged file set aside, its content is forgotten file={file}.damaged error='Input data was truncated'"
    ]


def test_board_that_cannot_be_written_is_said_once_and_alerts_go_out(scene, listen, late, caplog):
    alertmanager = listen()
    (scene.state_dir / "alerts.json.new").mkdir()
    scene.exporter.serve(late)

    scene.run(alertmanager_urls=(alertmanager.url(),))
    scene.wait_until(lambda: len(alertmanager.posts) >= 5)

    assert [LABELS] in labels(alertmanager)
    assert caplog.messages == [f"state not saved, a restart would forget alerts file={scene.state_dir / 'alerts.json'}"]


def test_service_without_a_state_directory_delivers(scene, listen, late):
    hook = listen()
    scene.exporter.serve(late)

    scene.run(webhook_urls=(hook.url(),), state_dir=None)
    scene.wait_until(lambda: told(hook) == ["firing"])

    assert list(scene.state_dir.iterdir()) == []
