"""The plain webhook, against a small server: every change once or more, in order."""

import msgspec
import pytest

from alerts.endpoint import AddressError, Endpoint, EndpointError
from alerts.webhook import Webhook
from core.alert import AlertState, AlertView

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z


def firing(queue):
    return AlertView(
        state=AlertState.FIRING,
        labels={"alertname": "CeleryQueueLate", "queue": queue, "severity": "critical"},
        annotations={"summary": f"Queue {queue} is late"},
        active_at=NOW - 360,
        fires_at=NOW - 60,
        resolved_at=None,
    )


def resolved(queue):
    return msgspec.structs.replace(firing(queue), state=AlertState.RESOLVED, resolved_at=NOW - 30)


def told(server):
    return [(post["alert"]["labels"]["queue"], post["status"]) for post in server.posts]


def test_each_change_is_one_post(listen):
    server = listen()
    webhook = Webhook(server.url("/hook/"))

    webhook.take([firing("mail")], [firing("mail")])
    webhook.deliver(NOW)
    webhook.take([resolved("mail")], [resolved("mail")])
    webhook.deliver(NOW)
    webhook.deliver(NOW)

    labels = {"alertname": "CeleryQueueLate", "queue": "mail", "severity": "critical"}
    annotations = {"summary": "Queue mail is late"}
    start, end = "2027-01-15T07:59:00Z", "2027-01-15T07:59:30Z"
    assert server.posts == [
        {
            "version": "1",
            "status": "firing",
            "alert": {"labels": labels, "annotations": annotations, "startsAt": start, "endsAt": None},
        },
        {
            "version": "1",
            "status": "resolved",
            "alert": {"labels": labels, "annotations": annotations, "startsAt": start, "endsAt": end},
        },
    ]
    assert server.requests == [("POST", "/hook/", None)] * 2


def test_alert_that_did_not_change_is_not_posted(listen):
    server = listen()
    webhook = Webhook(server.url())

    webhook.take([firing("mail")], [])
    webhook.deliver(NOW)

    assert server.requests == []


def test_changes_wait_in_order_until_they_are_taken(listen):
    server = listen()
    webhook = Webhook(server.url())
    server.status = 503

    webhook.take([], [firing("mail")])
    with pytest.raises(EndpointError, match=r"^HTTP 503; 1 notification waiting$"):
        webhook.deliver(NOW)
    webhook.take([], [firing("sms"), resolved("mail")])
    with pytest.raises(EndpointError, match=r"^HTTP 503; 3 notifications waiting$"):
        webhook.deliver(NOW)
    server.status = 200
    webhook.deliver(NOW)

    assert told(server) == [("mail", "firing"), ("sms", "firing"), ("mail", "resolved")]


def test_full_queue_drops_the_oldest_and_counts_it(listen, caplog):
    server = listen()
    webhook = Webhook(server.url(), limit=2)
    server.status = 503

    webhook.take([], [firing("mail"), firing("sms"), firing("email"), firing("export")])
    with pytest.raises(EndpointError, match=r"^HTTP 503; 2 notifications waiting, 2 dropped$"):
        webhook.deliver(NOW)
    server.status = 200
    webhook.deliver(NOW)

    assert told(server) == [("email", "firing"), ("export", "firing")]
    assert caplog.messages == [
        f"notification dropped, too many wait receiver={server.url()} queue=mail status=firing dropped_total=1",
        f"notification dropped, too many wait receiver={server.url()} queue=sms status=firing dropped_total=2",
    ]


def test_dropping_the_one_under_way_does_not_lose_the_next(listen):
    server = listen()
    webhook = Webhook(server.url(), limit=1)
    webhook.take([], [firing("mail")])
    server.during = [lambda: webhook.take([], [firing("sms")])]

    webhook.deliver(NOW)

    assert told(server) == [("mail", "firing"), ("sms", "firing")]


def test_what_waits_outlives_the_process(listen, tmp_path):
    server = listen()
    server.status = 503
    first = Webhook(server.url("/hook"), state_dir=tmp_path)
    first.take([], [firing("mail"), resolved("mail")])
    first.save()

    server.status = 200
    second = Webhook(server.url("/hook"), state_dir=tmp_path)
    second.deliver(NOW)
    second.save()
    Webhook(server.url("/hook"), state_dir=tmp_path).deliver(NOW)

    assert told(server) == [("mail", "firing"), ("mail", "resolved")]


def test_each_address_has_a_queue_file_of_its_own(listen, tmp_path):
    server = listen()
    one = Webhook(server.url("/one"), state_dir=tmp_path)
    one.take([], [firing("mail")])
    one.save()

    Webhook(server.url("/two"), state_dir=tmp_path).deliver(NOW)

    assert server.requests == []


def test_damaged_queue_file_is_set_aside(listen, tmp_path, caplog):
    server = listen()
    webhook = Webhook(server.url(), state_dir=tmp_path)
    webhook.take([], [firing("mail")])
    webhook.save()
    (file,) = tmp_path.iterdir()
    file.write_bytes(b'[{"version"')

    Webhook(server.url(), state_dir=tmp_path).deliver(NOW)

    assert [path.name for path in tmp_path.iterdir()] == [f"{file.name}.damaged"]
    assert caplog.messages == [
        f"damaged file set aside, its content is forgotten file={file}.damaged error='Input data was truncated'"
    ]


def test_redirect_is_no_delivery(listen):
    server = listen()
    server.status = 302
    webhook = Webhook(server.url())
    webhook.take([], [firing("mail")])

    with pytest.raises(EndpointError, match=r"^HTTP 302; 1 notification waiting$"):
        webhook.deliver(NOW)

    assert server.requests == [("POST", "/", None)]


@pytest.mark.parametrize("path", ["/services/T0/B0/s3cret", "/?token=s3cret", "/hook?token=s3cret"])
def test_path_and_token_are_not_shown(listen, path):
    server = listen()
    webhook = Webhook(server.url(path, "slo:s3cret@"))
    webhook.take([], [firing("mail")])
    server.stop()

    with pytest.raises(EndpointError, match=r"^connection refused; 1 notification waiting$"):
        webhook.deliver(NOW)

    assert webhook.name == server.url("/***")


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:9093", "ftp://127.0.0.1", "http://", "http://slo:s3cret@host:port", "http://[::1"]
)
def test_wrong_address_is_said_without_its_password(url):
    with pytest.raises(AddressError) as wrong:
        Endpoint(url)

    assert str(wrong.value) == "not an HTTP address; expected http://host:port or https://host:port"
