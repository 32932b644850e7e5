# Needs Python 3.11 or later, git and make; everything else goes into .venv.

SHELL := bash

# Interpreters to try, in this order, when .venv is made.
# Choose your own with: make PYTHON=/path/to/python3 test
PYTHON ?= python3 python3.13 python3.12 python3.11

VENV := .venv
BIN := $(VENV)/bin

# What each state of the environment holds: `demo` needs the least, `test` adds
# the test tools, `extras` adds whatever unlocks tests that `make test` skips.
EXTRAS_core := tabular
EXTRAS_test := $(EXTRAS_core),test
EXTRAS_extras := $(EXTRAS_test),boosting,face,onnx,report
EXTRAS_docs := $(EXTRAS_core),docs

SKIPPED_BY_TEST := needs_torch or needs_browser or needs_data or needs_boosting or needs_shap or needs_onnx

# Nothing may leak in from the user's own Python packages and settings.
export PYTHONNOUSERSITE := 1
export PIP_USER := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1
unexport PYTHONPATH PYTHONHOME

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test test-extras lint docs simulate bench clean

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.core-stamp  ## correct a trained model on data that needs no download
	@$(BIN)/rarecorrect demo

test: $(VENV)/.test-stamp  ## run the tests of the core and the tabular adapter
	$(BIN)/pytest -q

# pytest exits with 5 when it selected no test: nothing was skipped, nothing failed.
test-extras: $(VENV)/.extras-stamp  ## install the extras and run what `make test` skips
	$(BIN)/pytest -q -m "$(SKIPPED_BY_TEST)" || test $$? -eq 5

lint: $(VENV)/.test-stamp  ## check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.docs-stamp  ## build the site into docs/_build/html, offline
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

simulate: $(VENV)/.test-stamp  ## run the long simulations behind the certificates
	$(BIN)/python tests/simulation/run.py

bench: $(VENV)/.test-stamp  ## measure time and memory
	$(BIN)/python tests/performance/run.py

clean:  ## remove .venv, caches and builds (results stay)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache build dist \
		docs/_build docs/gallery docs/api/generated
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.%-stamp: pyproject.toml constraints.txt | $(VENV)/pyvenv.cfg
	@echo "installing rarecorrect[$(EXTRAS_$*)] into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[$(EXTRAS_$*)]"
	@touch $@

$(VENV)/pyvenv.cfg:
	@for python in $(PYTHON); do \
		if "$$python" -c 'import ensurepip, sys, venv; \
			sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "making $(VENV) with $$("$$python" -V) ($$python)"; \
			exec "$$python" -m venv $(VENV); \
		fi; \
	done; \
	echo "rarecorrect needs Python 3.11 or later with its venv module, and found" \
		"none in: $(PYTHON). Install one, or name yours:" \
		"make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; \
	exit 1
