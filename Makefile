# make run | test | cluster-test | ui | doctor | docs | env | requirements | hooks | clean

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
RUNS ?= runs

.PHONY: run test cluster-test lint ui doctor docs env requirements hooks clean

run: requirements  ## the quickstart study, or its result where it is finished
	$(BIN)/python sweep/run.py quickstart

test: lint  ## everything that is checked on every change
	$(BIN)/python -m pytest -m "not gpu and not soak" -n 2 --dist loadfile

cluster-test: requirements  ## a cluster of three hosts over SSH; root and Linux, nine minutes
	$(BIN)/python -m pytest -m cluster tests/cluster

lint: requirements
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

ui: requirements  ## MLflow on what was run, on this machine only
	MLFLOW_DISABLE_TELEMETRY=true $(BIN)/mlflow ui --backend-store-uri sqlite:///$(RUNS)/mlflow.db --host 127.0.0.1 --port 5000

doctor: requirements
	$(BIN)/python sweep/doctor.py

docs:  ## the pages as a site, in site/; every link is checked
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet -r requirements-docs.txt
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --quiet

env: $(BIN)/python

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

requirements: $(VENV)/installed

$(VENV)/installed: requirements.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -r requirements.txt
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

hooks: requirements  ## lint before every commit
	printf '#!/bin/sh\nexec make lint\n' > .git/hooks/pre-commit
	chmod +x .git/hooks/pre-commit

clean:
	rm -rf $(VENV) .venv-docs site build .mypy_cache .ruff_cache .import_linter_cache *.egg-info
