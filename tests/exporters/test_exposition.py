"""What a scrape says, read back through both parsers of the Prometheus client."""

import subprocess

import pytest
from hypothesis import given, settings, strategies
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.utils import floatToGoString

from core.metrics import CATALOGUE, Kind, Metric
from core.snapshot import HistogramView
from core.targets import QueueTarget
from exporters.exposition import _header, render

PARSERS = {True: parse_openmetrics, False: parse_text}
BOTH_FORMATS = pytest.mark.parametrize("openmetrics", [False, True], ids=["text", "openmetrics"])


def families(snapshot, openmetrics):
    return list(PARSERS[openmetrics](render(snapshot, openmetrics=openmetrics).decode()))


def samples(snapshot, openmetrics):
    """Every sample as 'name{label=value,...}' -> value, labels by name; a repeated one fails."""
    read = [
        (f"{sample.name}{{{','.join(f'{label}={value}' for label, value in sorted(sample.labels.items()))}}}", sample)
        for family in families(snapshot, openmetrics)
        for sample in family.samples
    ]
    values = {series: sample.value for series, sample in read}
    assert len(values) == len(read)
    return values


def about_queues(snapshot, openmetrics):
    """The samples of all queues: no buckets, and not the exporter's own."""
    return {
        series: value
        for series, value in samples(snapshot, openmetrics).items()
        if series.startswith("celery_queue_") and "le=" not in series
    }


def verdicts(labels, holds):
    words = ("blind", "no_consumers", "blocked", "late", "at_risk", "busy", "quiet", "ok")
    return {f"celery_queue_verdict{{{labels},verdict={word}}}": int(word == holds) for word in words}


