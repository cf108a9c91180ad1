import pytest

from dashboard.words import age, moment, times

NOON = 1_795_176_000.0  # 2026-11-20 12:00:00 UTC


@pytest.mark.parametrize(
    ("seconds", "words"), [(-3, "0 s"), (0.4, "0 s"), (2.6, "3 s"), (59.7, "1 min"), (724.2, "12 min 4 s")]
)
def test_an_age_is_told_in_whole_seconds_and_never_below_zero(seconds, words):
    assert age(seconds) == words


@pytest.mark.parametrize(
    ("ratio", "words"), [(1.042, "1.04x"), (2.0, "2.0x"), (9.94, "9.9x"), (9.96, "10x"), (12_345.6, "12,346x")]
)
def test_a_ratio_has_as_many_digits_as_it_deserves(ratio, words):
    assert times(ratio) == words


@pytest.mark.parametrize(
    ("at", "words"),
    [(NOON - 42, "11:59:18 UTC"), (NOON + 5, "12:00:05 UTC"), (NOON - 17 * 86_400, "3 Nov 12:00 UTC")],
)
def test_a_moment_has_its_date_once_it_is_a_day_away(at, words):
    assert moment(at, NOON) == words
