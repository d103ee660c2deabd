# `make verify` and `make test` are all that is needed on a machine with Python 3.11+ and make.
#
#   make verify     set up, run every study, print the table of verdicts, write out/
#   make test       set up, then lint, types and tests (without the ones that need a browser, TeX or minutes)
#   make lint       ruff and mypy alone
#   make bench      the comparisons in benchmarks/, each printed as a ratio
#   make notebook   execute the notebooks in examples/ and compare
#   make clean      remove .venv, out/ and the caches
#
# PYTHON=/path/to/python3.12 chooses the interpreter.

SHELL := /bin/sh
VENV  := .venv
BIN   := $(VENV)/bin
PIP   := $(BIN)/python -m pip install -qq --disable-pip-version-check
HEAVY := pdflatex or browser or notebook or slow or torch
WORKERS ?= 2

# One thread a process: the tests and the studies bring their own parallelism.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1

.DELETE_ON_ERROR:
.PHONY: help verify test lint bench notebook clean setup setup-test setup-notebook

help:
	@sed -n '3,8s/^# *//p' Makefile

verify: $(VENV)/ready
	@mkdir -p out
	@$(BIN)/proofs-check latex -o out/formulas.tex
	@$(BIN)/proofs-check verify --workers $(WORKERS) --json out/verdicts.json

test: $(VENV)/ready-test lint
	@$(BIN)/pytest -n $(WORKERS) -q -m "not ($(HEAVY))"
	@echo "left out: the tests marked pdflatex, browser, notebook, slow or torch; .ci/run runs those that this project has"

lint: $(VENV)/ready-test
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

bench: $(VENV)/ready-test
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python "$$script" || exit 1; done

notebook: $(VENV)/ready-notebook
	@$(BIN)/pytest -q -m notebook

clean:
	rm -rf $(VENV) out build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	find theory numerics proofs_check tests benchmarks examples -name __pycache__ -prune -exec rm -rf {} +

setup: $(VENV)/ready
setup-test: $(VENV)/ready-test
setup-notebook: $(VENV)/ready-notebook

# A stamp is written when its installation has finished, so an interrupted one is simply done again.
$(VENV)/ready: pyproject.toml $(VENV)/created
	@echo "installing attention-theory into $(VENV) (once; a minute or so)"
	@$(PIP) --editable .
	@touch $@

$(VENV)/ready-test: $(VENV)/ready
	@echo "installing what the tests need"
	@$(PIP) --editable '.[test]'
	@touch $@

$(VENV)/ready-notebook: $(VENV)/ready-test
	@echo "installing what the notebooks need"
	@$(PIP) --editable '.[test,notebook,plot,data]'
	@touch $@

$(VENV)/created:
	@for candidate in "$(PYTHON)" python3 python3.13 python3.12 python3.14 python3.11 python; do \
	    [ -n "$$candidate" ] || continue; \
	    if "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	        "$$candidate" -m venv --clear $(VENV) && touch $@ && exit 0; \
	        exit 1; \
	    fi; \
	    if [ "$$candidate" = "$(PYTHON)" ]; then break; fi; \
	done; \
	echo "make: expected Python 3.11 or newer with the venv module, found none" \
	     "(python3 is: $$(python3 --version 2>&1 | head -n 1))." >&2; \
	echo "Install one (Debian and Ubuntu: apt-get install python3 python3-venv; macOS: brew install python)," \
	     "or name it: make PYTHON=/path/to/python3.12 ..." >&2; \
	exit 1
