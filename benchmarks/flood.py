"""Messages as Celery's workers and producers publish them on Redis, as fast as a benchmark wants them."""

import base64
import json
import time
import uuid
from collections.abc import Iterator

QUEUES = 25
NAMES = 100
WORKERS = 54


def task_events(index: int, at: float) -> list[dict[str, object]]:
    """The four events of one task that starts 50 ms after it was sent and runs for 20 ms."""
    task_id = str(uuid.uuid4())
    worker = {"hostname": f"worker{index % WORKERS}@host{index % 9}", "utcoffset": 0, "pid": 4711, "clock": index}
    described = {"name": f"app.module.task_{index % NAMES}", "args": "(1, 2)", "kwargs": "{'domain': 'demo'}"}
    family = {"root_id": task_id, "parent_id": None, "retries": 0, "eta": None, "expires": None}
    queue = f"queue_{index % QUEUES}"
    return [
        {
            "type": "task-sent",
            "uuid": task_id,
            "hostname": "gen99@web1",
            "utcoffset": 0,
            "pid": 99,
            "clock": index,
            **described,
            **family,
            "queue": queue,
            "exchange": "",
            "routing_key": queue,
            "timestamp": at,
        },
        {"type": "task-received", "uuid": task_id, **described, **family, **worker, "timestamp": at + 0.04},
        {"type": "task-started", "uuid": task_id, **worker, "timestamp": at + 0.05},
        {
            "type": "task-succeeded",
            "uuid": task_id,
            "result": "None",
            "runtime": 0.02,
            **worker,
            "timestamp": at + 0.07,
        },
    ]


def message(body: object, routing_key: str) -> bytes:
    """One event, or a list of them, in kombu's wrapper."""
    return json.dumps(
        {
            "body": base64.b64encode(json.dumps(body).encode()).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {"hostname": "worker@host"},
            "properties": {
                "delivery_mode": 1,
                "delivery_info": {"exchange": "celeryev", "routing_key": routing_key},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": "9d2f7a4e-4b6d-4f0a-9e39-5f6c6a0d6d1b",
            },
        }
    ).encode()


def messages(tasks: int, batch: int) -> Iterator[tuple[str, bytes]]:
    """(channel, message) for so many tasks; batch 1 = every event alone, else workers batch that many."""
    now = time.time()
    pending: list[dict[str, object]] = []
    for index in range(tasks):
        sent, *worker_events = task_events(index, now)
        yield "/0.celeryev/task.sent", message(sent, "task.sent")
        if batch == 1:
            for event in worker_events:
                kind = str(event["type"]).replace("-", ".")
                yield f"/0.celeryev/{kind}", message(event, kind)
            continue
        pending += worker_events
        while len(pending) >= batch:
            yield "/0.celeryev/task.multi", message(pending[:batch], "task.multi")
            del pending[:batch]
    if pending:
        yield "/0.celeryev/task.multi", message(pending, "task.multi")