BUSY_SAMPLES = verdicts("cluster=prod,queue=mail", holds="late") | {
    "celery_exporter_broker_up{cluster=prod}": 1,
    "celery_exporter_marker_timestamp_seconds{cluster=prod}": 1_700_000_000.25,
    "celery_exporter_event_lag_seconds{cluster=prod}": 0.002,
    "celery_exporter_events_total{cluster=prod,type=task-sent}": 130,
    "celery_exporter_events_total{cluster=prod,type=task-received}": 125,
    "celery_exporter_events_undecodable_total{cluster=prod}": 1,
    "celery_exporter_unobserved_seconds_total{cluster=prod}": 1.5,
    "celery_exporter_reconnects_total{cluster=prod}": 2,
    "celery_queue_ghosts_total{cluster=prod,queue=mail,reason=not_found}": 7,
    "celery_exporter_waits_total{cluster=prod,queue=mail,source=sent}": 110,
    "celery_exporter_waits_total{cluster=prod,queue=mail,source=broker_seen}": 10,
    "celery_exporter_queue_attribution_total{cluster=prod,source=sent}": 130,
    "celery_exporter_negative_waits_total{cluster=prod}": 3,
    "celery_workers_lost_total{cluster=prod,reason=silent}": 2,
    "celery_exporter_tracked_attempts{cluster=prod}": 15,
    "celery_exporter_targets_valid{cluster=prod}": 1,
    "celery_exporter_folded_total{cluster=prod}": 6,
    "celery_queue_target_seconds{cluster=prod,queue=mail}": 30,
    "celery_queue_objective_ratio{cluster=prod,queue=mail}": 0.99,
    "celery_queue_info{cadence=always,cluster=prod,io_bound=yes,owner=people,page=page,queue=mail,"
    "runbook_url=https://runbooks/mail,target_class=seconds}": 1,
    "celery_queue_target_met_total{attempt=first,cluster=prod,queue=mail}": 100,
    "celery_queue_target_met_total{attempt=retry,cluster=prod,queue=mail}": 10,
    "celery_queue_target_missed_total{attempt=first,cluster=prod,queue=mail}": 20,
    "celery_queue_target_missed_total{attempt=retry,cluster=prod,queue=mail}": 2,
    "celery_queue_target_excluded_total{cluster=prod,queue=mail,reason=revoked}": 3,
    "celery_queue_target_excluded_total{cluster=prod,queue=mail,reason=unobserved}": 0,
    "celery_queue_target_excluded_total{cluster=prod,queue=mail,reason=name}": 1,
    "celery_queue_target_retracted_total{cluster=prod,queue=mail}": 4,
    "celery_queue_expired_total{cluster=prod,queue=mail}": 5,
    "celery_queue_time_to_start_seconds_bucket{cluster=prod,le=0.1,queue=mail}": 90,
    "celery_queue_time_to_start_seconds_bucket{cluster=prod,le=30.0,queue=mail}": 100,
    "celery_queue_time_to_start_seconds_bucket{cluster=prod,le=1e+06,queue=mail}": 119,
    "celery_queue_time_to_start_seconds_bucket{cluster=prod,le=+Inf,queue=mail}": 120,
    "celery_queue_time_to_start_seconds_sum{cluster=prod,queue=mail}": 1234.5,
    "celery_queue_time_to_start_seconds_count{cluster=prod,queue=mail}": 120,
    "celery_queue_runtime_seconds_bucket{cluster=prod,le=1.0,queue=mail}": 50,
    "celery_queue_runtime_seconds_bucket{cluster=prod,le=+Inf,queue=mail}": 110,
    "celery_queue_runtime_seconds_sum{cluster=prod,queue=mail}": 99.25,
    "celery_queue_runtime_seconds_count{cluster=prod,queue=mail}": 110,
    "celery_queue_waiting_tasks{cluster=prod,queue=mail}": 7,
    "celery_queue_overdue_tasks{cluster=prod,queue=mail}": 2,
    "celery_queue_scheduled_tasks{cluster=prod,queue=mail}": 3,
    "celery_queue_reserved_tasks{cluster=prod,queue=mail}": 4,
    "celery_queue_running_tasks{cluster=prod,queue=mail}": 5,
    "celery_queue_oldest_waiting_timestamp_seconds{cluster=prod,queue=mail}": 1_699_999_940.5,
    "celery_queue_newest_waiting_timestamp_seconds{cluster=prod,queue=mail}": 1_699_999_999.125,
    "celery_queue_last_sent_timestamp_seconds{cluster=prod,queue=mail}": 1_699_999_999.75,
    "celery_queue_last_start_timestamp_seconds{cluster=prod,queue=mail}": 1_699_999_998.5,
    "celery_queue_ready_messages{cluster=prod,queue=mail}": 6,
    "celery_queue_consumers{cluster=prod,queue=mail}": 2,
    "celery_queue_slots{cluster=prod,queue=mail}": 8,
    "celery_queue_idle_slots{cluster=prod,queue=mail}": 1,
    "celery_tasks_sent_total{cluster=prod,name=app.send,queue=mail}": 130,
    "celery_tasks_received_total{cluster=prod,name=app.send,queue=mail}": 125,
    "celery_tasks_started_total{cluster=prod,name=app.send,queue=mail}": 120,
    "celery_tasks_finished_total{cluster=prod,name=app.send,outcome=succeeded,queue=mail}": 110,
    "celery_tasks_finished_total{cluster=prod,name=app.send,outcome=failed,queue=mail}": 9,
    "celery_tasks_failed_total{cluster=prod,exception=ValueError,name=app.send,queue=mail}": 8,
    "celery_tasks_failed_total{cluster=prod,exception=OSError,name=app.send,queue=mail}": 1,
    "celery_task_runtime_seconds_sum{cluster=prod,name=app.send,queue=mail}": 99.25,
    "celery_task_runtime_seconds_count{cluster=prod,name=app.send,queue=mail}": 110,
    "celery_worker_online{cluster=prod,worker=celery@alpha}": 1,
    "celery_worker_running_tasks{cluster=prod,worker=celery@alpha}": 5,
    "celery_worker_processed_total{cluster=prod,worker=celery@alpha}": 120,
    "celery_worker_task_events_total{cluster=prod,worker=celery@alpha}": 480,
    "celery_worker_info{cluster=prod,pool=prefork,sw_ver=5.5.3,worker=celery@alpha}": 1,
}


@BOTH_FORMATS
def test_every_value_of_a_snapshot_is_read_back_and_nothing_else(busy, openmetrics):
    assert samples(busy, openmetrics) == BUSY_SAMPLES


@BOTH_FORMATS
def test_every_family_of_the_catalogue_stands_once_with_its_type_and_help(busy, openmetrics):
    read = sorted((family.name, family.type, family.documentation) for family in families(busy, openmetrics))

    assert read == sorted((metric.name.removesuffix("_total"), metric.kind, metric.help) for metric in CATALOGUE)


