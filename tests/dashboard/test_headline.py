import msgspec
import pytest

from dashboard.headline import Doubt, Headline, Tone, doubt, headline, tab_title
from dashboard.overview_table import rows
from dashboard.snapshot_source import Reading
from tests.dashboard.scenes import blind, calm, exporter, incident, queue, snapshot, target

NOW = 1_795_176_000.0
READING = Reading(
    exporter_url="http://exporter.example:9818", snapshot=calm(NOW), seen_at=NOW, error=None, failing_since=None
)


def sum_up(picture):
    return headline(picture, rows(picture))


def queues(*verdicts, oldest=None):
    views = [
        queue(f"{verdict}-{place}", target("q"), NOW, verdict=verdict, oldest=oldest)
        for place, verdict in enumerate(verdicts)
    ]
    return snapshot(NOW, *views)


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["ok"], Headline(Tone.GOOD, "The only queue with a target is in time")),
        (["ok", "busy", "ok"], Headline(Tone.GOOD, "All 3 queues with a target are in time")),
        (
            ["ok", "ok", "quiet"],
            Headline(Tone.GOOD, "All 2 queues with a target and traffic are in time, 1 is quiet"),
        ),
        (["quiet", "quiet"], Headline(Tone.UNKNOWN, "No traffic: all 2 queues with a target are quiet")),
        (["ok", "at_risk"], Headline(Tone.WARN, "No queue is late, 1 of 2 is at risk")),
        (["ok", "blind"], Headline(Tone.UNKNOWN, "No queue is seen to be late, 1 of 2 cannot be judged")),
        (["ok", "no_consumers"], Headline(Tone.BAD, "1 of 2 queues has no consumers")),
        (
            ["no_consumers", "blocked", "blocked", "no_consumers"],
            Headline(Tone.BAD, "2 of 4 queues have no consumers, 2 are blocked"),
        ),
    ],
)
def test_without_a_late_queue_the_headline_claims_no_more_than_is_known(verdicts, expected):
    assert sum_up(queues(*verdicts)) == expected


def test_one_late_queue_of_two():
    late = queue("late", target("late"), NOW, verdict="late", oldest=31)
    other = queue("other", target("other"), NOW)

    assert sum_up(snapshot(NOW, late, other)) == Headline(Tone.BAD, "1 of 2 queues with a target is late")


def test_a_queue_without_consumers_beyond_its_target_is_counted_once_as_in_the_chips():
    assert sum_up(incident(NOW)) == Headline(
        Tone.BAD, "2 of 18 queues with a target are late, 1 has no consumers, 1 is blocked"
    )


def test_queues_without_target_are_never_counted_as_in_time():
    picture = snapshot(NOW, queue("a", target("a", None), NOW), queue("b", None, NOW))

    assert sum_up(picture) == Headline(Tone.UNKNOWN, "No queue has a target: nothing can be late")


def test_no_queue_at_all():
    assert sum_up(snapshot(NOW)) == Headline(Tone.UNKNOWN, "No queues yet: none is documented and none was seen")


def test_blindness_goes_before_everything_else():
    assert sum_up(blind(NOW)) == Headline(Tone.UNKNOWN, "Blind: broker lost 42 s ago")


def test_numbers_that_were_just_read_are_not_doubted():
    assert doubt(READING, NOW + 4) is None


def test_an_unreachable_exporter_is_doubted_with_both_ages():
    reading = msgspec.structs.replace(READING, error="connection refused", failing_since=NOW + 2)

    assert doubt(reading, NOW + 14) == Doubt(
        text="Exporter unreachable for 12 s",
        detail="http://exporter.example:9818: connection refused.",
        age_seconds=14,
    )


def test_an_exporter_that_was_never_reached_has_no_age():
    reading = msgspec.structs.replace(
        READING, snapshot=None, seen_at=None, error="connection refused", failing_since=NOW
    )

    assert doubt(reading, NOW + 5) == Doubt(
        text="No numbers yet from the exporter at http://exporter.example:9818",
        detail="Last try: connection refused.",
        age_seconds=None,
    )


def test_numbers_that_stand_still_are_doubted_although_the_exporter_answers():
    assert doubt(READING, NOW + 10) is None
    assert doubt(READING, NOW + 40) == Doubt(
        text="The exporter answers, but its numbers have stood still for 40 s",
        detail="http://exporter.example:9818.",
        age_seconds=40,
    )


def test_a_blind_exporter_is_doubted_with_the_age_of_what_it_last_read():
    reading = msgspec.structs.replace(READING, snapshot=blind(NOW))

    assert doubt(reading, NOW + 2) == Doubt(
        text="Broker lost 42 s ago, events last read 11:59:18 UTC",
        detail="Nothing is judged until redis://broker.example:6379/0 is read again.",
        age_seconds=44,
        is_headline=True,
    )


def test_an_exporter_that_never_saw_an_event_has_no_age():
    picture = snapshot(NOW, exporter=exporter(NOW, blind_reason="no broker", marker_at=None))
    reading = msgspec.structs.replace(READING, snapshot=picture)

    assert doubt(reading, NOW) == Doubt(
        text="No broker, events were never read",
        detail="Nothing is judged until redis://broker.example:6379/0 is read again.",
        age_seconds=None,
        is_headline=True,
    )


@pytest.mark.parametrize(
    ("reading", "title"),
    [
        (READING, "celery-slo"),
        (msgspec.structs.replace(READING, snapshot=incident(NOW)), "4 in trouble · celery-slo"),
        (msgspec.structs.replace(READING, snapshot=blind(NOW)), "not live · celery-slo"),
        (msgspec.structs.replace(READING, error="gone", failing_since=NOW), "not live · celery-slo"),
        (msgspec.structs.replace(READING, snapshot=None, seen_at=None), "not live · celery-slo"),
    ],
)
def test_the_tab_says_it_too(reading, title):
    assert tab_title(reading, NOW) == title
