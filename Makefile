# power-nowcast: `make run` and `make test` are all that a newcomer needs; everything else is a thin call of `nowcast`.
# Options: REGION=nyiso ARGS="--days 60" NEURAL=0 PYTHON=python3.12

SHELL := /bin/bash
.DEFAULT_GOAL := help
.SUFFIXES:

FOUND := $(firstword $(foreach name,$(PYTHON) python3 python python3.12 python3.13,$(shell command -v "$(name)" 2>/dev/null)))
BIN := .venv/bin
NOWCAST = $(BIN)/nowcast
REGION ?= nyiso
ARGS ?=
export NOWCAST_BENCH_DATA ?= $(if $(wildcard ../shared/data),../shared/data,)
PYTEST = $(BIN)/python -m pytest

.PHONY: help setup run test test-integration test-browser test-slow lint format lock clean bench \
	ingest features train-xgb train-lightgbm evaluate promote models serve-mlflow api mlflow

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' Makefile

setup: ## make .venv with the pinned packages (done by every other target)
	@$(if $(FOUND),"$(FOUND)" scripts/bootstrap.py,echo "power-nowcast needs Python 3.12 or newer; none was found." && exit 1)

run: setup ## the main job on the embedded sample: from raw load to a promoted model
	@$(NOWCAST) run --region $(REGION) $(ARGS)

test: setup ## the test suite, with coverage
	$(PYTEST) -n 2 --cov --cov-report=term --cov-fail-under=90 $(ARGS)

test-integration: setup ## tests with real servers and processes
	$(PYTEST) -m integration $(ARGS)

test-browser: setup ## tests with a real browser (Chromium)
	$(PYTEST) -m browser $(ARGS)

test-slow: setup ## long tests, and those on the publishers' archives (NOWCAST_BENCH_DATA)
	$(PYTEST) -m slow $(ARGS)

lint: setup ## ruff, mypy, import-linter, and the rules of the tree
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/check_tree.py

format: setup ## format and mend what can be mended
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lock: setup ## compile the pinned requirements anew
	$(BIN)/uv pip compile pyproject.toml --group dev $(LOCK) -o requirements.txt
	$(BIN)/uv pip compile pyproject.toml --extra neural -c requirements.txt $(LOCK) -o requirements-neural.txt
LOCK = --quiet --generate-hashes --no-emit-index-url --no-header --universal --python-version 3.12

ingest: setup ## load, weather and forecasts into the tables
	@$(NOWCAST) ingest --region $(REGION) $(ARGS)

features: setup ## features of train, valid and test
	@$(NOWCAST) features --region $(REGION) $(ARGS)

train-xgb: setup ## train XGBoost
	@$(NOWCAST) train --region $(REGION) --model xgboost $(ARGS)

train-lightgbm: setup ## train LightGBM
	@$(NOWCAST) train --region $(REGION) --model lightgbm $(ARGS)

evaluate: setup ## backtest the best trained model and write its report
	@$(NOWCAST) evaluate --region $(REGION) $(ARGS)

promote: setup ## promote the candidate, if it earned it
	@$(NOWCAST) promote --region $(REGION) $(ARGS)

models: setup ## list the registered versions
	@$(NOWCAST) models --region $(REGION) $(ARGS)

serve-mlflow: setup ## serve the production model by MLflow, port 5000
	@$(NOWCAST) serve --region $(REGION) $(ARGS)

api: setup ## the nowcast API, port 8000
	@$(NOWCAST) api $(ARGS)

mlflow: setup ## the MLflow server, port 5001
	@$(NOWCAST) mlflow $(ARGS)

bench: setup ## the benchmarks, each against its bars
	@for script in benchmarks/[a-z]*.py; do $(BIN)/python "$$script" --check || exit 1; done

clean: ## delete what was made: tables, models, reports, MLflow's database
	rm -rf data artifacts reports mlruns mlartifacts mlflow.db