IDLE_SAMPLES = verdicts("queue=mail", holds="quiet") | {
    "celery_queue_waiting_tasks{queue=mail}": 0,
    "celery_queue_scheduled_tasks{queue=mail}": 0,
    "celery_queue_reserved_tasks{queue=mail}": 0,
    "celery_queue_running_tasks{queue=mail}": 0,
    "celery_queue_oldest_waiting_timestamp_seconds{queue=mail}": 0,
    "celery_queue_newest_waiting_timestamp_seconds{queue=mail}": 0,
    "celery_queue_ready_messages{queue=mail}": 0,
    "celery_queue_consumers{queue=mail}": 1,
    "celery_queue_slots{queue=mail}": 4,
    "celery_queue_idle_slots{queue=mail}": 4,
    "celery_queue_time_to_start_seconds_sum{queue=mail}": 0,
    "celery_queue_time_to_start_seconds_count{queue=mail}": 0,
    "celery_queue_runtime_seconds_sum{queue=mail}": 0,
    "celery_queue_runtime_seconds_count{queue=mail}": 0,
}


@BOTH_FORMATS
def test_an_idle_queue_with_a_target_counts_from_zero(build, mail_target, openmetrics):
    read = about_queues(build.snapshot(queues=[build.queue(target=mail_target)]), openmetrics)

    assert read == IDLE_SAMPLES | {
        "celery_queue_target_seconds{queue=mail}": 30,
        "celery_queue_objective_ratio{queue=mail}": 0.99,
        "celery_queue_info{cadence=always,io_bound=yes,owner=people,page=page,queue=mail,"
        "runbook_url=https://runbooks/mail,target_class=seconds}": 1,
        "celery_queue_target_met_total{attempt=first,queue=mail}": 0,
        "celery_queue_target_met_total{attempt=retry,queue=mail}": 0,
        "celery_queue_target_missed_total{attempt=first,queue=mail}": 0,
        "celery_queue_target_missed_total{attempt=retry,queue=mail}": 0,
        "celery_queue_target_excluded_total{queue=mail,reason=revoked}": 0,
        "celery_queue_target_excluded_total{queue=mail,reason=unobserved}": 0,
        "celery_queue_target_retracted_total{queue=mail}": 0,
        "celery_queue_expired_total{queue=mail}": 0,
        "celery_queue_overdue_tasks{queue=mail}": 0,
    }


@BOTH_FORMATS
def test_an_undocumented_queue_has_nothing_that_speaks_of_a_target(build, openmetrics):
    assert about_queues(build.snapshot(queues=[build.queue()]), openmetrics) == IDLE_SAMPLES


@BOTH_FORMATS
def test_a_documented_queue_without_target_has_its_row_and_nothing_judged(build, openmetrics):
    queue = build.queue(target=QueueTarget(queue="mail", io_bound=False))

    read = about_queues(build.snapshot(queues=[queue]), openmetrics)

    info = "celery_queue_info{cadence=,io_bound=no,owner=,page=none,queue=mail,runbook_url=,target_class=}"
    assert read == IDLE_SAMPLES | {info: 1}


@BOTH_FORMATS
def test_what_was_counted_on_a_queue_without_target_is_shown(build, openmetrics):
    slo = build.slo(met_first=1, missed_first=1, excluded={"revoked": 2}, retracted=3, expired=4)

    read = about_queues(build.snapshot(queues=[build.queue(slo=slo)]), openmetrics)

    assert read == IDLE_SAMPLES | {
        "celery_queue_target_excluded_total{queue=mail,reason=revoked}": 2,
        "celery_queue_target_retracted_total{queue=mail}": 3,
        "celery_queue_expired_total{queue=mail}": 4,
    }


