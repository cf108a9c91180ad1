"""Breaks the code on purpose: applies each patch to a copy of the tree and expects the fast tests to go red.

python tests/mutants/run.py [NAME ...]
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PATCHES = Path(__file__).resolve().parent
RED, GREEN = 1, 0  # pytest's exit statuses; any other means that the tests did not run


def main(names: list[str]) -> int:
    """Run all patches, or the named ones; returns the exit status."""
    patches = sorted(path for path in PATCHES.glob("*.patch") if not names or path.stem in names)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        tree = Path(folder) / "tree"
        copy_tree(tree)
        if run_tests(tree) != GREEN:
            print("the tests are not green without any patch")
            return 1
        survivors = [path.stem for path in patches if not is_noticed(path, tree)]
    print(f"{len(patches) - len(survivors)} of {len(patches)} mutants were noticed")
    return 1 if survivors or not patches else 0


def copy_tree(tree: Path) -> None:
    """Copy what git tracks, as it is in the working tree."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True)
    for name in listed.stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)


def is_noticed(patch: Path, tree: Path) -> bool:
    """Apply, test, take back."""
    subprocess.run(["git", "apply", str(patch)], cwd=tree, check=True)
    status = run_tests(tree)
    subprocess.run(["git", "apply", "--reverse", str(patch)], cwd=tree, check=True)
    verdict = {RED: "noticed", GREEN: "SURVIVED"}.get(status, f"NOT TESTED: pytest ended with {status}")
    print(f"{patch.stem:<40} {verdict}", flush=True)
    return status == RED


def run_tests(tree: Path) -> int:
    """The tests of the core, until the first red one."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "tests/core"]
    return subprocess.run(command, cwd=tree, capture_output=True, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
