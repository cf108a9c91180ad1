"""debian_packages.sh on made-up machines: what it installs, what it says, and that it leaves nothing behind."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "debian_packages.sh"
PROGRAMS = ("redis-server", "prometheus", "promtool", "prometheus-alertmanager", "chromium")
TOOLS = ("sh", "cat", "chmod", "cut", "find", "grep", "mktemp", "rm", "sort", "tail")
APT_GET = """#!/bin/sh
echo "$*: policy $($POLICY; echo $?)" >>"$APT_LOG"
exit $APT_STATUS
"""


class Machine:
    """A folder that stands for a machine: its programs, its files, its user."""

    def __init__(self, folder):
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.policy = folder / "policy-rc.d"
        self.apt_log = folder / "apt.log"
        self.fonts = folder / "fonts"
        self.fonts.mkdir()
        (self.fonts / "some.ttf").touch()
        self.os_release = folder / "os-release"
        self.os_release.write_text("NAME=Debian\nID=debian\n")
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool))
        self.has("apt-get", APT_GET)
        self.has("id", "#!/bin/sh\necho 0\n")

    def has(self, program, content="#!/bin/sh\n"):
        (self.bin / program).write_text(content)
        (self.bin / program).chmod(0o755)

    def run(self, apt_status=0):
        """Run the script; returns standard output, standard error, and the calls of apt-get."""
        script = SCRIPT.read_text()
        for name, path in (("POLICY", self.policy), ("OS_RELEASE", self.os_release), ("FONTS", self.fonts)):
            lines = [line for line in script.splitlines() if line.startswith(f"{name}=")]
            assert len(lines) == 1
            script = script.replace(lines[0], f"{name}={path}")
        env = {"PATH": str(self.bin), "POLICY": str(self.policy), "APT_LOG": str(self.apt_log)}
        env |= {"APT_STATUS": str(apt_status), "TMPDIR": str(self.folder)}
        done = subprocess.run(
            [self.bin / "sh", "-c", script], env=env, capture_output=True, text=True, timeout=20, check=False
        )
        assert done.returncode == 0, done.stderr
        assert list(self.folder.glob("tmp.*")) == []
        calls = self.apt_log.read_text().splitlines() if self.apt_log.exists() else []
        return done.stdout, done.stderr, calls


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_nothing_is_done_or_said_when_all_is_there(machine):
    for program in PROGRAMS:
        machine.has(program)

    assert machine.run() == ("", "", [])


@pytest.mark.parametrize(
    ("program", "other"), [("chromium", "google-chrome"), ("prometheus-alertmanager", "alertmanager")]
)
def test_another_program_will_do(machine, program, other):
    for name in {*PROGRAMS, other} - {program}:
        machine.has(name)

    assert machine.run() == ("", "", [])


def test_missing_packages_are_installed_without_starting_services(machine):
    machine.has("redis-server")
    shutil.rmtree(machine.fonts)

    said, warned, calls = machine.run()

    packages = "chromium fonts-dejavu-core prometheus prometheus-alertmanager"
    assert said == f"installing from Debian for the tests, without starting services: {packages}\n"
    assert calls == [
        "-o DPkg::Lock::Timeout=300 update: policy 101",
        f"-o DPkg::Lock::Timeout=300 install --yes --no-install-recommends {packages}: policy 101",
    ]
    assert not machine.policy.exists()
    assert len(warned.splitlines()) == 4  # this apt-get installs nothing, which is told


def test_policy_of_the_machine_is_kept(machine):
    machine.policy.write_text("#!/bin/sh\nexit 104\n")
    machine.policy.chmod(0o755)

    _, _, calls = machine.run()

    assert [call.rpartition(" ")[2] for call in calls] == ["104", "104"]
    assert machine.policy.read_text() == "#!/bin/sh\nexit 104\n"


def test_failed_installation_is_told_and_leaves_no_policy(machine):
    for program in set(PROGRAMS) - {"chromium"}:
        machine.has(program)

    _, warned, calls = machine.run(apt_status=100)

    assert warned == (
        "MISSING: chromium, so SKIPPED: tests in a browser; the installation failed: apt-get install chromium\n"
    )
    assert len(calls) == 1
    assert not machine.policy.exists()


def test_other_user_than_root_is_told_what_to_install(machine):
    machine.has("id", "#!/bin/sh\necho 1000\n")
    machine.has("chromium")

    said, warned, calls = machine.run()

    assert (said, calls) == ("", [])
    assert warned == (
        "MISSING: redis-server, so SKIPPED: live tests on Redis; not root; run: apt-get install redis-server\n"
        "MISSING: prometheus, so SKIPPED: live tests of Prometheus; not root; run: apt-get install prometheus\n"
        "MISSING: promtool, so SKIPPED: checks of metrics and rules by promtool; "
        "not root; run: apt-get install prometheus\n"
        "MISSING: prometheus-alertmanager, so SKIPPED: live tests of Alertmanager; "
        "not root; run: apt-get install prometheus-alertmanager\n"
    )


@pytest.mark.parametrize("release", ["NAME=Fedora\nID=fedora\n", None])
def test_other_system_than_debian_is_told(machine, release):
    for program in set(PROGRAMS) - {"promtool"}:
        machine.has(program)
    machine.os_release.unlink()
    if release:
        machine.os_release.write_text(release)

    said, warned, calls = machine.run()

    assert (said, calls) == ("", [])
    assert warned == (
        "MISSING: promtool, so SKIPPED: checks of metrics and rules by promtool; "
        "this is not Debian; there it is apt-get install prometheus\n"
    )
