"""Command lines of small programs for the supervisor's tests; those with a NAME argument work in their folder."""

import sys
from pathlib import Path


def python(code: str) -> tuple[str, ...]:
    """A command line that runs this code; without site packages, to be quick."""
    return (sys.executable, "-S", "-c", code)


STAY = python("import signal; signal.pause()")

# Ignores every polite signal and starts one more such in a session of its own, and that one a third.
STUBBORN = (sys.executable, "-S", str(Path(__file__).with_name("stubborn.py")), "2")
STUBBORN_CHILD = {"name": "stubborn", "argv": STUBBORN, "stop_grace_seconds": 0.2}

# Waits for one that is stubborn.
RUN_ANOTHER = python(f"import subprocess; subprocess.run({(*STUBBORN[:-1], '0')!r})")

# Leaves a stubborn family behind.
LEAVE = python(f"import subprocess; subprocess.Popen({STUBBORN!r}); raise SystemExit(1)")

# Writes numbers to its output without end, and a file `many` when there are many.
COUNT = python(
    "import itertools, os, pathlib\n"
    "for number in itertools.count():\n"
    "    os.write(1, b'%i\\n' % number)\n"
    "    pathlib.Path('many').touch() if number == 50_000 else None"
)

# NAME SECONDS: writes a file of that name when it has begun, and its name into a file `ends` so long after SIGTERM.
SIGN_OFF = python(
    "import pathlib, signal, sys, time\n"
    "def leave(*_):\n"
    "    time.sleep(float(sys.argv[2]))\n"
    "    with open('ends', 'a') as ends: ends.write(sys.argv[1])\n"
    "    sys.exit()\n"
    "signal.signal(signal.SIGTERM, leave)\n"
    "pathlib.Path(sys.argv[1]).touch()\n"
    "signal.pause()"
)

# NAME: writes a file of that name when it has begun; leaves when three of its kind have been told to.
LEAVE_TOGETHER = python(
    "import pathlib, signal, sys, time\n"
    "def leave(*_):\n"
    "    with open('ends', 'a') as ends: ends.write('x')\n"
    "    while pathlib.Path('ends').stat().st_size < 3: time.sleep(0.01)\n"
    "    sys.exit()\n"
    "signal.signal(signal.SIGTERM, leave)\n"
    "pathlib.Path(sys.argv[1]).touch()\n"
    "signal.pause()"
)

# Writes a file `seen` with two variables, and one with the signal masks that it was started with.
LOOK_AROUND = python(
    "import os, pathlib\n"
    "pathlib.Path('masks').write_text(pathlib.Path('/proc/self/status').read_text())\n"
    "pathlib.Path('seen').write_text(os.environ['OURS'] + ' ' + os.environ['BOTH'])"
)

# Writes to both outputs: an empty line, one longer than any buffer, and one without an end.
TALK = python("import os; os.write(1, b'out\\n'); os.write(2, b'err\\n\\n' + b'x' * 70_000 + b'\\nno end')")
