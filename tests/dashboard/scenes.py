"""Made-up snapshots: a calm evening, a bad night, a lost broker, a first start."""

import msgspec

from core.alert import AlertBoard, AlertState, AlertView
from core.snapshot import ExporterView, HistogramView, QueueView, RecentView, SloView, Snapshot, TaskView
from core.targets import CLASS_SECONDS, QueueTarget, TargetClass

HOSTILE = 'q"\'&<script>document.title="owned"</script>'
_EMPTY = HistogramView(counts=(0,), sum_seconds=0.0)
_NOTHING_JUDGED = SloView(met_first=0, met_retry=0, missed_first=0, missed_retry=0, excluded={}, retracted=0, expired=0)


def target(queue, target_class="seconds", seconds=None, **fields):
    """A row of the targets file; class None has no target."""
    if target_class is None:
        return QueueTarget(queue=queue, **fields)
    word = TargetClass(target_class)
    return QueueTarget(queue=queue, target_class=word, target_seconds=seconds or CLASS_SECONDS[word], **fields)


def queue(name, promise=None, now=0.0, *, verdict="ok", reason="in time", oldest=None, p50=None, p95=None, **fields):
    """One queue; `oldest` is how long its longest wait has lasted, in seconds."""
    values = {
        "waiting": 0,
        "overdue": 0,
        "scheduled": 0,
        "reserved": 0,
        "running": 0,
        "ready_messages": 0,
        "consumers": 1,
        "slots": 4,
        "idle_slots": None,
    } | fields
    return QueueView(
        queue=name,
        target=promise,
        verdict=verdict,
        reason=reason,
        oldest_waiting_at=None if oldest is None else now - oldest,
        newest_waiting_at=None,
        last_sent_at=None,
        last_start_at=None,
        slo=_NOTHING_JUDGED,
        time_to_start=_EMPTY,
        runtime=_EMPTY,
        recent=RecentView(started=0 if p50 is None else 100, p50_seconds=p50, p95_seconds=p95),
        waits_by_source={},
        **values,
    )


def exporter(now, **fields):
    """An exporter that sees."""
    values = {
        "broker": "redis://broker.example:6379/0",
        "broker_up": True,
        "started_at": now - 86_400,
        "blind_reason": None,
        "marker_at": now - 0.4,
        "event_lag_seconds": 0.003,
        "unobserved_seconds": 0.0,
        "events": {},
        "events_undecodable": 0,
        "reconnects": 0,
        "attribution": {},
        "tracked_attempts": 0,
        "folded": 0,
        "negative_waits": 0,
        "targets_valid": True,
    } | fields
    return ExporterView(**values)


def snapshot(now, *queues, **fields):
    """A snapshot of these queues."""
    values = {"labels": {}, "target_divisor": 1.0, "exporter": exporter(now), "tasks": (), "workers": ()} | fields
    return Snapshot(at=now, version="0.1.0", wait_bounds=(), runtime_bounds=(), queues=queues, **values)


def task(name, queue_name, **finished):
    """A task name's counters; `finished` are attempts by outcome."""
    started = sum(finished.values())
    return TaskView(
        name=name,
        queue=queue_name,
        sent=started,
        received=started,
        started=started,
        finished=finished,
        failed={"ValueError": finished.get("failed", 0)},
        runtime_count=started,
        runtime_sum_seconds=1.0 * started,
    )


def alert(name, queue_name, state, now, since, summary, description="", **fields):
    """An alert whose condition has held for `since` seconds."""
    return AlertView(
        state=AlertState(state),
        labels={"alertname": name, "severity": "page"} | ({"queue": queue_name} if queue_name else {}),
        annotations={"summary": summary, "description": description},
        active_at=now - since,
        fires_at=now - since + 300,
        resolved_at=None,
        **fields,
    )


