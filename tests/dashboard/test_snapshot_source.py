import pytest

from dashboard.snapshot_source import Reading, SnapshotSource, failed, succeeded, without_password
from tests.dashboard.fake_exporter import FakeExporter
from tests.dashboard.scenes import calm

NOW = 1_795_176_000.0
URL = "http://exporter.example:9818"
NONE_YET = Reading(exporter_url=URL, snapshot=None, seen_at=None, error=None, failing_since=None)


@pytest.fixture
def exporter():
    with FakeExporter(lambda _now: calm(NOW)) as fake:
        yield fake


def test_a_snapshot_is_read_whole(exporter):
    reading = SnapshotSource(exporter.url + "/").read(100.0)

    assert reading == Reading(
        exporter_url=exporter.url, snapshot=calm(NOW), seen_at=100.0, error=None, failing_since=None
    )


def test_a_lost_exporter_leaves_the_last_snapshot_and_comes_back(exporter):
    source = SnapshotSource(exporter.url)
    first = source.read(100.0)

    exporter.stop()
    lost = [source.read(102.0), source.read(104.0)]
    exporter.start()
    back = source.read(106.0)

    assert lost == [failed(first, "connection refused", 102.0)] * 2
    assert back == first


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (503, b"", "it answers 503 Service Unavailable"),
        (200, b"<html>", "its snapshot cannot be read: JSON is malformed: invalid character (byte 0)"),
        (200, b"{}", "its snapshot cannot be read: Object missing required field `at`"),
    ],
)
def test_an_answer_that_is_no_snapshot_is_an_error_in_words(exporter, status, body, error):
    exporter.answer = (status, body)

    assert SnapshotSource(exporter.url).read(100.0) == Reading(
        exporter_url=exporter.url, snapshot=None, seen_at=None, error=error, failing_since=100.0
    )


def test_an_unknown_host_is_an_error_in_words():
    reading = SnapshotSource("http://exporter.invalid:9818").read(100.0)

    assert reading.error in {
        "name or service not known",
        "temporary failure in name resolution",
        "no address associated with hostname",
    }


def test_a_proxy_from_the_environment_is_not_asked(exporter, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")

    assert SnapshotSource(exporter.url).read(100.0).error is None


def test_failing_since_is_the_first_failure_in_a_row():
    reading = failed(failed(NONE_YET, "refused", 10.0), "timed out", 12.0)

    assert reading == Reading(exporter_url=URL, snapshot=None, seen_at=None, error="timed out", failing_since=10.0)


def test_the_same_snapshot_again_does_not_look_new():
    once = succeeded(NONE_YET, calm(NOW), 10.0)

    assert succeeded(once, calm(NOW), 12.0) == once
    assert succeeded(once, calm(NOW + 1), 12.0).seen_at == 12.0


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://127.0.0.1:9818", "http://127.0.0.1:9818"),
        ("https://me:p@ss@exporter.example/base", "https://exporter.example/base"),
    ],
)
def test_passwords_are_not_shown(url, shown):
    assert without_password(url) == shown
