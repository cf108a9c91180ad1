from dashboard.overview_table import Row, rows
from tests.dashboard.scenes import incident, queue, snapshot, target

NOW = 1_795_176_000.0


def test_a_row_says_how_long_the_oldest_task_waits_against_the_target():
    view = queue(
        "mail", target("mail"), NOW, verdict="late", reason="why", oldest=45, p50=2, p95=40,
        waiting=7, overdue=3, scheduled=5, running=4, ready_messages=6,
    )  # fmt: skip

    assert rows(snapshot(NOW, view)) == (
        Row(
            queue="mail",
            is_documented=True,
            verdict="late",
            reason="why",
            target_seconds=30,
            target_class="seconds",
            oldest_wait_seconds=45,
            target_ratio=1.5,
            late_since_at=NOW - 15,
            p50_seconds=2,
            p95_seconds=40,
            waiting=7,
            overdue=3,
            scheduled=5,
            running=4,
            slots=4,
            ready_messages=6,
            failed=0,
            finished=0,
        ),
    )


def test_an_undocumented_queue_is_measured_but_cannot_be_overdue():
    view = queue("tmp", None, NOW, oldest=45, waiting=2, slots=None, ready_messages=None)

    assert rows(snapshot(NOW, view)) == (
        Row(
            queue="tmp",
            is_documented=False,
            verdict="ok",
            reason="in time",
            target_seconds=None,
            target_class=None,
            oldest_wait_seconds=45,
            target_ratio=None,
            late_since_at=None,
            p50_seconds=None,
            p95_seconds=None,
            waiting=2,
            overdue=None,
            scheduled=0,
            running=0,
            slots=None,
            ready_messages=None,
            failed=0,
            finished=0,
        ),
    )


def test_failures_of_all_tasks_of_a_queue_are_added_up():
    row = next(row for row in rows(incident(NOW)) if row.queue == "case_import_queue")

    assert (row.failed, row.finished) == (50, 2000)


def test_worst_verdicts_stand_first():
    words = ["ok", "quiet", "busy", "at_risk", "late", "blocked", "no_consumers", "blind"]
    views = [queue(word, target(word), NOW, verdict=word) for word in words]

    assert [row.queue for row in rows(snapshot(NOW, *views))] == words[::-1]


def test_a_verdict_of_a_newer_exporter_stands_on_top():
    views = [queue("a", target("a"), NOW, verdict="blind"), queue("b", target("b"), NOW, verdict="melting")]

    assert [row.queue for row in rows(snapshot(NOW, *views))] == ["b", "a"]


def test_among_equal_verdicts_the_queue_furthest_beyond_its_target_stands_first():
    hours = queue("hours", target("hours", "hours"), NOW, verdict="late", oldest=15_000)  # 10 min over, 1.04 times
    seconds = queue("seconds", target("seconds"), NOW, verdict="late", oldest=90)  # 1 min over, 3 times

    assert [row.queue for row in rows(snapshot(NOW, hours, seconds))] == ["seconds", "hours"]


def test_queues_in_time_keep_the_order_of_the_file():
    first = queue("first", target("first"), NOW, oldest=1)
    second = queue("second", target("second"), NOW, oldest=29)

    assert [row.queue for row in rows(snapshot(NOW, first, second))] == ["first", "second"]


def test_a_queue_is_late_from_the_moment_its_oldest_wait_is_longer_than_the_target():
    views = [queue(str(wait), target("q"), NOW, oldest=wait) for wait in (29.9, 30, 30.1)]

    assert {row.queue: row.is_late for row in rows(snapshot(NOW, *views))} == {"29.9": False, "30": False, "30.1": True}


def test_a_queue_that_the_exporter_calls_late_is_late():
    view = queue("mail", target("mail"), NOW, verdict="late", oldest=29.9)

    assert [row.is_late for row in rows(snapshot(NOW, view))] == [True]
