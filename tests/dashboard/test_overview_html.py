import msgspec
import pytest

from core.alert import AlertBoard
from dashboard.overview_html import page
from dashboard.snapshot_source import Reading
from tests.dashboard.scenes import (
    HOSTILE,
    SCENES,
    alert,
    blind,
    calm,
    empty,
    exporter,
    incident,
    queue,
    snapshot,
    target,
)
from tests.dashboard.tables import body_rows, heading, read, text

DASH = "\N{EN DASH}"
NOW = 1_795_176_000.0  # 2026-11-20 12:00:00 UTC


def reading(picture, **fields):
    values = {"seen_at": NOW, "error": None, "failing_since": None} | fields
    return Reading(exporter_url="http://exporter.example:9818", snapshot=picture, **values)


def test_every_queue_has_a_row_with_units():
    html = page(reading(incident(NOW)), NOW)

    assert body_rows(html, "Queues")[:3] == [
        ["no consumers", "email_queue", "seconds 30 s", "6 min 11 s 12x, late since 11:54:19 UTC", DASH, DASH, "47", "45",
         "0", "0 / 0", DASH, "47", "47 tasks wait and no worker reads the queue; mail@web-3 was last seen 6 min ago"],
        ["blocked", "export_download_queue", "minutes 10 min", "7 min 10 s", "1.2 s", "4 s", "8", "0", "0", "1 / 4",
         DASH, "8", "8 tasks wait beside 3 idle slots and none has started for 7 min"],
        ["late", "case_import_queue", "seconds 30 s", "12 min 4 s 24x, late since 11:48:26 UTC", "5 min 11 s",
         "11 min 42 s", "1,204", "1,160", "0", "4 / 4", "50", "1,196",
         "oldest task waits 12 min 4 s, 11 min 34 s beyond its target of 30 s; all 4 slots are busy"],
    ]  # fmt: skip


def test_every_row_has_as_many_cells_as_the_table_has_columns():
    html = page(reading(incident(NOW)), NOW)

    assert {len(row) for row in body_rows(html, "Queues")} == {13}
    assert html.count("<col ") + html.count("<col>") == 2 * 13


def test_undocumented_queues_stand_apart_and_what_is_not_known_says_so():
    html = page(reading(incident(NOW)), NOW)

    assert body_rows(html, "Not in queue_targets.csv") == [
        ["ok", HOSTILE, "no target", DASH, "0.2 s", "1.4 s", "0", DASH, "0", "0 / 4", DASH, "0",
         f"no target: <b>{HOSTILE}</b>"],
        ["ok", "import_tmp_2", "no target", "51 s", DASH, DASH, "2", DASH, "0", "0 / ?", DASH, "?", "no target"],
    ]  # fmt: skip


def test_alerts_say_since_when_and_why_and_who_does_not_hear_them():
    html = page(reading(incident(NOW)), NOW)

    assert body_rows(html, "Alerts") == [
        ["firing", "case_import_queue", "CeleryQueueLate", "11 min 30 s", "11:48:30 UTC",
         "case_import_queue is late: oldest wait 12 min 4 s, target 30 s runbook All 4 slots are busy. First: scale the workers that read case_import_queue."],
        ["firing", "email_queue", "CeleryQueueLate", "5 min 20 s", "11:54:40 UTC",
         "email_queue has no consumers: 47 tasks wait, oldest 6 min 11 s runbook"],
        ["pending", "export_download_queue", "CeleryQueueBlocked", "2 min 10 s", "11:57:50 UTC",
         "export_download_queue is blocked: 8 tasks wait beside 3 idle slots fires in 2 min 50 s unless it ends"],
    ]  # fmt: skip
    assert "Alerts do not reach https://chat.example/hook: 503 Service Unavailable" in text(html)
    assert "2 firing, 1 pending, evaluated 4 s ago" in text(html)


