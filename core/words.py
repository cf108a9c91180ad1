"""Numbers as people read them."""

from itertools import pairwise

_DECIMAL_BELOW = 9.95  # seconds
_STEPS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def duration(seconds: float) -> str:
    """Two units at most: `12 min 4 s`, `3 h`, `0.4 s`; below ten seconds one decimal where it says something."""
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < _DECIMAL_BELOW:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    for (size, unit), (smaller, smaller_unit) in pairwise(_STEPS):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit} {rest} {smaller_unit}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def count(number: int, noun: str) -> str:
    """`1 task`, `1,204 tasks`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
