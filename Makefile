# Everything a checkout needs, with nothing but python3 (3.11 or newer), make and the package registry.
#
#   make demo        the whole story on one screen
#   make test        linter, both type checkers, the fast tests: before every commit
#   make test-slow   tests of browsers, terminals, kills, load and long times, and every property with more examples
#   make coverage    which branches of the language, the client and the archive their tests cover; at least 95 %
#   make matrix      the fast tests on every Python from 3.11 on that this machine has
#   make bench       the performance figures
#   make clean
#
# PYTHON=python3.13 chooses the interpreter, VENV=.venv-3.13 the environment, WORKERS=4 how many processes run
# tests, ARGS="tests/archive -x" is passed on to pytest.
PYTHON  ?= python3
VENV    ?= .venv
WORKERS ?= auto
ARGS    ?=
BIN     := $(VENV)/bin
PIP     := $(BIN)/python -m pip --disable-pip-version-check --quiet
PYTEST  := $(BIN)/pytest --numprocesses $(WORKERS) --dist worksteal
SOURCES := $(shell find src tests bench -name '*.py')

# Where this is set, every process would compile the package again.
unexport PYTHONDONTWRITEBYTECODE

# Two stages: what running needs, and what testing needs on top of it.
RUNS  := $(VENV)/.runs
TESTS := $(VENV)/.tests

.PHONY: setup demo test test-slow lint types unit coverage matrix bench clean

demo: $(RUNS)
	@$(BIN)/ringlet demo

# Both need about one core, for most of the time.
test: lint
	@$(MAKE) --no-print-directory --jobs 2 types unit

setup: $(TESTS)

$(RUNS): pyproject.toml
	@echo "Making $(VENV) (once; some seconds) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --no-compile --editable .
	@touch $@

$(TESTS): $(RUNS)
	@echo "Adding to $(VENV) what tests need (once; a minute or two) ..."
	@$(PIP) install --upgrade "pip>=25.1" # the first that knows --group
	@$(PIP) install --editable . --group dev
	@# oura-ring declares Python 3.12 but runs on 3.11; it is a client we test against, not a dependency.
	@$(PIP) install --no-deps --ignore-requires-python oura-ring==1.0.1
	@# Compiles the tests once; otherwise each worker of the first run compiles all of them. A test file that
	@# cannot be imported does not end the setup: the run itself shows why.
	@$(BIN)/pytest --collect-only --quiet >/dev/null 2>&1 || true
	@touch $@

# A check that passed passes again until one of the files it reads has changed.
lint: $(VENV)/.lint
$(VENV)/.lint: $(TESTS) $(SOURCES)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@touch $@

types: $(VENV)/.types
$(VENV)/.types: $(TESTS) $(SOURCES)
	$(BIN)/mypy
	$(BIN)/pyright
	@touch $@

unit: $(TESTS)
	$(PYTEST) -m "not slow" $(ARGS)

test-slow: $(TESTS)
	$(PYTEST) -m "slow or hypothesis" --hypothesis-profile thorough $(ARGS)

# The parts whose every branch is worth a test, by their own tests: the language, the client, the archive.
COVERED := errors.py models.py _api/* _oauth/* _webhooks/* _client/* _archive/*
empty   :=
comma   := ,
INCLUDE := $(subst $(empty) $(empty),$(comma),$(addprefix */ringlet/,$(COVERED)))
THEIRS  := $(addprefix tests/,test_errors.py test_models.py api oauth webhooks client archive)
coverage: $(TESTS)
	$(PYTEST) -m "not slow" --cov --cov-report= $(ARGS) $(THEIRS)
	$(BIN)/coverage report --skip-covered --fail-under 95 --include "$(INCLUDE)"

matrix:
	@.ci/matrix

bench: $(TESTS)
	@$(PIP) install --group bench
	$(BIN)/python -m bench

clean:
	rm -rf .venv* .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage* dist