@BOTH_FORMATS
def test_what_is_not_known_has_no_series(build, openmetrics):
    known = build.snapshot(queues=[build.queue()], workers=[build.worker()])
    unknown = build.snapshot(
        queues=[build.queue(ready_messages=None, consumers=None, slots=None, idle_slots=None)],
        workers=[build.worker(running=None, processed=None, sw_ver=None, pool=None)],
        exporter=build.exporter(event_lag_seconds=None),
    )

    assert samples(known, openmetrics).keys() - samples(unknown, openmetrics).keys() == {
        "celery_queue_ready_messages{queue=mail}",
        "celery_queue_consumers{queue=mail}",
        "celery_queue_slots{queue=mail}",
        "celery_queue_idle_slots{queue=mail}",
        "celery_worker_running_tasks{worker=celery@alpha}",
        "celery_worker_processed_total{worker=celery@alpha}",
        "celery_worker_info{pool=prefork,sw_ver=5.5.3,worker=celery@alpha}",
        "celery_exporter_event_lag_seconds{}",
    }


@BOTH_FORMATS
def test_an_exporter_that_has_seen_nothing_says_so(build, openmetrics):
    blind = build.exporter(broker_up=False, marker_at=None, event_lag_seconds=None, targets_valid=False)

    assert samples(build.snapshot(exporter=blind), openmetrics) == {
        "celery_exporter_broker_up{}": 0,
        "celery_exporter_marker_timestamp_seconds{}": 0,
        "celery_exporter_events_undecodable_total{}": 0,
        "celery_exporter_unobserved_seconds_total{}": 0,
        "celery_exporter_reconnects_total{}": 0,
        "celery_exporter_negative_waits_total{}": 0,
        "celery_exporter_tracked_attempts{}": 0,
        "celery_exporter_targets_valid{}": 0,
        "celery_exporter_folded_total{}": 0,
    }


@BOTH_FORMATS
@settings(deadline=None)
@given(text=strategies.text(strategies.characters(exclude_categories=["Cs"])))
@pytest.mark.parametrize("place", ["queue", "name", "cluster", "exception", "owner"])
def test_any_text_survives_as_a_label(build, openmetrics, place, text):
    texts = {"queue": "mail", "name": "app.send", "cluster": "prod", "exception": "OSError", "owner": "me", place: text}
    target = QueueTarget(queue=texts["queue"], owner=texts["owner"])
    task = build.task(texts["name"], texts["queue"], failed={texts["exception"]: 1})
    queue = build.queue(texts["queue"], target=target)
    snapshot = build.snapshot(queues=[queue], tasks=[task], labels={"cluster": texts["cluster"]})

    read = {sample.labels.get(place) for family in families(snapshot, openmetrics) for sample in family.samples}

    assert text in read


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ('say "hi"', r'name="say \"hi\""'),
        (r"back\slash", r'name="back\\slash"'),
        ("two\nlines", r'name="two\nlines"'),
        ("größe→", 'name="größe→"'),
        ("half \ud83d", 'name="half ?"'),
    ],
)
@BOTH_FORMATS
def test_a_label_is_escaped(build, openmetrics, text, written):
    page = render(build.snapshot(tasks=[build.task(text)]), openmetrics=openmetrics).decode()

    assert f'celery_tasks_sent_total{{{written},queue="mail"}} 0\n' in page


def test_bounds_are_written_as_the_client_writes_them(build):
    bounds = (0.005, 0.1, 4.285714285714286, 30.0, 999_999.0, 1e6, 1_209_600.0, 12_345_678.9, 1e15, 1e16, 1e21)
    empty = HistogramView((0,) * (len(bounds) + 1), 0.0)

    read = families(build.snapshot(queues=[build.queue(time_to_start=empty)], wait_bounds=bounds), openmetrics=False)

    waits = next(family.samples for family in read if family.name == "celery_queue_time_to_start_seconds")
    written = [sample.labels["le"] for sample in waits if "le" in sample.labels]
    assert written == [*map(floatToGoString, bounds), "+Inf"]


@BOTH_FORMATS
def test_help_is_escaped(openmetrics):
    odd = Metric("odd", Kind.GAUGE, 'a "quote", a back\\slash\nand a second line')

    (family,) = PARSERS[openmetrics](f"{_header(odd, openmetrics=openmetrics)}odd 1\n# EOF\n")

    assert family.documentation == odd.help


@pytest.mark.live
def test_promtool_finds_nothing_to_say(require_program, busy):
    page = render(busy, openmetrics=False)

    check = subprocess.run(
        [require_program("promtool"), "check", "metrics"], input=page, capture_output=True, check=False
    )

    assert (check.returncode, check.stdout, check.stderr) == (0, b"", b"")
