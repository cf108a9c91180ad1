"""What the demo's application does all day: the tasks of each documented queue, and who runs them."""

import msgspec


class Flow(msgspec.Struct, frozen=True):
    """Tasks of one name that arrive on one queue, at random, at a steady rate."""

    queue: str
    task: str
    per_minute: float
    mean_seconds: float  # run time; drawn anew for each task, exponentially


# Every queue of queue_targets.csv; fast ones often, slow ones seldom, all within what the workers below can do.
FLOWS = (
    Flow("send_report_throttled", "reports.send_scheduled", 6, 1.0),
    Flow("submission_reprocessing_queue", "forms.reprocess_submission", 6, 0.3),
    Flow("sumologic_logs_queue", "logs.ship_device_log", 20, 0.2),
    Flow("analytics_queue", "analytics.track_event", 40, 0.1),
    Flow("reminder_case_update_queue", "reminders.update_case", 20, 0.2),
    Flow("reminder_queue", "reminders.send_due", 20, 0.2),
    Flow("reminder_rule_queue", "reminders.apply_rule", 4, 0.5),
    Flow("repeat_record_queue", "repeaters.forward_record", 40, 0.2),
    Flow("sms_queue", "sms.send", 60, 0.2),
    Flow("async_restore_queue", "phone.restore", 12, 0.4),
    Flow("case_import_queue", "cases.import_file", 6, 0.6),
    Flow("email_queue", "mail.send", 60, 0.1),
    Flow("export_download_queue", "exports.build_download", 12, 0.5),
    Flow("icds_dashboard_reports_queue", "dashboards.render_report", 6, 0.2),
    Flow("background_queue", "background.run", 12, 0.5),
    Flow("case_rule_queue", "cases.run_update_rule", 3, 0.8),
    Flow("celery", "app.do_default", 30, 0.1),
    Flow("celery_periodic", "periodic.check", 12, 0.2),
    Flow("icds_aggregation_queue", "dashboards.aggregate", 2, 0.8),
    Flow("ils_gateway_sms_queue", "sms.gateway_send", 4, 0.2),
    Flow("logistics_background_queue", "logistics.sync", 2, 0.5),
    Flow("logistics_reminder_queue", "logistics.remind", 3, 0.2),
    Flow("saved_exports_queue", "exports.rebuild_saved", 4, 0.5),
    Flow("ucr_indicator_queue", "indicators.compute", 6, 0.6),
    Flow("ucr_queue", "datasources.rebuild", 2, 1.0),
)


class WorkerPlan(msgspec.Struct, frozen=True):
    """One worker: its queues, and how it runs tasks."""

    name: str
    pool: str
    concurrency: int
    queues: tuple[str, ...]
    prefetch_multiplier: int = 1


EMAIL_WORKER = WorkerPlan("email", "prefork", 2, ("email_queue",))  # the script sends it away for a while
WORKERS = (
    WorkerPlan("downloads", "prefork", 1, ("export_download_queue",)),  # one slot: one long task blocks the queue
    WorkerPlan(
        "messaging",
        "gevent",
        20,
        (
            "analytics_queue",
            "ils_gateway_sms_queue",
            "logistics_reminder_queue",
            "reminder_case_update_queue",
            "repeat_record_queue",
            "sms_queue",
            "sumologic_logs_queue",
        ),
        prefetch_multiplier=4,
    ),
    WorkerPlan("reminders", "threads", 2, ("reminder_queue", "reminder_rule_queue")),
    WorkerPlan(
        "interactive",
        "threads",
        4,
        ("async_restore_queue", "case_import_queue", "celery", "celery_periodic", "icds_dashboard_reports_queue"),
    ),
    WorkerPlan(
        "batch",
        "prefork",
        3,
        (
            "background_queue",
            "case_rule_queue",
            "icds_aggregation_queue",
            "logistics_background_queue",
            "saved_exports_queue",
            "send_report_throttled",
            "submission_reprocessing_queue",
            "ucr_indicator_queue",
            "ucr_queue",
        ),
    ),
)


class Trouble(msgspec.Struct, frozen=True):
    """Something that goes wrong, at a time after the start of the demo."""

    at_seconds: float
    what: str  # the method of the director that makes it
    says: str  # the line that is printed


CYCLE_SECONDS = 600.0  # then the day begins anew
DAY = (
    Trouble(30, "block_downloads", "one export of 75 s takes the only slot of export_download_queue"),
    Trouble(60, "burst_reminders", "400 reminders are due at once on reminder_queue"),
    Trouble(120, "send_email_worker_away", "the workers of email_queue go away"),
    Trouble(150, "fail_forwarding", "every second task of repeat_record_queue fails for a minute"),
    Trouble(200, "bring_email_worker_back", "the workers of email_queue come back"),
    Trouble(210, "heal_forwarding", "repeat_record_queue works again"),
    Trouble(240, "midnight", "midnight: 300 saved exports at once; their queue has no target"),
)
