"""Rubbish on the event channel: counted, dropped, and the stream goes on."""

import json
import pickle
import random
import time
import zlib
from base64 import b64encode

import pytest

from tests.conftest import eventually

pytestmark = pytest.mark.live


def event(**fields):
    return {"type": "task-sent", "timestamp": time.time(), "uuid": "u", "name": "n", "queue": "rubbish", **fields}


def message(body, content_type="application/json", encoding="utf-8", headers=None):
    """A body in the wrapper that kombu puts around it on Redis."""
    return json.dumps(
        {
            "body": b64encode(body if isinstance(body, bytes) else json.dumps(body).encode()).decode(),
            "content-encoding": encoding,
            "content-type": content_type,
            "headers": headers or {},
            "properties": {
                "body_encoding": "base64",
                "delivery_info": {"exchange": "celeryev", "routing_key": "task.sent"},
            },
        }
    ).encode()


def garbage(size):
    return random.Random(1).randbytes(size)


# What is wrong with it -> (message, undecodable events in it).
RUBBISH = {
    "nothing": (b"", 1),
    "no JSON": (b"hello", 1),
    "JSON of another kind": (b"[1, 2]", 1),
    "empty wrapper": (b"{}", 1),
    "wrapper of wrong types": (b'{"body": 1, "headers": 2, "properties": 3, "content-type": []}', 1),
    "deep wrapper": (b"[" * 100_000, 1),
    "1 MB of garbage": (garbage(1_000_000), 1),
    "1 MB of garbage in a wrapper": (message(garbage(1_000_000)), 1),
    "body that is no base64": (b'{"body": "%%%", "headers": {}, "properties": {"body_encoding": "base64"}}', 1),
    "empty body": (message(b""), 1),
    "deep body": (message(b"[" * 100_000), 1),
    "pickle": (message(pickle.dumps(event()), "application/x-python-serialize", "binary"), 1),
    "pickle said to be JSON": (message(pickle.dumps(event())), 1),
    "unknown content type": (message(event(), "application/x-nonsense"), 1),
    "unknown character set": (message(event(), "text/plain", "klingon"), 1),
    "unknown compression": (message(event(), headers={"compression": "application/x-nonsense"}), 1),
    "broken gzip": (message(garbage(100), headers={"compression": "application/x-gzip"}), 1),
    "broken bzip2": (message(garbage(100), headers={"compression": "application/x-bz2"}), 1),
    "broken xz": (message(garbage(100), headers={"compression": "application/x-lzma"}), 1),
    "compressed garbage": (message(zlib.compress(garbage(100)), headers={"compression": "application/x-gzip"}), 1),
    "event of wrong types": (message(event(timestamp="now", uuid=1, name=[])), 1),
    "event without a type": (message({"timestamp": time.time(), "uuid": "u"}), 1),
    "event without a task": (message(event(uuid="")), 1),
    "event at no time": (message(event(timestamp=1e300)), 1),
    "event of the Stone Age": (message(event(timestamp=0)), 1),
    "huge number": (message(json.dumps(event()).replace('"u"', str(2**100)).encode()), 1),
    "huge number in plain JSON": (
        json.dumps({"body": json.dumps(event(priority=2**100)), "content-type": "application/json", "headers": {}, "properties": {}}).encode(),
        0,
    ),
    "batch with one good event": (message([event(), 1, event(timestamp=None), {}]), 3),
}  # fmt: skip
GOOD_ONES = 2  # the last two hold a sound event


def test_rubbish_is_counted_and_dropped_and_the_stream_goes_on(site, broker):
    exporter = site.start_exporter()
    channel = f"/{site.url.rpartition('/')[2]}.celeryev/task.sent"
    taken = 0

    for what, (payload, bad_events) in RUBBISH.items():
        broker.run("PUBLISH", channel, payload)
        taken += bad_events
        eventually(
            lambda: exporter.snapshot().exporter.events_undecodable == taken,  # noqa: B023 - used at once
            5,
            f"{what} to be counted; {exporter.program.log}",
        )

    assert exporter.value("celery_exporter_events_undecodable_total") == taken
    assert exporter.snapshot().exporter.events == {"task-sent": GOOD_ONES}
    assert exporter.is_ready()
    site.send("ok", "orders", 1)
    eventually(
        lambda: exporter.value("celery_tasks_sent_total", name="truth.ok", queue="orders") == 1, 5, "a real task"
    )
    assert exporter.value("celery_exporter_reconnects_total") == 0


def test_strange_names_do_not_break_the_page(site, broker):
    exporter = site.start_exporter()
    channel = f"/{site.url.rpartition('/')[2]}.celeryev/task.sent"
    names = ['"quoted"', "back\\slash", "new\nline", "nul\0", "\U0001f40c", "\u202eright to left", "{}"]
    too_long = "x" * 100_000  # would make a page of megabytes

    for number, name in enumerate([*names, too_long]):
        broker.run("PUBLISH", channel, message(event(uuid=f"u{number}", name=name, queue=name)))
    eventually(lambda: exporter.snapshot().exporter.events.get("task-sent") == len(names) + 1, 5, "all to be seen")

    assert exporter.counts("celery_tasks_sent_total", "name", "queue") == {
        (name, name): 1 for name in [*names, "(other)"]
    }