def test_a_description_adds_only_what_the_summary_has_not_said():
    summary = "Queue q is late: oldest task waits 6 min 11 s, target 30 s; cause: no worker reads this queue"
    description = (
        "Queue q breaks its promise: oldest task waits 6 min 11 s, target 30 s. "
        "Waiting: 47 tasks, 45 beyond the target. "
        "Probable cause: no consumers, no worker reads this queue."
    )
    board = AlertBoard(at=NOW, alerts=(alert("A", "q", "pending", NOW, 9, summary, description),), undelivered={})

    cause = body_rows(page(reading(snapshot(NOW, alerts=board)), NOW), "Alerts")[0][-1]

    assert cause == f"{summary} fires in 4 min 51 s unless it ends Waiting: 47 tasks, 45 beyond the target."


def test_alerts_of_a_blind_exporter_are_kept_as_they_were():
    html = page(reading(blind(NOW)), NOW)

    assert "1 firing, kept since 11:59:18 UTC, not evaluated while blind" in text(html)
    assert body_rows(html, "Alerts")[0][3:5] == ["1 min", "11:58:18 UTC"]


def test_the_queue_of_a_link_stands_first_and_is_marked():
    html = page(reading(incident(NOW)), NOW, "ucr_queue")

    assert body_rows(html, "Queues")[0][1] == "ucr_queue"
    assert html.count('aria-current="true"') == 1


def test_a_link_to_an_unknown_queue_says_so():
    html = page(reading(calm(NOW)), NOW, HOSTILE)

    assert f"The link asks for the queue {HOSTILE}, which is not known here." in text(html)
    assert "<script" not in html
    assert "aria-current" not in html


def test_failures_say_their_share_and_since_when():
    html = page(reading(incident(NOW)), NOW)

    assert 'title="2.5% of 2,000 finished"' in html
    assert "failed since the exporter's start, 19 Nov 12:00 UTC" in html


def test_a_tiny_wait_is_not_zero():
    html = page(reading(snapshot(NOW, queue("q", target("q"), NOW, p50=0.01, p95=0.1))), NOW)

    assert body_rows(html, "Queues")[0][4:6] == ["<0.1 s", "0.1 s"]


def test_a_storm_of_alerts_leaves_the_queues_on_the_screen():
    alerts = tuple(alert("CeleryQueueLate", f"q{place}", "firing", NOW, 100 - place, "late") for place in range(8))
    html = page(
        reading(
            snapshot(NOW, queue("q0", target("q0"), NOW), alerts=AlertBoard(at=NOW, alerts=alerts, undelivered={}))
        ),
        NOW,
    )

    assert [row[1] for row in body_rows(html, "Alerts")] == ["q0", "q1", "q2", "q3", "q4", "q5"]
    assert [row[1] for row in body_rows(html, "More alerts")] == ["q6", "q7"]
    assert list(read(html).tables) == ["Alerts", "Queues", "More alerts"]


@pytest.mark.parametrize(
    ("board", "sentence"),
    [
        (None, "No alerts are shown: no alert evaluator reports to this exporter."),
        (AlertBoard(at=NOW - 4, alerts=(), undelivered={}), "No alert is firing or pending, evaluated 4 s ago."),
        (
            AlertBoard(at=NOW - 180, alerts=(), undelivered={}),
            "The alert evaluator has been silent for 3 min: alerts may be missing",
        ),
    ],
)
def test_no_alert_is_not_the_same_as_no_evaluator(board, sentence):
    html = page(reading(snapshot(NOW, alerts=board)), NOW)

    assert sentence in text(html)


def test_a_runbook_is_linked_only_where_a_browser_may_go():
    promise = target("q", runbook_url="javascript:alert(1)")
    board = AlertBoard(at=NOW, alerts=(alert("A", "q", "firing", NOW, 9, "late"),), undelivered={})
    html = page(reading(snapshot(NOW, queue("q", promise, NOW), alerts=board)), NOW)

    assert "href" not in html
    assert "javascript" not in html


