"""`celery-slo targets check`, and reading the targets file from a checkout and from a wheel."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from compose.targets_command import targets
from compose.targets_file import TargetsFileError, default_path, read_targets
from core.targets import QueueTarget, TargetTable

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "mine.csv"


def check(*arguments):
    result = CliRunner().invoke(targets, ["check", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_check_sums_up_the_shipped_file_when_none_is_named():
    path = CHECKOUT / "queue_targets.csv"

    assert check() == (0, f"{path}: 27 rows, 14 with a target, 2 processes\n", "")


def test_check_sums_up_the_named_file_and_warns_on_stderr(file):
    file.write_text("queue,kind,target_class,colour\nmail,queue,hours,red\nbeat,process\n")

    assert check(file) == (
        0,
        f"{file}: 2 rows, 1 with a target, 1 process\n",
        f'{file}: warning: line 1: unknown column "colour" is ignored\n',
    )


def test_check_counts_one_row_as_one(file):
    file.write_text("queue\nmail\n")

    assert check(file) == (0, f"{file}: 1 row, 0 with a target, 0 processes\n", "")


def test_check_tells_every_problem_and_exits_with_2(file):
    file.write_text("queue,kind,target_seconds\nmail,quue,abc\n\nsms,,-1,\n")

    code, output, errors = check(file)

    assert (code, output) == (2, "")
    assert errors.splitlines() == [
        f'{file}: line 2, column kind: "quue" is not one of queue, process, pattern, task',
        f'{file}: line 2, column target_seconds: "abc" is not a number of seconds above 0',
        f"{file}: line 4: 4 cells, 3 columns; a comma needs quotes",
    ]


def test_check_says_in_one_line_that_a_file_is_not_there(file):
    assert check(file) == (2, "", f"{file}: cannot be read: No such file or directory\n")


def test_check_says_in_one_line_that_a_folder_is_no_file(tmp_path):
    assert check(tmp_path) == (2, "", f"{tmp_path}: cannot be read: Is a directory\n")


def test_check_says_in_which_line_a_file_is_not_utf_8(file):
    file.write_bytes("queue,notes\nmail,plain\nsms,höher\n".encode("latin-1"))

    assert check(file) == (2, "", f"{file}: line 3: not UTF-8: byte 0xf6\n")


def test_a_file_as_a_spreadsheet_writes_it_is_read(file):
    file.write_bytes("queue,notes\r\nmail,höher\r\n".encode("utf-8-sig"))

    assert read_targets(file) == TargetTable(rows=(QueueTarget(queue="mail", notes="höher"),))


def test_the_error_of_a_broken_file_has_a_line_for_each_problem(file):
    file.write_text("queue,page\nmail,x\n,\n,none\n")

    with pytest.raises(TargetsFileError) as raised:
        read_targets(file)

    assert str(raised.value) == (
        f'{file}: line 2, column page: "x" is not one of page, ticket, none\n'
        f"{file}: line 4, column queue: the name is missing"
    )


def test_the_default_file_of_a_checkout_is_at_its_root():
    assert default_path() == CHECKOUT / "queue_targets.csv"


def test_the_default_file_of_a_wheel_lies_in_its_package(tmp_path):
    for package in ("core", "compose"):
        shutil.copytree(CHECKOUT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "celery_slo").mkdir()
    shutil.copy(CHECKOUT / "queue_targets.csv", tmp_path / "celery_slo")
    program = "from compose.targets_file import default_path, read_targets as r; p = default_path(); r(p); print(p)"

    answer = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True, env={}
    )

    assert answer.stdout == f"{tmp_path / 'celery_slo' / 'queue_targets.csv'}\n"
