"""Buckets, quantiles as Prometheus estimates them, and the last minutes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.histogram import (
    RATE_STEPS,
    RUNTIME_BOUNDS,
    STEP_SECONDS,
    WAIT_BOUNDS,
    WINDOW_MINUTES,
    Histogram,
    MinuteWindow,
    StartRate,
    quantile,
    wait_bounds,
)

BOUNDS = (1.0, 5.0, 30.0)


def counted(*values):
    histogram = Histogram(BOUNDS)
    for value in values:
        histogram.observe(value)
    return histogram.counts


def test_value_on_a_bound_belongs_below_it():
    assert counted(1.0, 5.0, 30.0) == [1, 1, 1, 0]


def test_value_above_a_bound_belongs_above_it():
    assert counted(0.0, 1.000001, 5.000001, 30.000001) == [1, 1, 1, 1]


def test_sum_is_of_all_values():
    histogram = Histogram(BOUNDS)
    for value in (0.5, 5.0, 1000.0):
        histogram.observe(value)

    assert (histogram.counts, histogram.sum_seconds) == ([1, 1, 0, 1], 1005.5)


def test_every_target_is_a_bound_and_bounds_are_sorted_and_single():
    bounds = wait_bounds([30.0, 42.0, 42.0, 7.5])

    assert bounds == tuple(sorted({*WAIT_BOUNDS, 7.5, 42.0}))


def test_bounds_rise():
    assert list(WAIT_BOUNDS) == sorted(set(WAIT_BOUNDS))
    assert list(RUNTIME_BOUNDS) == sorted(set(RUNTIME_BOUNDS))


# Expected values worked out by hand from the definition of histogram_quantile in Prometheus' documentation:
# rank = ratio x count, linear within the bucket in which the rank lies, 0 as the lower bound of the first bucket,
# the last finite bound where the rank lies beyond it.
@pytest.mark.parametrize(
    ("counts", "ratio", "seconds"),
    [
        ([4, 0, 0, 0], 0.5, 0.5),  # the second of four in (0, 1]
        ([4, 0, 0, 0], 1.0, 1.0),
        ([1, 1, 0, 0], 0.5, 1.0),  # the rank is the last of the first bucket: its bound
        ([1, 3, 0, 0], 0.5, 1.0 + 4.0 * 1 / 3),
        ([0, 0, 10, 0], 0.95, 5.0 + 25.0 * 0.95),
        ([2, 0, 2, 0], 0.5, 1.0),
        ([2, 0, 2, 0], 0.75, 5.0 + 25.0 * 0.5),
        ([5, 0, 0, 5], 0.95, 30.0),  # beyond the last bound: nothing more can be said
        ([0, 0, 0, 1], 0.5, 30.0),
        ([0, 0, 0, 0], 0.5, None),
    ],
)
def test_quantile_is_prometheus_histogram_quantile(counts, ratio, seconds):
    assert quantile(BOUNDS, counts, ratio) == seconds


@given(
    st.lists(st.floats(0, 30, exclude_min=True), min_size=1, max_size=50),
    st.floats(0.01, 1.0),
)
def test_quantile_lies_in_the_bucket_of_the_true_one(values, ratio):
    rank = ratio * len(values)
    true = next(value for place, value in enumerate(sorted(values), 1) if place >= rank)

    estimate = quantile(BOUNDS, counted(*values), ratio)

    lower, upper = max(bound for bound in (0.0, *BOUNDS) if bound < true), min(b for b in BOUNDS if b >= true)
    assert lower <= estimate <= upper


# The last minutes.

MINUTE = 1_700_000_040.0  # begins a minute


def test_window_counts_what_was_observed_in_its_minutes():
    window = MinuteWindow(BOUNDS)
    for minute in range(3):
        window.observe(0.5, MINUTE + 60 * minute)
        window.observe(100.0, MINUTE + 60 * minute + 59.9)

    assert window.counts(MINUTE + 180) == [3, 0, 0, 3]


def test_minute_leaves_the_window_as_a_whole():
    window = MinuteWindow(BOUNDS)
    window.observe(0.5, MINUTE)
    window.observe(0.5, MINUTE + 59.9)
    last = MINUTE + 60 * WINDOW_MINUTES

    assert (sum(window.counts(last - 0.1)), sum(window.counts(last))) == (2, 0)


def test_window_slides_also_while_nobody_looks():
    window = MinuteWindow(BOUNDS)
    for minute in range(10 * WINDOW_MINUTES):
        window.observe(0.5, MINUTE + 60 * minute)

    assert len(window._minutes) == WINDOW_MINUTES
    assert sum(window.counts(MINUTE + 60 * (10 * WINDOW_MINUTES - 1))) == WINDOW_MINUTES


def test_pause_leaves_no_minutes_behind():
    window = MinuteWindow(BOUNDS)
    window.observe(0.5, MINUTE)
    window.observe(2.0, MINUTE + 3600)

    assert window.counts(MINUTE + 3600) == [0, 1, 0, 0]


def test_clock_that_steps_back_loses_nothing():
    window = MinuteWindow(BOUNDS)
    window.observe(0.5, MINUTE + 120)
    window.observe(2.0, MINUTE)

    assert window.counts(MINUTE + 120) == [1, 1, 0, 0]


def test_looking_changes_nothing():
    window = MinuteWindow(BOUNDS)
    window.observe(0.5, MINUTE)

    assert window.counts(MINUTE) == window.counts(MINUTE) == [1, 0, 0, 0]


# The last starts.


def test_starts_of_the_last_seconds_are_counted_to_a_step():
    rate = StartRate()
    for second in range(60):
        rate.count(MINUTE + second)

    assert [rate.since(MINUTE + begin) for begin in (0, 1, 45, 56)] == [
        (60, MINUTE),
        (55, MINUTE + 5),
        (15, MINUTE + 45),
        (0, MINUTE + 60),
    ]


def test_starts_of_long_ago_are_forgotten():
    rate = StartRate()
    for second in range(int(10 * RATE_STEPS * STEP_SECONDS)):
        rate.count(MINUTE + second)

    assert len(rate._steps) == RATE_STEPS
    assert rate.since(MINUTE + 86_400) == (0, MINUTE + 86_400)


def test_start_stamped_by_a_clock_that_steps_back_is_counted():
    rate = StartRate()
    rate.count(MINUTE + 60)
    rate.count(MINUTE)

    assert rate.since(MINUTE + 45) == (2, MINUTE + 45)
