"""Whatever is said in whatever order: the ledger never contradicts itself."""

from hypothesis import given, settings
from hypothesis import strategies as st

from core.targets import parse_targets
from tests.core.replay import (
    Replay,
    assert_sound,
    failed,
    heartbeat,
    iso,
    late,
    offline,
    online,
    received,
    rejected,
    retried,
    revoked,
    sent,
    started,
    succeeded,
)

ROWS = ("mail,30\nbulk,5\n", "mail,3\nbulk,\nnew,10\n", "mail,300\n")
SKEW = st.sampled_from([0.0, 0.0, 0.0, -0.5, 0.5, -2.0, 2.0, -40.0])  # of the stamp against the arrival
AHEAD = st.sampled_from([None, None, 5.0, 50.0, -5.0])
UUID = st.sampled_from(["1", "2"])
WORKER = st.sampled_from(["w1@lab", "w2@lab"])
QUEUE = st.sampled_from(["mail", "bulk", "new", None])
RETRIES = st.integers(0, 2)
SWITCH = st.booleans()


def step(make, **choices):
    """An event of that kind, as a function of the moment at which it comes."""
    return st.builds(lambda skew, chosen: ("event", skew, make, chosen), SKEW, st.fixed_dictionaries(choices))


EVENTS = st.one_of(
    step(sent, uuid=UUID, queue=QUEUE, retries=RETRIES, eta=AHEAD, expires=AHEAD),
    step(sent, uuid=UUID, queue=QUEUE),
    step(received, uuid=UUID, worker=WORKER, retries=RETRIES, eta=AHEAD),
    step(received, uuid=UUID, worker=WORKER),
    step(started, uuid=UUID, worker=WORKER),
    step(succeeded, uuid=UUID, worker=WORKER, runtime=st.sampled_from([None, 0.0, 1.0, 30.0])),
    step(failed, uuid=UUID, worker=WORKER),
    step(retried, uuid=UUID, worker=WORKER),
    step(revoked, uuid=UUID, worker=WORKER, terminated=SWITCH, expired=SWITCH),
    step(rejected, uuid=UUID, worker=WORKER, requeue=SWITCH),
    step(online, worker=WORKER, processed=st.integers(0, 1)),
    step(heartbeat, worker=WORKER, active=st.integers(0, 1)),
    step(offline, worker=WORKER, active=st.integers(0, 1)),
)
TIMES = st.one_of(
    st.tuples(st.just("pass"), st.sampled_from([0.5, 1.0, 3.0, 12.0, 70.0])),
    st.tuples(st.just("cut"), st.just(20.0)),
    st.tuples(st.just("reload"), st.sampled_from(ROWS)),
)
STEPS = st.one_of(EVENTS, EVENTS, EVENTS, TIMES)


def event_at(now, skew, make, chosen):
    times = {
        name: None if chosen[name] is None else iso(now + chosen[name]) for name in ("eta", "expires") if name in chosen
    }
    return late(make(at=now + skew, **(chosen | times)), now)


@given(st.lists(STEPS, max_size=30))
@settings(max_examples=400, deadline=None)
def test_ledger_never_contradicts_itself(history):
    live_through(history)


@given(st.lists(STEPS, min_size=80, max_size=120))
@settings(max_examples=40, deadline=None)
def test_ledger_never_contradicts_itself_in_the_long_run(history):
    live_through(history)


def live_through(history):
    replay = Replay(f"queue,target_seconds\n{ROWS[0]}")
    now = 0.0
    for kind, *details in history:
        if kind == "event":
            replay.feed(event_at(now, *details))
        elif kind == "pass":
            now += details[0]
            replay.until(now)
        elif kind == "cut":
            now += details[0]
            replay.cut(now - details[0], now)
        else:
            replay.ledger.replace_targets(parse_targets(f"queue,target_seconds\n{details[0]}"))
        assert_sound(replay.ledger)

    replay.until(now + 100.0)

    assert_sound(replay.ledger)
    assert replay.snapshot.exporter.tracked_attempts <= 2
