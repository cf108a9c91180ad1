"""Who is due when, against the obvious agenda: a list of times."""

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from core.agenda import Agenda
from core.attempt import ENDED, SCHEDULED, Attempt


def scheduled(at, uuid=""):
    return Attempt(uuid, None, 0, SCHEDULED, at)


def agenda_of(*times):
    agenda = Agenda(lambda attempt: attempt.eligible_at, lambda attempt: attempt.state == SCHEDULED)
    attempts = [scheduled(at) for at in times]
    for attempt in attempts:
        agenda.add(attempt)
    return agenda, attempts


def times(attempts):
    return sorted(attempt.eligible_at for attempt in attempts)


def test_who_is_due_is_handed_out_once():
    agenda, attempts = agenda_of(1.0, 2.5, 9.0)

    assert agenda.due(3.0, 10) == attempts[:2]
    assert agenda.due(3.0, 10) == []
    assert agenda.entries == 1


def test_nobody_is_due_before_the_time_not_even_within_the_second():
    agenda, (attempt,) = agenda_of(2.75)

    assert agenda.due(2.5, 10) == []
    assert agenda.due(2.75, 10) == [attempt]


def test_who_no_longer_matters_is_not_handed_out():
    agenda, (gone, stays) = agenda_of(1.0, 1.5)
    gone.state = ENDED

    assert agenda.due(2.0, 10) == [stays]
    assert agenda.entries == 0


def test_no_more_than_the_limit_are_handed_out_at_once():
    agenda, _ = agenda_of(*[1.0] * 5, *[2.0] * 5)

    found = [len(agenda.due(3.0, 4)) for _ in range(4)]

    assert (found, agenda.entries) == ([4, 4, 2, 0], 0)


def test_agenda_that_is_behind_says_so():
    agenda, attempts = agenda_of(*[1.0] * 5, 4.0)
    for attempt in attempts[:5]:
        attempt.state = ENDED

    behind = []
    for _ in range(3):
        agenda.due(3.0, 2)
        behind.append(agenda.is_behind(3.0))

    assert behind == [True, True, False]


def test_who_was_put_off_is_due_then_and_holds_up_nobody():
    agenda, (first, second) = agenda_of(1.0, 5.0)
    first.eligible_at = 60.0

    found = [agenda.due(now, 10) for now in (10.0, 59.0, 60.0)]

    assert found == [[second], [], [first]]
    assert not agenda.is_behind(100.0)


def test_sweep_drops_the_dead_long_before_their_time():
    agenda, (*passers, last) = agenda_of(*range(86_400, 86_400 + 1_000))
    for attempt in passers:
        attempt.state = ENDED

    agenda.sweep(2_000)

    assert (agenda.entries, agenda.due(1e9, 10)) == (1, [last])


def test_sweep_is_sliced_and_goes_on_where_it_ended():
    agenda, attempts = agenda_of(*range(1_000))
    for attempt in attempts:
        attempt.state = ENDED

    entries = []
    for _ in range(4):
        agenda.sweep(250)
        entries.append(agenda.entries)

    assert entries == [750, 500, 250, 0]


def test_sweep_of_a_day_of_single_seconds_is_quick():
    agenda, attempts = agenda_of(*range(86_400))
    for attempt in attempts:
        attempt.state = ENDED

    began_at = time.perf_counter()
    for _ in range(5):
        agenda.sweep(5_000)
    took_seconds = time.perf_counter() - began_at

    assert agenda.entries == 61_400
    assert took_seconds < 1.0  # some 50 ms; with a search of the heap for each second it was a minute


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.floats(0, 20)),
        st.tuples(st.just("add"), st.floats(0, 20)),
        st.tuples(st.just("leave"), st.integers(0, 30)),
        st.tuples(st.just("sweep"), st.integers(1, 8)),
        st.tuples(st.just("due"), st.integers(1, 6)),
        st.tuples(st.just("pass"), st.floats(0, 3)),
        st.tuples(st.just("put off"), st.floats(0, 3)),
    ),
    max_size=100,
)


@given(STEPS)
@settings(max_examples=300, deadline=None)
def test_agenda_is_a_list_of_times(steps):
    agenda, _ = agenda_of()
    model = []
    now = 0.0
    for step, argument in steps:
        if step == "add":
            model.append(scheduled(argument))
            agenda.add(model[-1])
        elif step == "leave" and model:
            model.pop(argument % len(model)).state = ENDED
        elif step == "sweep":
            agenda.sweep(argument)
        elif step == "pass":
            now += argument
        elif step == "put off" and model:
            model[0].eligible_at += argument
        elif step == "due":
            found = agenda.due(now, argument)
            assert len(found) <= argument
            assert all(attempt.eligible_at <= now for attempt in found)
            model = [attempt for attempt in model if all(attempt is not one for one in found)]
        assert agenda.entries >= len(model)

    for _ in range(300):  # more than enough slices
        found = agenda.due(now, 1)
        model = [attempt for attempt in model if all(attempt is not one for one in found)]
    assert all(attempt.eligible_at > now for attempt in model)
    assert times(agenda.due(1e9, 1_000)) == times(model)
    assert agenda.entries == 0