def test_live_numbers_say_their_age_scope_and_broker():
    html = page(reading(incident(NOW)), NOW + 2)

    assert heading(html) == "2 of 18 queues with a target are late, 1 has no consumers, 1 is blocked"
    assert (
        "numbers 2 s old · cluster=production · redis://broker.example:6379/0 · 27 queues, 18 with a target"
        " · targets and alert delays divided by 20 (demo)"
    ) in text(html)
    assert 'class="slo-live"' in html
    assert 'class="slo-stale"' not in html


def test_numbers_of_a_lost_exporter_are_grey_and_dated():
    html = page(reading(incident(NOW), error="connection refused", failing_since=NOW + 2), NOW + 14)

    assert heading(html) == "14 s ago: 2 of 18 queues with a target are late, 1 has no consumers, 1 is blocked"
    assert (
        "Exporter unreachable for 12 s The numbers are 14 s old. http://exporter.example:9818: connection refused."
    ) in text(html)
    assert 'class="slo-live"' not in html


def test_a_blind_exporter_greys_the_numbers_but_not_the_headline_that_says_so():
    html = page(reading(blind(NOW)), NOW + 2)

    assert heading(html) == "Blind: broker lost 42 s ago"
    assert "Broker lost 42 s ago, events last read 11:59:18 UTC The numbers are 44 s old." in text(html)
    assert html.index('class="slo-live"') < html.index("<h1>") < html.index('class="slo-stale"') < html.index("<table")


def test_before_the_first_snapshot_the_page_says_why_it_is_empty():
    html = page(reading(None, seen_at=None, error="connection refused", failing_since=NOW), NOW)

    assert text(html).endswith(
        "No numbers yet from the exporter at http://exporter.example:9818 Last try: connection refused."
    )


def test_an_exporter_without_queues_says_how_they_appear():
    html = page(reading(empty(NOW)), NOW)

    assert heading(html) == "No queues yet: none is documented and none was seen"
    assert "A queue appears here as soon as it has a row in queue_targets.csv" in text(html)
    assert read(html).tables == {}


def test_a_broken_targets_file_is_said():
    html = page(reading(snapshot(NOW, exporter=exporter(NOW, targets_valid=False))), NOW)

    assert "queue_targets.csv is broken on disk; the targets read before stay in force." in text(html)


def test_a_verdict_of_a_newer_exporter_is_shown_as_it_is():
    html = page(reading(snapshot(NOW, queue("q", target("q"), NOW, verdict="<melting>"))), NOW)

    assert body_rows(html, "Queues")[0][0] == "<melting>"


def test_text_from_outside_is_never_markup():
    board = AlertBoard(
        at=NOW,
        alerts=(alert(HOSTILE, HOSTILE, "firing", NOW, 9, HOSTILE, HOSTILE + "2"),),
        undelivered={HOSTILE: HOSTILE},
    )
    view = queue(HOSTILE, target(HOSTILE, runbook_url=f"https://{HOSTILE}"), NOW, verdict=HOSTILE, reason=HOSTILE)
    picture = msgspec.structs.replace(
        snapshot(NOW, view, alerts=board, labels={HOSTILE: HOSTILE}),
        version=HOSTILE,
        exporter=exporter(NOW, broker=HOSTILE, blind_reason=HOSTILE),
    )

    html = page(reading(picture, error=HOSTILE, failing_since=NOW), NOW)

    assert 'q"' not in html
    assert "<script" not in html
    assert HOSTILE in text(html)


@pytest.mark.parametrize("scene", SCENES.values())
def test_no_two_drawings_are_alike(scene):
    seen = reading(scene(NOW))

    assert page(seen, NOW + 1) != page(seen, NOW + 1.01)


def test_all_tags_are_closed_in_every_scene():
    for scene in (*SCENES.values(), calm):
        read(page(reading(scene(NOW)), NOW))
