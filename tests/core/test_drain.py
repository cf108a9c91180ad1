from tests.core.replay import T0, Replay, sent, started

BURST = [sent(str(number), 0) for number in range(400)]


def drained(replay, first, last, per_second):
    """Start tasks of the burst at a steady rate."""
    for number in range(first, last):
        replay.feed(started(str(number), 1 + number / per_second))
    return replay


def test_a_burst_that_will_not_drain_in_time_is_at_risk_long_before_it_is_late():
    replay = drained(Replay("queue,target_seconds\nmail,90\n").feed(*BURST), 0, 66, per_second=3.3).until(21)

    view = replay.queue()

    assert view.verdict == "at_risk"
    assert view.reason == (  # the truth is 198 starts a minute, and 121 s
        "at 189 starts a minute waits will reach 2 min 7 s; 334 tasks waiting, the oldest for 21 s (target 1 min 30 s)"
    )


def test_young_tasks_behind_a_burst_do_not_hide_it():
    replay = drained(Replay("queue,target_seconds\nmail,90\n").feed(*BURST), 0, 66, per_second=3.3).until(21)

    replay.feed(*(sent(f"young{number}", 21) for number in range(20)))

    assert replay.queue().verdict == "at_risk"


def test_a_burst_that_drains_in_time_is_not_at_risk():
    replay = drained(Replay("queue,target_seconds\nmail,150\n").feed(*BURST), 0, 66, per_second=3.3).until(21)

    assert replay.queue().verdict == "ok"


def test_how_tasks_started_before_somebody_waited_is_no_rate():
    calm = [
        event for number in range(40) for event in (sent(f"c{number}", number), started(f"c{number}", number + 0.1))
    ]
    replay = Replay().feed(*calm, *(sent(str(number), 41) for number in range(100))).until(50)

    assert replay.queue().verdict == "ok"


def test_the_sample_of_a_line_is_even_and_tells_the_places():
    replay = Replay("queue\nmail\n").feed(*(sent(str(number), number / 100) for number in range(5_000)))
    line = replay.ledger.series.queues["mail"]._undecided

    places = [(place, round((attempt.eligible_at - T0) * 100)) for place, attempt in line.sample(100)]

    assert places == [(place, place) for place in range(0, 5_000, 50)]
