"""The Alertmanager client, against a small server that speaks its API."""

import json
from base64 import b64encode

import msgspec
import pytest

from alerts.alertmanager import Alertmanager
from alerts.endpoint import EndpointError
from core.alert import AlertState, AlertView

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z

FIRING = AlertView(
    state=AlertState.FIRING,
    labels={"alertname": "CeleryQueueLate", "queue": "mail", "severity": "critical"},
    annotations={"summary": "Queue mail is late"},
    active_at=NOW - 360,
    fires_at=NOW - 60,
    resolved_at=None,
)
RESOLVED = msgspec.structs.replace(FIRING, state=AlertState.RESOLVED, resolved_at=NOW - 30)
PENDING = msgspec.structs.replace(FIRING, state=AlertState.PENDING)


def ends(posts):
    return [[alert["endsAt"] for alert in post] for post in posts]


def test_firing_alert_ends_four_minutes_ahead(listen):
    server = listen()
    client = Alertmanager(server.url())

    client.take([FIRING], [FIRING])
    client.deliver(NOW)

    assert server.posts == [
        [
            {
                "labels": {"alertname": "CeleryQueueLate", "queue": "mail", "severity": "critical"},
                "annotations": {"summary": "Queue mail is late"},
                "startsAt": "2027-01-15T07:59:00Z",
                "endsAt": "2027-01-15T08:04:00Z",
            }
        ]
    ]
    assert server.requests == [("POST", "/api/v2/alerts", None)]


def test_firing_alert_is_sent_again_with_a_later_end(listen):
    server = listen()
    client = Alertmanager(server.url())

    client.take([FIRING], [FIRING])
    client.deliver(NOW)
    client.deliver(NOW + 60)

    assert ends(server.posts) == [["2027-01-15T08:04:00Z"], ["2027-01-15T08:05:00Z"]]


def test_pending_alert_is_not_sent(listen):
    server = listen()
    client = Alertmanager(server.url())

    client.take([PENDING], [])
    client.deliver(NOW)

    assert server.posts == [[]]


def test_resolved_alert_is_sent_for_15_minutes(listen):
    server = listen()
    client = Alertmanager(server.url())
    end = "2027-01-15T07:59:30Z"

    client.take([RESOLVED], [RESOLVED])
    for now in (NOW, NOW + 60, RESOLVED.resolved_at + 900, NOW + 960):
        client.deliver(now)

    assert ends(server.posts) == [[end], [end], [end], []]


def test_resolved_alert_is_sent_even_when_its_queue_is_late_again(listen):
    server = listen()
    client = Alertmanager(server.url())

    client.take([RESOLVED], [RESOLVED])
    client.take([PENDING], [])
    client.deliver(NOW)

    assert ends(server.posts) == [["2027-01-15T07:59:30Z"]]


def test_alert_that_fires_again_is_no_longer_resolved(listen):
    server = listen()
    client = Alertmanager(server.url())

    client.take([RESOLVED], [RESOLVED])
    client.take([FIRING], [FIRING])
    client.deliver(NOW)

    assert ends(server.posts) == [["2027-01-15T08:04:00Z"]]


def test_alert_that_fires_again_during_the_last_resolved_post_is_not_forgotten(listen):
    server = listen()
    client = Alertmanager(server.url())
    client.take([RESOLVED], [RESOLVED])
    server.during = [lambda: client.take([FIRING], [FIRING])]

    client.deliver(NOW + 900)
    client.deliver(NOW + 901)

    assert ends(server.posts) == [["2027-01-15T07:59:30Z"], ["2027-01-15T08:19:01Z"]]


def test_resolve_while_it_was_down_is_delivered_when_it_is_back(listen):
    server = listen()
    client = Alertmanager(server.url())
    client.take([FIRING], [FIRING])
    client.deliver(NOW - 40)

    server.stop()
    client.take([RESOLVED], [RESOLVED])
    with pytest.raises(EndpointError, match=r"^connection refused$"):
        client.deliver(NOW)
    client.take([], [])
    with pytest.raises(EndpointError, match=r"^connection refused$"):
        client.deliver(NOW + 7200)
    server.start()
    client.deliver(NOW + 7260)
    client.deliver(NOW + 7320)

    assert ends(server.posts) == [["2027-01-15T08:03:20Z"], ["2027-01-15T07:59:30Z"], []]


def test_clock_that_was_set_back_does_not_end_an_alert_before_it_began(listen):
    server = listen()
    client = Alertmanager(server.url())

    client.take([msgspec.structs.replace(RESOLVED, resolved_at=NOW - 3600)], [])
    client.deliver(NOW)

    assert ends(server.posts) == [["2027-01-15T07:59:00Z"]]


def test_refusal_says_what_alertmanager_said(listen):
    server = listen()
    server.status, server.answer = 400, b'"invalid label set:\n invalid name \\"a-b\\""'
    client = Alertmanager(server.url())

    with pytest.raises(EndpointError) as refusal:
        client.deliver(NOW)

    assert str(refusal.value) == 'HTTP 400: "invalid label set: invalid name \\"a-b\\""'


def test_password_goes_into_the_header_and_nowhere_else(listen):
    server = listen()
    client = Alertmanager(server.url("/am/", "slo:p%40ss@"))

    client.deliver(NOW)

    assert server.requests == [("POST", "/am/api/v2/alerts", f"Basic {b64encode(b'slo:p@ss').decode()}")]
    assert client.name == server.url("/am")


def test_proxy_for_the_outside_world_is_not_asked(listen, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    server = listen()
    client = Alertmanager(server.url())

    client.deliver(NOW)

    assert server.posts == [[]]


def test_body_is_json_that_any_reader_takes(listen):
    server = listen()
    client = Alertmanager(server.url())
    odd = msgspec.structs.replace(FIRING, annotations={"summary": 'Queue "é\n" is late'})

    client.take([odd], [odd])
    client.deliver(NOW)

    assert server.posts[0][0]["annotations"] == json.loads('{"summary": "Queue \\"é\\n\\" is late"}')