def calm(now):
    """Every documented queue in time, some of them quiet."""
    quiet = {"verdict": "quiet", "reason": "no task sent in the last hour", "slots": 4}
    return snapshot(
        now,
        queue("email_queue", target("email_queue"), now, p50=0.08, p95=0.9, running=2, waiting=1, oldest=0.6),
        queue("sms_queue", target("sms_queue", "minutes", 300), now, p50=0.21, p95=4.2, running=1),
        queue("analytics_queue", target("analytics_queue", "minutes"), now, p50=12.4, p95=95, waiting=212, oldest=88),
        queue("async_restore_queue", target("async_restore_queue"), now, p50=0.4, p95=6.6, waiting=3, oldest=5.5),
        queue("case_import_queue", target("case_import_queue"), now, **quiet),
        queue("case_rule_queue", target("case_rule_queue", "hours"), now, **quiet),
        queue("celery", target("celery", None), now, p50=0.1, p95=0.3, running=3, reason="no target to judge by"),
        queue("ucr_queue", target("ucr_queue", "hours"), now, p50=700, p95=5400, running=4, waiting=9, oldest=2911),
        labels={"cluster": "production"},
        alerts=AlertBoard(at=now - 4, alerts=(), undelivered={}),
    )


def incident(now):
    """A bad night: every verdict but blind, alerts that some do not receive, queues nobody documented."""
    runbook = {"runbook_url": "https://runbooks.example/celery"}
    late = (
        queue(
            "case_import_queue",
            target("case_import_queue", **runbook),
            now,
            verdict="late",
            reason="oldest task waits 12 min 4 s, 11 min 34 s beyond its target of 30 s; all 4 slots are busy",
            oldest=724,
            p50=311,
            p95=702,
            waiting=1204,
            overdue=1160,
            running=4,
            ready_messages=1196,
        ),
        queue(
            "email_queue",
            target("email_queue", **runbook),
            now,
            verdict="no_consumers",
            reason="47 tasks wait and no worker reads the queue; mail@web-3 was last seen 6 min ago",
            oldest=371,
            waiting=47,
            overdue=45,
            ready_messages=47,
            consumers=0,
            slots=0,
        ),
        queue(
            "export_download_queue",
            target("export_download_queue", "minutes"),
            now,
            verdict="blocked",
            reason="8 tasks wait beside 3 idle slots and none has started for 7 min",
            oldest=430,
            p50=1.2,
            p95=4,
            waiting=8,
            running=1,
            ready_messages=8,
        ),
        queue(
            "analytics_queue",
            target("analytics_queue", "minutes"),
            now,
            verdict="at_risk",
            reason="at the present rate the last of 5,310 tasks starts in 14 min",
            oldest=214,
            p50=150,
            p95=212,
            waiting=5310,
            running=8,
            slots=8,
            ready_messages=5278,
        ),
        queue(
            "reminder_rule_queue",
            target("reminder_rule_queue", "hours"),
            now,
            verdict="late",
            reason="oldest task waits 4 h 10 min, 10 min beyond its target of 4 h; held by prefetch on rules@worker-2 behind messaging.run_rule, running since 08:14 UTC",
            oldest=15_000,
            waiting=3,
            overdue=1,
            running=2,
            slots=2,
        ),
        queue(
            "ucr_queue",
            target("ucr_queue", "hours"),
            now,
            verdict="busy",
            reason="all 4 slots are busy, in time",
            oldest=2911,
            p50=700,
            p95=5400,
            waiting=9,
            running=4,
        ),
    )
    alerts = (
        alert("CeleryQueueLate", "case_import_queue", "firing", now, 690, "case_import_queue is late: oldest wait 12 min 4 s, target 30 s", "All 4 slots are busy. First: scale the workers that read case_import_queue."),
        alert("CeleryQueueLate", "email_queue", "firing", now, 320, "email_queue has no consumers: 47 tasks wait, oldest 6 min 11 s"),
        alert("CeleryQueueBlocked", "export_download_queue", "pending", now, 130, "export_download_queue is blocked: 8 tasks wait beside 3 idle slots"),
    )  # fmt: skip
    board = AlertBoard(at=now - 4, alerts=alerts, undelivered={"https://chat.example/hook": "503 Service Unavailable"})
    strangers = (
        queue(HOSTILE, None, now, p50=0.2, p95=1.4, reason=f"no target: <b>{HOSTILE}</b>"),
        queue("import_tmp_2", None, now, oldest=51, waiting=2, slots=None, ready_messages=None, reason="no target"),
    )
    return snapshot(
        now,
        *late,
        *_ordinary(now),
        *strangers,
        labels={"cluster": "production"},
        target_divisor=20.0,
        alerts=board,
        tasks=(
            task("case_importer.import_case", "case_import_queue", succeeded=1950, failed=40),
            task("case_importer.clean_up", "case_import_queue", failed=10),
        ),
    )


