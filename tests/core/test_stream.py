"""How far the stream can be trusted."""

import pytest

from core.stream import ALLOWANCE_SECONDS, MARKER_SECONDS, StreamState


def connected(at=100.0):
    stream = StreamState(started_at=at)
    stream.connect(at)
    return stream


def test_nothing_is_decided_before_the_first_connection():
    stream = StreamState(started_at=100.0)

    assert stream.decided_until(165.0) is None
    assert stream.blind_reason(165.0) == "broker not reached for 1 min 5 s"


def test_nothing_is_decided_before_the_first_marker():
    stream = connected()

    assert stream.decided_until(101.0) is None
    assert stream.blind_reason(101.0) == "event stream just connected, no marker yet"


def test_first_marker_that_stays_away_is_said_so():
    stream = connected()

    assert stream.blind_reason(100.0 + MARKER_SECONDS) == "event stream just connected, no marker yet"
    assert stream.blind_reason(112.0) == "event stream behind: no marker for 12 s"


def test_marker_opens_the_eyes_up_to_its_time_less_the_allowance():
    stream = connected()

    stream.mark(105.0, 105.5)

    assert stream.blind_reason(105.5) is None
    assert stream.decided_until(105.5) == 105.0 - ALLOWANCE_SECONDS
    assert stream.lag_seconds == 0.5


def test_marker_holds_for_ten_seconds():
    stream = connected()
    stream.mark(105.0, 105.0)

    held = [stream.decided_until(now) for now in (115.0, 115.1)]

    assert held == [103.0, None]
    assert stream.blind_reason(125.0) == "event stream behind: no marker for 20 s"


def test_slow_markers_decide_up_to_when_they_were_sent():
    stream = connected()

    stream.mark(105.0, 114.0)

    assert (stream.decided_until(114.0), stream.lag_seconds) == (103.0, 9.0)


def test_marker_never_goes_back():
    stream = connected()
    stream.mark(110.0, 110.0)
    stream.mark(105.0, 111.0)

    assert (stream.marker_at, stream.lag_seconds) == (110.0, 6.0)


def test_marker_from_the_future_has_no_negative_lag():
    stream = connected()
    stream.mark(110.0, 109.0)

    assert stream.lag_seconds == 0.0


@pytest.mark.parametrize(("now", "reason"), [(120.0, "broker lost 0 s ago"), (185.0, "broker lost 1 min 5 s ago")])
def test_lost_broker_is_said_so_with_its_age(now, reason):
    stream = connected()
    stream.mark(119.0, 119.0)
    stream.disconnect(120.0)

    assert (stream.blind_reason(now), stream.decided_until(now)) == (reason, None)


def test_gap_ends_when_the_stream_flows_again():
    stream = connected()
    assert stream.observed_since == 0.0

    stream.disconnect(120.0)
    stream.connect(150.0)

    assert (stream.observed_since, stream.up, stream.connects) == (150.0, True, 2)


def test_time_without_stream_adds_up_and_grows_while_it_lasts():
    stream = connected()
    stream.disconnect(120.0)
    stream.connect(150.0)
    stream.disconnect(160.0)

    seconds = [stream.unobserved_seconds(now) for now in (160.0, 165.0)]
    stream.connect(170.0)

    assert [*seconds, stream.unobserved_seconds(500.0)] == [30.0, 35.0, 40.0]


def test_time_before_the_first_connection_is_not_counted():
    stream = StreamState(started_at=100.0)
    before = stream.unobserved_seconds(150.0)
    stream.connect(160.0)

    assert (before, stream.unobserved_seconds(200.0), stream.observed_since) == (0.0, 0.0, 0.0)


def test_repeated_news_of_the_connection_change_nothing():
    stream = connected()
    stream.connect(110.0)
    stream.disconnect(120.0)
    stream.disconnect(130.0)

    assert (stream.connects, stream.changed_at, stream.unobserved_seconds(140.0)) == (1, 120.0, 20.0)


def test_markers_of_before_a_gap_do_not_open_the_eyes_after_it():
    stream = connected()
    stream.mark(119.0, 119.0)
    stream.disconnect(120.0)
    stream.connect(150.0)

    assert stream.blind_reason(150.0) is not None
    assert stream.decided_until(150.0) is None
    stream.mark(151.0, 151.0)
    assert stream.decided_until(151.0) == 149.0
