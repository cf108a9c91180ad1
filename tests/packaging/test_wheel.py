"""The wheel, built from the checkout and installed elsewhere: it holds all it needs and nothing else."""

import subprocess
import sys
import sysconfig
import venv
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.exporter_client import Exporter
from tests.integration.program import free_port

ROOT = Path(__file__).parents[2]
PACKAGES = ("celery_slo", "core", "history", "exporters", "alerts", "dashboard", "compose")


def run(*command, **settings):
    """Run a command that must succeed; returns its standard output."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The programs of an environment that holds the wheel, and the packages that it depends on from this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel)
    site_packages = next(folder.glob("lib/python*/site-packages"))
    # A path in a .pth file is searched, and its own .pth files are not: the checkout stays out of the way.
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin"


def test_wheel_holds_the_packages_of_the_checkout(wheel):
    in_checkout = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and not {"__pycache__", ".ruff_cache", ".mypy_cache"} & set(path.parts)
    }

    with zipfile.ZipFile(wheel) as archive:
        in_wheel = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert in_wheel == in_checkout | {"celery_slo/queue_targets.csv"}


def test_targets_file_is_found_where_the_wheel_lies(installed, tmp_path):
    said = run(installed / "celery-slo", "targets", "check", cwd=tmp_path)

    path, _, summary = said.partition(": ")
    assert installed.parent in Path(path).parents
    assert Path(path).read_bytes() == (ROOT / "queue_targets.csv").read_bytes()
    assert summary.startswith("27 rows")


def test_every_module_of_the_wheel_lies_in_the_environment(installed, tmp_path):
    names = "', '".join(PACKAGES)
    code = f"import importlib; [print(importlib.import_module(name).__file__) for name in ['{names}']]"

    said = run(installed / "python", "-c", code, cwd=tmp_path)

    assert [line for line in said.splitlines() if not line.startswith(str(installed.parent))] == []


def test_exporter_of_the_wheel_serves_outside_the_checkout(installed, tmp_path):
    broker_url = f"redis://127.0.0.1:{free_port()}/0"
    command = [installed / "celery-slo", "exporter"]

    with closing(Exporter("--broker-url", broker_url, folder=tmp_path, command=command)) as started:
        assert started.value("celery_exporter_broker_up") == 0
        assert started.value("celery_queue_target_seconds", queue="sms_queue") == 300
