"""Bytes of the wire: what is an event, what is counted as none, and which exception a failure names."""

import json

import msgspec
import pytest

from core.events import Event, decode, exception_class
from tests.core.replay import golden

AT = 1_700_000_000.25
STARTED = {"type": "task-started", "timestamp": AT, "hostname": "w1@lab", "uuid": "1"}
STARTED_EVENT = Event("task-started", AT, "w1@lab", "1")


def body(*events):
    return json.dumps(events[0] if len(events) == 1 else events).encode()


def batch(*events):
    return json.dumps(events).encode()


# One event, or many.


def test_single_event_is_read():
    assert decode(body(STARTED)) == ((STARTED_EVENT,), 0)


def test_events_of_a_batch_keep_their_order():
    second = STARTED | {"uuid": "2"}

    events, bad = decode(batch(STARTED, second))

    assert (list(events), bad) == ([STARTED_EVENT, Event("task-started", AT, "w1@lab", "2")], 0)


def test_empty_batch_is_nothing_and_nothing_bad():
    assert decode(b"[]") == ([], 0)


@pytest.mark.parametrize("spaced", [b" \n" + body(STARTED), body(STARTED) + b" \n"])
def test_white_space_around_an_event_does_no_harm(spaced):
    assert decode(spaced) == ((STARTED_EVENT,), 0)


def test_white_space_before_a_batch_does_no_harm():
    assert decode(b" " + batch(STARTED)) == ([STARTED_EVENT], 0)


def test_every_field_that_is_used_is_read_and_no_other():
    sent = {
        "type": "task-sent", "timestamp": AT, "hostname": "gen1@web", "uuid": "1", "name": "t", "retries": 2,
        "eta": "2023-11-14T22:13:20+00:00", "expires": "2023-11-15T22:13:20+00:00", "queue": "mail",
        "routing_key": "mail", "runtime": 1.5, "exception": "E()", "traceback": "T", "terminated": True,
        "expired": False, "requeue": True, "active": 3, "processed": 4, "sw_ver": "5.6.2",
    }  # fmt: skip
    unread = {"args": "('secret',)", "kwargs": "{'password': 1}", "result": "secret", "root_id": "1", "clock": 17}

    ((event,), bad) = decode(body(sent | unread))

    assert (msgspec.structs.asdict(event), bad) == (sent, 0)


def test_whole_seconds_are_a_time_too():
    assert decode(body(STARTED | {"timestamp": 1_700_000_000})) == ((Event("task-started", 1.7e9, "w1@lab", "1"),), 0)


# What is not decoded cannot leak, and cannot fail.


@pytest.mark.parametrize("value", [None, 7, ["x"], {"deep": [1]}, "\x00", "(<object at 0x7f>, ...)"])
def test_arguments_and_results_may_be_anything(value):
    assert decode(body(STARTED | {"args": value, "kwargs": value, "result": value})) == ((STARTED_EVENT,), 0)


@pytest.mark.parametrize("field", ["args", "kwargs", "result"])
def test_arguments_and_results_are_not_kept(field):
    assert field not in Event.__struct_fields__


# One bad event costs only itself.

BAD = {
    "no type": {"timestamp": AT, "uuid": "1"},
    "no time": {"type": "task-started", "uuid": "1"},
    "no task": {"type": "task-started", "timestamp": AT},
    "empty task": STARTED | {"uuid": ""},
    "null task": STARTED | {"uuid": None},
    "number as task": STARTED | {"uuid": 7},
    "text as time": STARTED | {"timestamp": "now"},
    "null time": STARTED | {"timestamp": None},
    "true as time": STARTED | {"timestamp": True},
    "time before tasks": STARTED | {"timestamp": 0},
    "negative time": STARTED | {"timestamp": -AT},
    "time after tasks": STARTED | {"timestamp": 1e18},
    "milliseconds as time": STARTED | {"timestamp": AT * 1000},
    "text as retries": STARTED | {"retries": "1"},
    "fraction as retries": STARTED | {"retries": 0.5},
    "number as queue": STARTED | {"queue": 7},
    "list as name": STARTED | {"name": ["t"]},
    "text as runtime": STARTED | {"runtime": "1.0"},
    "text as requeue": STARTED | {"requeue": "false"},
    "a list": [STARTED],
    "a text": "task-started",
    "nothing": None,
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_bad_event_of_a_batch_costs_only_itself(bad):
    events, undecodable = decode(batch(STARTED, bad, STARTED))

    assert (list(events), undecodable) == ([STARTED_EVENT, STARTED_EVENT], 1)


@pytest.mark.parametrize("bad", [value for value in BAD.values() if isinstance(value, dict)])
def test_bad_event_alone_is_one_bad_event(bad):
    events, undecodable = decode(body(bad))

    assert (list(events), undecodable) == ([], 1)


@pytest.mark.parametrize("number", [b"1e400", b"-1e400", b"9" * 400])
def test_time_beyond_all_numbers_costs_only_its_event(number):
    beyond = body(STARTED | {"timestamp": 0}).replace(b": 0,", b": " + number + b",")

    events, undecodable = decode(b"[" + body(STARTED) + b"," + beyond + b"]")

    assert (list(events), undecodable) == ([STARTED_EVENT], 1)


def test_event_of_a_worker_needs_no_task():
    heartbeat = {"type": "worker-heartbeat", "timestamp": AT, "hostname": "w1@lab", "active": 1, "processed": 7}

    assert decode(body(heartbeat)) == ((Event("worker-heartbeat", AT, "w1@lab", active=1, processed=7),), 0)


# No JSON at all.


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b" ",
        b"null",
        b"7",
        b'"task-started"',
        b"{",
        b"[",
        b"[{]",
        b"\x80\x04\x95",  # pickle
        b"\x00" * 100,
        b'{"type": "task-started", "timestamp": 1700000000.0, "uuid": "\xff"}',
        b'[{"type": "task-started", "timestamp": 1700000000.0, "uuid": "1"}',
        b"[" * 100_000,
        b'{"args":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=lambda garbage: repr(garbage[:30]),
)
def test_what_is_no_event_is_one_bad_event(garbage):
    events, undecodable = decode(garbage)

    assert (list(events), undecodable) == ([], 1)


