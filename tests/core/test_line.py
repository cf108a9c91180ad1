"""The line of those who wait, against the obvious one: a sorted list."""

from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import line as line_module
from core.attempt import ENDED, WAITING, Attempt
from core.line import CHUNK, TOLERANCE_SECONDS, Line


def waiting(eligible_at, uuid=""):
    return Attempt(uuid, None, 0, WAITING, eligible_at)


def line_of(*times):
    line = Line(lambda attempt: attempt.state == WAITING)
    attempts = [waiting(at) for at in times]
    for attempt in attempts:
        line.add(attempt)
    return line, attempts


def times(line):
    return [attempt.eligible_at for attempt in line]


def test_first_due_is_the_head_and_last_due_the_newest():
    line, (first, _, last) = line_of(1.0, 2.0, 3.0)

    assert (line.head(), line.newest()) == (first, last)


def test_empty_line_has_neither_head_nor_newest():
    line, _ = line_of()

    assert (line.head(), line.newest(), line.entries, times(line)) == (None, None, 0, [])


def test_who_leaves_from_the_middle_is_passed_over():
    line, (first, second, third) = line_of(1.0, 2.0, 3.0)

    first.state = third.state = ENDED

    assert (line.head(), line.newest(), times(line)) == (second, second, [2.0])


def test_line_of_the_dead_is_empty():
    line, attempts = line_of(1.0, 2.0)

    for attempt in attempts:
        attempt.state = ENDED

    assert (line.head(), line.newest(), line.entries) == (None, None, 0)


def test_who_was_taken_away_is_in_the_line_no_longer():
    line, (_, second) = line_of(1.0, 2.0)

    line.head()
    line.pop()

    assert (line.head(), line.newest(), times(line), line.entries) == (second, second, [2.0], 1)
    line.pop()
    assert (line.head(), line.newest(), times(line), line.entries) == (None, None, [], 0)


def test_latecomer_takes_the_place_of_its_time():
    line, _ = line_of(10.0, 20.0, 30.0, 15.0, 5.0)

    assert times(line) == [5.0, 10.0, 15.0, 20.0, 30.0]


def test_latecomer_does_not_get_before_a_head_that_was_taken_away():
    line, _ = line_of(10.0, 20.0)
    line.head()
    line.pop()

    line.add(waiting(5.0))

    assert times(line) == [5.0, 20.0]


def test_blocked_head_does_not_keep_the_dead_behind_it():
    line, (_, *passers) = line_of(*range(10 * CHUNK))
    for attempt in passers:
        attempt.state = ENDED

    for _ in range(20):
        line.sweep(CHUNK)

    assert (line.entries, times(line)) == (1, [0])


def test_sweep_looks_at_no_more_than_its_piece():
    looked = 0

    def is_live(_):
        nonlocal looked
        looked += 1
        return True

    line = Line(is_live)
    for at in range(20 * CHUNK):
        line.add(waiting(float(at)))
    line.sweep(3 * CHUNK)

    assert looked == 3 * CHUNK


def test_sweep_goes_on_where_the_last_one_ended():
    line, (_, *passers) = line_of(*range(4 * CHUNK))
    for attempt in passers:
        attempt.state = ENDED

    entries = []
    for _ in range(4):
        line.sweep(1)
        entries.append(line.entries)

    assert entries == [3 * CHUNK + 1, 2 * CHUNK + 1, CHUNK + 1, 1]


def test_one_time_far_ahead_does_not_make_one_long_chunk_of_all_others():
    """A sender whose clock is an hour ahead stands last; everybody after it is sorted in before it."""
    line, _ = line_of(3600.0, *range(6 * CHUNK))

    assert times(line) == sorted([3600.0, *range(6 * CHUNK)])
    assert max(len(chunk) for chunk in line._chunks) <= 2 * CHUNK


def test_times_that_creep_backwards_are_sorted_nevertheless():
    step = TOLERANCE_SECONDS * 0.9
    line, attempts = line_of(*[100.0 - number * step for number in range(50)])

    assert line.head().eligible_at <= attempts[-1].eligible_at + TOLERANCE_SECONDS


SECONDS = st.integers(0, 40).map(float)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), SECONDS),
        st.tuples(st.just("add"), SECONDS),
        st.tuples(st.just("leave"), st.integers(0, 30)),
        st.tuples(st.just("pop"), st.just(0)),
        st.tuples(st.just("head"), st.just(0)),
        st.tuples(st.just("sweep"), st.integers(1, 12)),
    ),
    max_size=120,
)


@given(STEPS)
@settings(max_examples=300, deadline=None)
def test_line_is_a_sorted_list(steps):
    with patch.object(line_module, "CHUNK", 3):
        line, _ = line_of()
        model = []
        for step, argument in steps:
            if step == "add":
                model.append(waiting(argument))
                line.add(model[-1])
            elif step == "leave" and model:
                model.pop(argument % len(model)).state = ENDED
            elif step == "pop" and line.head() is not None:
                head = line.head()
                line.pop()
                model = [attempt for attempt in model if attempt is not head]
            elif step == "head":
                line.head()
            elif step == "sweep":
                line.sweep(argument)

            expected = sorted(attempt.eligible_at for attempt in model)
            assert times(line) == expected
            assert {id(attempt) for attempt in line} == {id(attempt) for attempt in model}
            assert (line.newest() or waiting(None)).eligible_at == (expected or [None])[-1]
            assert line.entries == sum(map(len, line._chunks)) - line._head >= len(model)
            assert all(line._chunks)
        line.sweep(1_000)
        expected = min((attempt.eligible_at for attempt in model), default=None)
        assert (line.head() or waiting(None)).eligible_at == expected
        line.sweep(1_000)
        assert line.entries == len(model)


@given(st.lists(st.floats(0, 3, allow_nan=False), max_size=40))
@settings(max_examples=300, deadline=None)
def test_order_is_right_but_for_the_tolerance(moments):
    with patch.object(line_module, "CHUNK", 3):
        line, _ = line_of(*moments)

        walked = times(line)

    assert sorted(walked) == sorted(moments)
    for index, at in enumerate(walked):
        assert at <= min(walked[index:]) + 2 * TOLERANCE_SECONDS


@pytest.mark.parametrize("count", [1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_whole_line_leaves_in_order(count):
    line, attempts = line_of(*range(count))

    left = []
    while (head := line.head()) is not None:
        left.append(head)
        line.pop()

    assert left == attempts
    assert line.entries == 0
