"""Events that wait for their task-sent, against the obvious list."""

from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from core import orphans as orphans_module
from core.orphans import PARKED_SECONDS, Orphans
from tests.core.replay import received, started, succeeded


def test_what_was_parked_is_handed_out_once_in_the_order_of_its_time_stamps():
    orphans = Orphans()
    for event in (succeeded("1", 3), received("1", 1), started("1", 2), received("2", 1)):
        orphans.park(event, 10.0)

    assert (len(orphans), "1" in orphans, "3" in orphans) == (2, True, False)
    assert orphans.claim("1") == [received("1", 1), started("1", 2), succeeded("1", 3)]
    assert orphans.claim("1") == []
    assert (len(orphans), "1" in orphans) == (1, False)


def test_events_of_one_moment_keep_the_order_in_which_they_came():
    orphans = Orphans()
    together = [received("1", 1), started("1", 1), succeeded("1", 1)]
    for event in together:
        orphans.park(event, 10.0)

    assert orphans.claim("1") == together


def test_patience_ends_by_the_first_event_of_a_task():
    orphans = Orphans()
    orphans.park(received("1", 1), 10.0)
    orphans.park(received("2", 1), 11.0)
    orphans.park(started("1", 2), 19.0)

    overdue = [orphans.overdue(now, 10) for now in (10.0 + PARKED_SECONDS - 0.1, 10.0 + PARKED_SECONDS, 30.0)]

    assert overdue == [[], ["1"], ["1", "2"]]


def test_patience_may_be_shorter():
    orphans = Orphans()
    orphans.park(received("1", 1), 10.0)

    assert (orphans.overdue(10.9, 10, 1.0), orphans.overdue(11.0, 10, 1.0)) == ([], ["1"])


def test_no_more_than_the_limit_are_overdue_at_once():
    orphans = Orphans()
    for number in range(5):
        orphans.park(received(str(number), 1), 10.0)

    assert orphans.overdue(100.0, 3) == ["0", "1", "2"]


def test_beyond_the_bound_the_oldest_need_not_wait():
    with patch.object(orphans_module, "MAX_PARKED", 3):
        orphans = Orphans()
        for number in range(5):
            orphans.park(received(str(number), 1), 10.0)

        assert orphans.overdue(10.0, 10) == ["0", "1"]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("park"), st.integers(0, 6)),
            st.tuples(st.just("park"), st.integers(0, 6)),
            st.tuples(st.just("claim"), st.integers(0, 6)),
            st.tuples(st.just("pass"), st.integers(1, 8)),
        ),
        max_size=60,
    )
)
@settings(max_examples=200, deadline=None)
def test_orphans_are_a_list(steps):
    orphans = Orphans()
    model = []  # (uuid, event, parked at)
    now = 100.0
    for index, (step, argument) in enumerate(steps):
        uuid = str(argument)
        if step == "park":
            event = started(uuid, index)
            model.append((uuid, event, now))
            orphans.park(event, now)
        elif step == "claim":
            assert orphans.claim(uuid) == [event for other, event, _ in model if other == uuid]
            model = [entry for entry in model if entry[0] != uuid]
        else:
            now += argument
        tasks = list(dict.fromkeys(other for other, _, _ in model))
        first_at = {other: min(at for one, _, at in model if one == other) for other in tasks}
        assert len(orphans) == len(tasks)
        assert orphans.overdue(now, 100) == [other for other in tasks if now - first_at[other] >= PARKED_SECONDS]