def _ordinary(now):
    quiet = {"verdict": "quiet", "reason": "no task sent in the last hour"}
    names = {
        "send_report_throttled": ("minutes", 1800, {"p50": 3.1, "p95": 44, "running": 1}),
        "submission_reprocessing_queue": ("hours", 3600, {"p50": 0.9, "p95": 31, "scheduled": 12}),
        "sumologic_logs_queue": ("hours", 3600, {"p50": 41, "p95": 340, "waiting": 88, "oldest": 301}),
        "reminder_case_update_queue": ("minutes", 0, quiet),
        "reminder_queue": ("minutes", 900, {"p50": 0.3, "p95": 2.2, "scheduled": 1480, "running": 2}),
        "repeat_record_queue": ("hours", 0, {"p50": 61, "p95": 800, "waiting": 12_431, "oldest": 1310, "running": 16, "slots": 16}),
        "sms_queue": ("minutes", 300, {"p50": 0.2, "p95": 4.2, "running": 1, "slots": 8}),
        "async_restore_queue": ("seconds", 0, {"p50": 0.4, "p95": 6.6, "waiting": 3, "oldest": 5.5, "running": 1}),
        "background_queue": (None, 0, {"p50": 0.3, "p95": 14, "running": 3, "slots": 12}),
        "case_rule_queue": ("hours", 0, quiet),
        "celery": (None, 0, {"p50": 0.1, "p95": 0.3, "running": 3}),
        "celery_periodic": (None, 0, {"p50": 0.1, "p95": 1.1, "running": 1, "waiting": 2, "oldest": 0.4}),
        "icds_aggregation_queue": (None, 0, quiet),
        "icds_dashboard_reports_queue": ("seconds", 0, quiet),
        "ils_gateway_sms_queue": (None, 0, quiet | {"slots": None, "ready_messages": None}),
        "logistics_background_queue": (None, 0, quiet | {"slots": None}),
        "logistics_reminder_queue": (None, 0, quiet | {"slots": None}),
        "saved_exports_queue": ("hours", 0, {"p50": 22, "p95": 1800, "running": 2}),
        "ucr_indicator_queue": ("minutes", 0, {"p50": 2.4, "p95": 19, "waiting": 31, "oldest": 11.2, "running": 4}),
    }  # fmt: skip
    return tuple(
        queue(name, target(name, word, seconds), now, **({"reason": "no target" if word is None else "in time"} | rest))
        for name, (word, seconds, rest) in names.items()
    )


def blind(now):
    """The broker went away 42 s ago."""
    seen = calm(now)
    queues = tuple(
        msgspec.structs.replace(view, verdict="blind", reason="broker lost 42 s ago") for view in seen.queues
    )
    lost = exporter(now, broker_up=False, blind_reason="broker lost 42 s ago", marker_at=now - 42)
    kept = alert("CeleryQueueLate", "email_queue", "firing", now, 102, "Queue email_queue is late")
    board = AlertBoard(at=now, alerts=(kept,), undelivered={})
    return msgspec.structs.replace(seen, queues=queues, exporter=lost, alerts=board)


def empty(now):
    """An exporter that has just started and knows no queue."""
    return snapshot(now)


SCENES = {"calm": calm, "incident": incident, "blind": blind, "empty": empty}
