"""What all tests share: a clean environment, programs of the system, and the one way to wait."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

Found = TypeVar("Found")

POLL_SECONDS = 0.05
SHOWN_CHARACTERS = 2_000
# Program -> other names of it, and Debian's package.
PROGRAMS = {
    "redis-server": ((), "redis-server"),
    "prometheus": ((), "prometheus"),
    "promtool": ((), "prometheus"),
    "prometheus-alertmanager": (("alertmanager",), "prometheus-alertmanager"),
    "chromium": (("google-chrome",), "chromium"),
}


def pytest_configure():
    """The caller's settings must not decide a test, nor reach a program that one starts."""
    for name in list(os.environ):
        if name == "PYTHONPATH" or name.startswith("CELERY_"):
            del os.environ[name]


def eventually(condition: Callable[[], Found], within_seconds: float, message: str) -> Found:
    """Wait until a condition holds, and return what it returned.

    A failed assertion in it means "not yet" as much as a false value does.
    """
    deadline = time.monotonic() + within_seconds
    while True:
        is_last = time.monotonic() >= deadline
        try:
            last: object = condition()
        except AssertionError as error:
            last = error
        else:
            if last:
                return last
        if is_last:
            shown = str(last) if isinstance(last, AssertionError) else repr(last)
            pytest.fail(f"{message}: not within {within_seconds:g} s; last value: {shown[:SHOWN_CHARACTERS]}")
        time.sleep(POLL_SECONDS)


@pytest.fixture(name="eventually")
def _eventually():
    """Wait until a condition holds: eventually(condition, within_seconds, message)."""
    return eventually


def find_program(name: str) -> Path:
    """The path of a program of the system; without it the test is skipped, and fails where nothing may be skipped."""
    others, package = PROGRAMS[name]
    for candidate in (name, *others):
        path = shutil.which(candidate)
        if path is not None:
            return Path(path)
    reason = f"{name} IS MISSING, SO THIS WAS NOT TESTED: apt-get install {package}"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason} (CI=true: nothing may be skipped)")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def require_program():
    """Find a program of the system: require_program("redis-server")."""
    return find_program
