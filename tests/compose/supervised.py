"""A program that supervises the children it is given as JSON: supervised.py '[{"name": ..., "argv": [...]}, ...]'."""

import json
import logging
import sys

from compose.supervisor import Child, Supervisor

logging.basicConfig(level=logging.INFO, format="%(message)s")
children = [Child(**{**fields, "argv": tuple(fields["argv"])}) for fields in json.loads(sys.argv[1])]
sys.exit(Supervisor(children).run(lambda: print("all ready", file=sys.stderr, flush=True)))
