# Everything a developer or a new user types. `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-from-lock
# Tests and checks never read the caller's PYTHONPATH: a foreign `core` there must not decide the result.
unexport PYTHONPATH

.DEFAULT_GOAL := help
.PHONY: help setup lock demo test test-all check format bench mutants clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv with everything, from requirements.lock

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "celery-slo needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "the venv module is missing: apt-get install python3-venv" >&2; exit 2; }
	@echo "setting up $(VENV) from requirements.lock (about a minute)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

lock: ## write requirements.lock anew from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --custom-compile-command "make lock" --upgrade -o requirements.lock -q

demo: setup ## real Celery queues, the exporter and the dashboard on this machine
	@$(BIN)/celery-slo demo

test: setup ## every kind of test once (installs Debian packages it needs, where it may)
	@sh tests/debian_packages.sh
	@$(BIN)/python -m pytest -m "not matrix"

test-all: setup ## the whole matrix
	@sh tests/debian_packages.sh
	@$(BIN)/python -m pytest

check: setup ## lint, types, import contracts and the fast tests: under a minute
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache | tail -n 4
	@$(BIN)/python -m pytest -q -m "not live and not browser and not matrix"

format: setup ## let ruff format the tree
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup ## speed of the event path and of a scrape
	@$(BIN)/python benchmarks/event_path.py

mutants: setup ## break the code on purpose; every patch must turn a test red
	@$(BIN)/python tests/mutants/run.py

clean: ## remove .venv and everything that was generated
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis tests/artifacts
