"""Numbers as people read them."""

import pytest

from core.words import count, duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.04, "0 s"),
        (0.05, "0.1 s"),
        (0.4, "0.4 s"),
        (1, "1 s"),
        (9.94, "9.9 s"),
        (9.95, "10 s"),
        (10.4, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (724, "12 min 4 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h"),
        (3600, "1 h"),
        (3659, "1 h"),
        (3660, "1 h 1 min"),
        (10_800, "3 h"),
        (86_399.7, "1 d"),
        (86_400, "1 d"),
        (90_000, "1 d 1 h"),
        (864_000, "10 d"),
        (-4, "-4 s"),
        (-61, "-1 min 1 s"),
    ],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 tasks"), (1, "1 task"), (2, "2 tasks"), (1204, "1,204 tasks"), (1_000_000, "1,000,000 tasks")],
)
def test_count(number, text):
    assert count(number, "task") == text
