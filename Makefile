# Everything a checkout needs, with nothing but python3, make and the package registry.
#   make demo    the whole story on one screen
#   make test    lint, both type checkers, all tests
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.complete

.PHONY: setup demo test lint types unit bench clean

setup: $(STAMP)

$(STAMP): pyproject.toml
	@echo "Making $(VENV) (once; a minute or two) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	@# oura-ring declares Python 3.12 but runs on 3.11; it is a client we test against, not a dependency.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --ignore-requires-python oura-ring==1.0.1
	@touch $(STAMP)

demo: setup
	@$(BIN)/ringlet demo

test: lint types unit

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy
	$(BIN)/pyright

unit: setup
	$(BIN)/pytest

bench: setup
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group bench
	$(BIN)/python -m bench

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis dist
