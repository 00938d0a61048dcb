# `make demo` and `make test` are all a newcomer needs; `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# Without its bytecode each of the many processes of a demo or a test would compile the project anew.
unexport PYTHONDONTWRITEBYTECODE

# The first interpreter that is new enough; PYTHON=… overrules.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.project-installed
LOCKED := $(VENV)/.lock-installed
UV := $(shell command -v uv)

.PHONY: help setup demo test check format format-check lint contracts types bench campaign campaign-gates fresh-resolve lock docs site-check clean

help: ## list what can be made
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(READY) ## build the environment in .venv from the lock
	@:

$(BIN)/python:
	@[[ -n "$(PYTHON)" ]] || { echo "make: no Python 3.11 or newer found; install one or name it: make PYTHON=/path/to/python" >&2; exit 1; }
ifdef UV
	@uv venv --quiet --allow-existing --python "$(PYTHON)" $(VENV)
else
	@"$(PYTHON)" -m venv $(VENV)
endif

$(LOCKED): requirements.lock | $(BIN)/python
ifdef UV
	@echo "installing the locked packages into $(VENV) with uv …"
	@uv pip install --quiet --python $(BIN)/python --compile-bytecode --no-deps --require-hashes -r requirements.lock
else
	@echo "installing the locked packages into $(VENV) …"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
endif
	@touch $@

$(READY): pyproject.toml $(LOCKED)
ifdef UV
	@uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
else
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
endif
	@touch $@

demo: setup ## run the whole story on loopback: two rollouts, one good, one bad
	@$(BIN)/sluice demo

# Three workers for two cores: much of the suite waits for servers.
test: setup ## run every test
	@$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

check: setup format-check lint contracts types site-check test ## everything CI runs, tests last

format: setup ## rewrite the source in the one format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --quiet --fix-only .

format-check: setup
	@$(BIN)/ruff format --check --quiet . || { echo "make format puts this right" >&2; exit 1; }

lint: setup
	@$(BIN)/ruff check --quiet .

contracts: setup
	@$(BIN)/lint-imports --no-cache

types: setup
	@$(BIN)/mypy

bench: setup ## measure; BENCH=bench/test_sweep.py measures one thing (wrk is used where installed)
	@$(BIN)/python -m pytest $(or $(BENCH),bench) -o faulthandler_timeout=0 --benchmark-enable --benchmark-columns=min,median,max,rounds --benchmark-sort=name -q -rsP

campaign: setup ## the long versions of the tests that the suite runs short
	@SLUICE_CAMPAIGN=1 $(BIN)/python -m pytest -m campaign

campaign-gates: setup ## how often the gate is wrong and how soon it is right, into docs/evidence.md (a quarter of an hour)
	@nice -n 19 $(BIN)/python -m tests.campaigns.report --runs $(or $(RUNS),200) --seed $(or $(SEED),1)

fresh-resolve: setup ## does today's newest of every dependency still work?
	@SLUICE_CAMPAIGN=1 $(BIN)/python -m pytest -m slow_install

lock: setup ## resolve pyproject.toml anew into requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --generate-hashes \
	  --no-emit-index-url --no-header --upgrade --output-file requirements.lock pyproject.toml

docs: setup ## write the generated pages, then build the site into site/
	@$(BIN)/python -m typer sluice.cli utils docs --name sluice --output docs/cli.md
	@$(BIN)/python -m scripts.plan_fields
	@$(BIN)/mkdocs build --quiet --strict

site-check: setup ## build the site strictly and throw it away
	@site="$$(mktemp --directory)" && trap 'rm -rf "$$site"' EXIT && $(BIN)/mkdocs build --quiet --strict --site-dir "$$site"

clean: ## remove the environment and all caches
	rm -rf site $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks .import_linter_cache