@pytest.mark.parametrize("half", [b"\\ud800", b"\\udce9", b"\\uD83D \\uDE00 \\ude00"])
@pytest.mark.parametrize("field", ["traceback", "args"])
def test_half_a_pair_in_a_text_costs_nothing(half, field):
    odd = body(STARTED | {field: "caf@"}).replace(b"@", half)

    for message, count in ((odd, 1), (b"[" + odd + b"]", 1), (b"[" + body(STARTED) + b"," + odd + b"]", 2)):
        events, undecodable = decode(message)
        assert ([event.uuid for event in events], undecodable) == (["1"] * count, 0)
        assert (events[-1].traceback or "caf\ufffd").startswith("caf\ufffd")


def test_escape_that_only_looks_like_half_a_pair_is_read_as_it_stands():
    event = STARTED | {"traceback": r"C:\udir \ud800"}

    assert decode(body(event))[0][0].traceback == r"C:\udir \ud800"


def test_deep_nesting_costs_its_batch_and_no_more():
    deep = b'{"type":"task-started","args":' + b"[" * 100_000 + b"]" * 100_000 + b"}"

    events, undecodable = decode(b"[" + body(STARTED) + b"," + deep + b"]")

    assert (list(events), undecodable) == ([], 1)  # too deep even to be skipped: the batch is one bad event


# Which exception?


def raised(exception, traceback=None):
    return Event("task-failed", AT, "w1@lab", "1", exception=exception, traceback=traceback)


FRAME = 'Traceback (most recent call last):\n  File "/app/app.py", line 9, in run\n    raise it\n'


@pytest.mark.parametrize(
    ("exception", "traceback", "name"),
    [
        ("ValueError('boom')", None, "ValueError"),
        ("ValueError('boom')", FRAME + "ValueError: boom\n", "ValueError"),
        ("KeyError('a.b(c): d')", None, "KeyError"),
        ("ValueError()", FRAME + "ValueError\n", "ValueError"),
        ("Late('x')", FRAME + "app.errors.Late: x\n", "Late"),
        ("Late('x')", FRAME + "app.run.<locals>.Late: x\n", "Late"),
        ("ValueError('a\\nb')", FRAME + "ValueError: a\nb: see c.d(e)\nTypeError: not this one\n", "ValueError"),
        ("ValueError('x')", FRAME + "    ~~~^^^^\nValueError: x\n", "ValueError"),
        ("ValueError('x')", FRAME + "\nValueError: x\n", "ValueError"),
        (
            "KeyError('b')",
            FRAME + "ValueError: a\n\nDuring handling of the above exception, another exception occurred:\n\n"
            + FRAME + "KeyError: 'b'\n",
            "KeyError",
        ),
        ("ExceptionWithTraceback()", FRAME + "billiard.exceptions.WorkerLostError: Worker exited\n", "WorkerLostError"),
        ("ExceptionWithTraceback()", None, "ExceptionWithTraceback"),
        ("NotRegistered('no.such.task')", None, "NotRegistered"),
        ("ValueError('x')", "", "ValueError"),
        ("ValueError('x')", "no frames here", "ValueError"),
        ("<Late: code 5>", FRAME + "app.errors.Late: x\n", "Late"),
        ("<Late: code 5>", None, None),
        ("it failed, sorry", None, None),
        ("", None, None),
        (None, None, None),
    ],
)  # fmt: skip
def test_exception_class_is_what_was_raised(exception, traceback, name):
    assert exception_class(raised(exception, traceback)) == name


@pytest.mark.parametrize(
    ("file", "uuid", "name"),
    [
        ("events-celery-5.6.jsonl", "be54a0f1-c824-4a00-adec-b485f8b77797", {"ValueError"}),
        ("events-celery-5.6.jsonl", "30857709-34e1-4359-9397-a26b691c4854", {"WorkerLostError"}),
        ("events-celery-5.6.jsonl", "75eda998-2158-4f2e-9343-52b1dc30dfed", {"TimeLimitExceeded"}),
        ("events-celery-5.6.jsonl", "c4795716-0cee-421c-a786-57ca326919be", {"NotRegistered"}),
        ("events-celery-main.jsonl", "273e221c-b25a-4bb0-bd03-6e2bf5fe4414", {"Reject"}),
        ("events-celery-main.jsonl", "647f71c9-1006-4c2d-85b4-ace5ef236224", {"TimeLimitExceeded"}),
        ("events-celery-main.jsonl", "c4985e31-d102-477c-ac70-d02e13920232", {"WorkerLostError"}),
    ],
)
def test_exception_class_of_real_failures(file, uuid, name):
    failures = [event for event, _ in golden(file) if event.uuid == uuid and event.type == "task-failed"]

    assert {exception_class(event) for event in failures} == name
