"""A program that ignores every polite signal and starts another such, in a session of its own: stubborn.py DEPTH."""

import signal
import subprocess
import sys

for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
    signal.signal(number, signal.SIG_IGN)
depth = int(sys.argv[1])
if depth > 0:
    subprocess.Popen([sys.executable, "-S", __file__, str(depth - 1)], start_new_session=True)
print(f"stubborn {depth}", flush=True)
signal.pause()
