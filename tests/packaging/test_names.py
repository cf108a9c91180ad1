"""Our packages have short names; nobody else in the environment may have them."""

import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
TOP_LEVEL_NAMES = ["celery_slo", "core", "history", "exporters", "alerts", "dashboard", "compose"]


def test_wheel_holds_exactly_our_names():
    project = tomllib.loads(PYPROJECT.read_text())

    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"] == TOP_LEVEL_NAMES


def test_no_other_distribution_owns_one_of_our_names():
    owners = packages_distributions()

    others = {name: set(owners.get(name, ())) - {"celery-slo"} for name in TOP_LEVEL_NAMES}

    assert {name: found for name, found in others.items() if found} == {}
