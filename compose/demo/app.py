"""The demo's Celery application: real tasks, whose work is to take time, and sometimes to fail."""

import os
import time

from celery import Celery

from compose.demo.workload import FLOWS


class RemoteServerError(Exception):
    """What the tasks fail with when the script says so."""


def _work(seconds: float, *, fails: bool = False) -> None:
    time.sleep(seconds)
    if fails:
        raise RemoteServerError("the other side answered 503")


def make_app(broker_url: str) -> Celery:
    """The application, with one task for each flow."""
    app = Celery("demo", broker=broker_url, set_as_current=False)
    app.conf.update(
        task_send_sent_event=True,  # what we recommend to every application: without it, waits are estimated
        task_ignore_result=True,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        worker_redirect_stdouts=False,
    )
    for flow in FLOWS:
        app.task(_work, name=flow.task)
    return app


app = make_app(os.environ.get("CELERY_SLO_DEMO_BROKER_URL", "redis://127.0.0.1:6379/0"))
