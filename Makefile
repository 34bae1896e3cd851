# make demo      train a small ResNeXt on the embedded digits and show where the report is
# make test      the quick tests
# make test-all  all tests, and which lines they reach
# make check     lint, types and the layers of the house
# Each does its own set-up in .venv on a fresh machine.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test test-all check clean

demo: $(INSTALLED)
	@$(BIN)/cardinet train

test: $(INSTALLED)
	$(BIN)/python -m pytest -m "not long"

test-all: $(INSTALLED)
	$(BIN)/python -m pytest --cov --cov-report=
	$(BIN)/python tests/coverage_report.py

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Cardinet needs Python 3.11 or newer; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV)
