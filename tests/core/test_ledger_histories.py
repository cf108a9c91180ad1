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

UUIDS = st.sampled_from(["1", "2", "3"])
WORKERS = st.sampled_from(["w1@lab", "w2@lab"])
QUEUES = st.sampled_from(["mail", "bulk", "new", None])
RETRIES = st.integers(0, 2)
SKEW = st.sampled_from([-40.0, -2.0, -0.5, 0.0, 0.0, 0.0, 0.5, 2.0])  # stamp against arrival
AHEAD = st.sampled_from([None, None, None, -5.0, 5.0, 50.0])
ROWS = ("mail,30\nbulk,5\n", "mail,3\nbulk,\nnew,10\n", "mail,300\n")


def at(seconds):
    return None if seconds is None else iso(seconds)


@st.composite
def events(draw, now):
    """One event of any kind, stamped near the moment at which it comes."""
    stamp = now + draw(SKEW)
    uuid, worker = draw(UUIDS), draw(WORKERS)
    eta, expires = (None if ahead is None else iso(now + ahead) for ahead in (draw(AHEAD), draw(AHEAD)))
    return draw(
        st.sampled_from(
            [
                sent(uuid, stamp, queue=draw(QUEUES), retries=draw(RETRIES), eta=eta, expires=expires),
                sent(uuid, stamp, queue=draw(QUEUES), eta=eta, expires=expires),
                received(uuid, stamp, worker=worker, retries=draw(RETRIES), eta=eta),
                started(uuid, stamp, worker=worker),
                started(uuid, stamp, worker=worker),
                succeeded(uuid, stamp, worker=worker, runtime=draw(st.sampled_from([None, 0.0, 1.0, 30.0]))),
                failed(uuid, stamp, worker=worker),
                retried(uuid, stamp, worker=worker),
                revoked(uuid, stamp, worker=worker, terminated=draw(st.booleans()), expired=draw(st.booleans())),
                rejected(uuid, stamp, worker=worker, requeue=draw(st.booleans())),
                online(stamp, worker=worker, processed=draw(st.integers(0, 1))),
                heartbeat(stamp, worker=worker, active=draw(st.integers(0, 1))),
                offline(stamp, worker=worker, active=draw(st.integers(0, 1))),
            ]
        )
    )


@given(st.data())
@settings(max_examples=250, deadline=None)
def test_ledger_never_contradicts_itself(data):
    replay = Replay(f"queue,target_seconds\n{ROWS[0]}")
    now = 0.0
    for _ in range(data.draw(st.integers(1, 40))):
        step = data.draw(st.sampled_from(["event"] * 12 + ["pass"] * 4 + ["long", "cut", "reload"]))
        if step == "event":
            event = data.draw(events(now))
            replay.feed(*[late(event, now)] * data.draw(st.integers(1, 2)))
        elif step == "pass":
            now += data.draw(st.sampled_from([0.5, 1.0, 3.0, 12.0]))
            replay.until(now)
        elif step == "long":
            now += 70.0
            replay.until(now)
        elif step == "cut":
            now += 20.0
            replay.cut(now - 20.0, now)
        else:
            rows = data.draw(st.sampled_from(ROWS))
            replay.ledger.replace_targets(parse_targets(f"queue,target_seconds\n{rows}"))
        assert_sound(replay.ledger)

    replay.until(now + 4_000.0)
    assert_sound(replay.ledger)
    assert replay.snapshot.exporter.tracked_attempts <= 3
