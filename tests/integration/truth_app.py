"""A Celery application that tells the truth: its signals, not its events, say what happened to each task.

Every signal becomes one line of JSON in the file that TRUTH_FILE names. Run as a program it is the producer: it reads
what to send or to revoke from standard input, a line of JSON each, and answers with the ids.
"""

import json
import os
import signal
import sys
import time

from celery import Celery, signals
from celery.exceptions import Ignore, Reject

app = Celery("truth", broker=os.environ["TRUTH_BROKER"], set_as_current=True)
app.conf.update(
    task_ignore_result=True,
    task_send_sent_event=os.environ.get("TRUTH_SENT_EVENTS", "1") == "1",
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
    **json.loads(os.environ.get("TRUTH_SETTINGS", "{}")),
)
_file = os.open(os.environ["TRUTH_FILE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


class MailboxFullError(Exception):
    """One of ours, whose name stands with its module in a traceback."""


# -- tasks


@app.task(name="truth.ok")
def ok(seconds=0.0):
    """Take so long and succeed."""
    time.sleep(seconds)


@app.task(name="truth.boom")
def boom():
    """Fail with a message of several lines, of which the last looks like another exception."""
    raise ValueError("cannot send:\n\n  File 'letter', line 1\nKeyError: 'address'")


@app.task(name="truth.boom_own")
def boom_own():
    """Fail with an exception of the application, raised while another one was handled."""
    try:
        {}["address"]
    except KeyError as error:
        raise MailboxFullError("full") from error


@app.task(name="truth.retry_once", bind=True)
def retry_once(self, countdown=1.0):
    """Succeed at the second attempt."""
    if self.request.retries == 0:
        raise self.retry(countdown=countdown, exc=OSError("try again"))


@app.task(name="truth.ignore")
def ignore():
    """End without a word."""
    raise Ignore


@app.task(name="truth.reject", acks_late=True)
def reject():
    """Be taken from the queue for good."""
    raise Reject("no", requeue=False)


@app.task(name="truth.requeue_once", bind=True, acks_late=True)
def requeue_once(self):
    """Be put back into the queue, and succeed when it comes again."""
    if not self.request.delivery_info.get("redelivered"):
        raise Reject("later", requeue=True)


@app.task(name="truth.die")
def die():
    """Take the pool's process with it."""
    os.kill(os.getpid(), signal.SIGKILL)


# -- truth


def _write(kind, **fields):
    line = json.dumps({"kind": kind, "at": time.time(), "pid": os.getpid(), **fields})
    os.write(_file, line.encode() + b"\n")


@signals.before_task_publish.connect
def _on_before_publish(headers=None, routing_key=None, **_):
    _write("publishing", id=headers["id"], name=headers["task"], queue=routing_key)


@signals.after_task_publish.connect
def _on_after_publish(headers=None, routing_key=None, **_):
    _write(
        "sent",
        id=headers["id"],
        name=headers["task"],
        queue=routing_key,
        retries=headers["retries"],
        eta=headers["eta"],
    )


@signals.task_received.connect
def _on_received(request=None, **_):
    _write("received", id=request.id, name=request.name, queue=request.delivery_info["routing_key"])


@signals.task_prerun.connect
def _on_prerun(task_id=None, task=None, **_):
    queue = task.request.delivery_info["routing_key"]
    _write("started", id=task_id, name=task.name, queue=queue, retries=task.request.retries)


@signals.task_postrun.connect
def _on_postrun(task_id=None, task=None, state=None, retval=None, **_):
    request = task.request
    if isinstance(retval, Reject) and not retval.requeue:
        state = "FAILURE"  # so Celery has it from 5.7 on: it sends task_failure too, after this signal
    _write(
        "ended",
        id=task_id,
        name=task.name,
        queue=request.delivery_info["routing_key"],
        retries=request.retries,
        state=state,
        exception=type(retval).__name__ if state == "FAILURE" else None,
    )


@signals.task_revoked.connect
def _on_revoked(request=None, **_):
    queue = request.delivery_info["routing_key"]
    _write("ended", id=request.id, name=request.task, queue=queue, state="REVOKED", exception=None)


@signals.task_unknown.connect
def _on_unknown(name=None, id=None, message=None, **_):  # noqa: A002 - Celery's names
    queue = message.delivery_info["routing_key"]
    _write("ended", id=id, name=name, queue=queue, state="FAILURE", exception="NotRegistered")


@signals.worker_ready.connect
def _on_ready(sender=None, **_):
    _write("worker_ready", worker=sender.hostname)


@signals.worker_shutdown.connect
def _on_shutdown(sender=None, **_):
    _write("worker_shutdown", worker=sender.hostname)


# -- producer


def produce():
    """Do what standard input asks for, until it ends."""
    for line in sys.stdin:
        order = json.loads(line)
        if "revoke" in order:
            app.control.revoke(order["revoke"])
            done = order["revoke"]
        else:
            done = [
                app.send_task(order["task"], args=order["args"], queue=order["queue"], **order["options"]).id
                for _ in range(order["count"])
            ]
        print(json.dumps(done), flush=True)


if __name__ == "__main__":
    produce()
