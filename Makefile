# Needs Python >= 3.11 with venv, make and git; everything else comes from the hash-pinned locks into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# how many processes run the tests
JOBS ?= 2

# bytecode makes every start of keyaudit faster, and .venv and src are ours to write it to
unexport PYTHONDONTWRITEBYTECODE
# an environment or a package path from outside would shadow what the lock pins
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV

PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# the project itself: hatchling comes from the lock, so that nothing unpinned is fetched to build it
INSTALL_SELF := $(PIP_INSTALL) --no-deps --no-build-isolation --editable .

.DEFAULT_GOAL := help
.PHONY: help demo test lint types walls check bench docs lock clean
.DELETE_ON_ERROR:

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.runtime ## audit the embedded sample account and write its reports
	$(BIN)/keyaudit demo

test: lint types walls check ## lint, types, walls between modules, tests with coverage

lint: $(VENV)/.dev ## ruff: rules and formatting
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.dev ## mypy, strict
	$(BIN)/mypy

walls: $(VENV)/.dev ## import-linter: which module may know which
	$(BIN)/lint-imports --no-logo

check: $(VENV)/.dev ## the tests alone, with coverage
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadgroup --cov --cov-report term

bench: $(VENV)/.dev ## compare the speed with jq, DuckDB, Polars and plain pandas
	$(BIN)/python benchmarks/run.py

docs: $(VENV)/.dev ## write anew what is made from the rules and the settings
	$(BIN)/python -m keyaudit.docs > docs/rules.md
	$(BIN)/python -m keyaudit.config reference > docs/configuration.md
	$(BIN)/python -m keyaudit.config schema > src/keyaudit/schema/config.schema.json
	$(BIN)/python -m keyaudit.config example > config.example.toml

lock: ## resolve the dependencies anew and pin them by hash
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'
	$(LOCK) --group build --output-file requirements.lock
	$(LOCK) --group dev --constraints requirements.lock --output-file requirements-dev.lock

# no header and no index lines: a lock says what is installed, never from where
LOCK = $(VENV)-lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links pyproject.toml

clean: ## remove the environments and whatever was generated
	rm -rf $(VENV) $(VENV)-lock dist htmlcov .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache \
	  .pytest_cache .ruff_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps tell which lock the environment holds. One environment serves all: the locks agree on every version.

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'keyaudit needs Python 3.11 or later; name one: make PYTHON=python3.12 ...' >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.lock pyproject.toml | $(BIN)/python
	$(PIP_INSTALL) --require-hashes --requirement requirements.lock
	$(INSTALL_SELF)
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(BIN)/python
	$(PIP_INSTALL) --require-hashes --requirement requirements-dev.lock
	$(INSTALL_SELF)
	@touch $(VENV)/.runtime $@
