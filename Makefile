# Two commands do all the set-up: `make sweep` and `make test`.
.DEFAULT_GOAL := help
.PHONY: help sweep test test-mlflow test-optuna test-ray check guard verify torture benchmark screenshots lock docs wheel clean

VENV := .venv
unexport PIP_USER
BIN := $(VENV)/bin
MLFLOW := 3.18.0
OTHER := .venv-mlflow
OPTUNA := .venv-optuna
RAY := .venv-ray
# Ray with the packages of the lock; msgpack is the only other that it needs.
RAY_PACKAGES := ray==2.60.0 msgpack==1.2.4
# It wants Optuna < 3; SQLAlchemy and the others are those of the lock.
OPTUNA_SWEEPER := hydra-optuna-sweeper==1.3.0 optuna==2.10.1 cmaes==0.12.0
MLFLOW_TESTS := tests/integration/test_readers.py tests/integration/test_run_store.py tests/integration/test_sql_steps.py \
                tests/integration/test_sql_client.py tests/integration/test_model_template.py tests/integration/test_curve_store.py \
                tests/integration/test_migration.py tests/integration/test_patience.py \
                tests/integration/test_artifact_place.py tests/services/test_postgres_start.py tests/e2e/test_postprocessing.py \
                tests/integration/test_deletion.py tests/integration/test_export.py \
                tests/e2e/test_browser.py tests/e2e/test_moved_stores.py tests/e2e/test_store_actions.py tests/e2e/test_tracking.py
# The first of these that is 3.11 to 3.13; PYTHON=... names the only one to try.
CANDIDATES := $(or $(PYTHON),python3.13 python3.12 python3.11 python3 python)

# Every platform at once, pinned and hashed, and no index's address in it.
LOCK = $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header \
       --no-annotate --quiet $(if $(UPGRADE),--upgrade)

help: ## Show these lines
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1|\2/' | awk -F'|' '{ printf "  %-16s %s\n", $$1, $$2 }'

sweep: $(VENV)/.installed ## Train a grid of 12 configurations on bundled data, tracked in mlflow.db
	@$(BIN)/swath -cn quickstart

test: $(VENV)/.installed-dev ## Run all tests
	@$(BIN)/pytest $(PYTEST_ARGUMENTS)

test-mlflow: $(VENV)/.installed-dev ## Run the tests of the store and its pages with another MLflow: MLFLOW=3.18.0
	@$(BIN)/python -m venv $(OTHER) && $(OTHER)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps mlflow==$(MLFLOW)
	@echo "$(CURDIR)/$(VENV)/lib/$$(ls $(VENV)/lib)/site-packages" > $$($(OTHER)/bin/python -c 'import site; print(site.getsitepackages()[0])')/locked.pth
	@$(OTHER)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(OTHER)/bin/python -W ignore -m pytest $(PYTEST_ARGUMENTS) $(MLFLOW_TESTS)

test-optuna: $(VENV)/.installed-dev ## Run the tests of Hydra's Optuna sweeper, which needs an older Optuna
	@$(BIN)/python -m venv $(OPTUNA) && $(OPTUNA)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps $(OPTUNA_SWEEPER)
	@echo "$(CURDIR)/$(VENV)/lib/$$(ls $(VENV)/lib)/site-packages" > $$($(OPTUNA)/bin/python -c 'import site; print(site.getsitepackages()[0])')/locked.pth
	@$(OPTUNA)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(OPTUNA)/bin/python -W ignore -m pytest $(PYTEST_ARGUMENTS) tests/e2e/test_optuna_sweeper.py

test-ray: $(VENV)/.installed-dev ## Run the tests of tasks on Ray: a head and two nodes on this machine
	@$(BIN)/python -m venv $(RAY) && $(RAY)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps $(RAY_PACKAGES)
	@echo "$(CURDIR)/$(VENV)/lib/$$(ls $(VENV)/lib)/site-packages" > $$($(RAY)/bin/python -c 'import site; print(site.getsitepackages()[0])')/locked.pth
	@$(RAY)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(RAY)/bin/python -W ignore -m pytest $(PYTEST_ARGUMENTS) tests/services/test_ray_launcher.py tests/services/test_ray_sweeps.py \
	  tests/services/test_faults.py -k ray

check: $(VENV)/.installed-dev ## Formatting, lint, types, import direction
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

guard: $(VENV)/.installed-dev ## Whether small commands cost more of a processor than the repository says
	@$(BIN)/python -m benchmarks.guard

verify: $(VENV)/.installed-dev ## Recompute the digests of docs/digests.json and compare them
	@cd tests && ../$(BIN)/python -m verify

torture: $(VENV)/.installed-dev ## 400 kills, 60 faults of engines (Ray's after `make test-ray`), 10,000 configurations (2.5 h)
	@cd tests && ../$(BIN)/python -m torture.kills grid 200 && ../$(BIN)/python -m torture.kills search 100 \
		&& ../$(BIN)/python -m torture.kills file 50 && ../$(BIN)/python -m torture.kills both 50 \
		&& ../$(or $(wildcard $(RAY)/bin),$(BIN))/python -m torture.faults 60 && ../$(BIN)/python -m torture.load

benchmark: $(VENV)/.installed-dev ## Measure swath against other ways (three quarters of an hour; needs CIFAR-10)
	@$(BIN)/python -m benchmarks

screenshots: $(VENV)/.installed-dev ## Recreate the screenshots of the MLflow UI in docs/ (needs Chromium)
	@command -v chromium >/dev/null || { echo "swath: no Chromium; on Debian: apt-get install chromium" >&2; exit 2; }
	@SWATH_SCREENSHOTS="$(CURDIR)/docs" $(BIN)/pytest -q tests/e2e/test_browser.py

lock: $(VENV)/.installed-dev ## Bring the two lock files in line with pyproject.toml; with UPGRADE=1 to the newest versions
	@$(LOCK) --extra build --extra search --output-file requirements.lock
	@$(LOCK) --extra build --extra search --extra s3 --extra dev --constraint requirements.lock --output-file requirements-dev.lock

docs: $(VENV)/.installed-dev ## Build the documentation site into site/; a broken internal link is an error
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

wheel: $(VENV)/.installed-dev ## Build the wheel into dist/
	@$(BIN)/python -m build --wheel --no-isolation --outdir dist .

clean: ## Remove the environment and everything built; runs and stores stay
	@rm -rf $(VENV) $(OTHER) $(OPTUNA) $(RAY) dist build site .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.python:
	@for candidate in $(CANDIDATES); do \
	  if "$$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then \
	    "$$candidate" -m venv $(VENV) && touch $@ && exit 0; \
	    echo "swath: $$candidate cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2; exit 2; \
	  fi; \
	done; \
	echo "swath: no Python 3.11, 3.12 or 3.13 found; install one, or name it: make sweep PYTHON=/path/to/python3.12" >&2; exit 2

$(VENV)/.installed: requirements.lock pyproject.toml | $(VENV)/.python
	@echo "Installing into $(VENV), once; TensorFlow and MLflow are large, so this takes some minutes ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@
