# SumFlow's commands for a checkout. Everything they install goes into .venv and the user's caches.

PYTHON ?= python3
VENV := .venv
SUMFLOW := $(VENV)/bin/sumflow
PIP := $(VENV)/bin/pip --disable-pip-version-check --quiet
UV := $(VENV)/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet

.PHONY: help up down cluster cluster-down test-cluster test-cluster-core test test-quick test-nightly lint format lock proto hooks clean
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(VENV)/installed: requirements/runtime.txt requirements/build.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --require-hashes -r requirements/runtime.txt -r requirements/build.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements/dev.txt
	$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

up: $(VENV)/installed ## run SumFlow on this machine, add the sample, print the total
	$(SUMFLOW) up --detach
	$(SUMFLOW) add --file examples/census-2020.csv
	@echo
	@echo "The total is $$($(SUMFLOW) total). Look next at:"
	@echo "  http://127.0.0.1:8080                the live page"
	@echo "  .venv/bin/sumflow add 20 22          add a sum; 'sumflow total --watch' in a second terminal sees it"
	@echo "  .venv/bin/sumflow verify             the specification's checklist, live"
	@echo "  .venv/bin/sumflow status             what runs, where, and how it is"
	@echo "  .venv/bin/sumflow down               stop; 'sumflow destroy' also removes the data"
	@echo "'make up' once more adds the sample once more; 'sumflow up' adds nothing."

down: ## stop it
	$(SUMFLOW) down

cluster: $(VENV)/installed-dev ## a three-node Kubernetes on this machine with our images in it (root; testing/cluster/README.md)
	testing/cluster/up.sh
	testing/cluster/project-images.sh

cluster-down: ## take it down
	testing/cluster/down.sh

test-cluster: cluster ## every test that needs it: about 35 minutes
	$(VENV)/bin/pytest -m cluster tests/cluster

test-cluster-core: cluster ## the core of them, as CI runs it: diff, deploy, unchanged, verify, sums, drift, rotation, destroy
	$(VENV)/bin/pytest -m cluster tests/cluster/live/test_life.py

test: lint ## every check and every test
	$(VENV)/bin/pytest

test-quick: $(VENV)/installed-dev ## all tests but those that start three brokers or kill processes
	$(VENV)/bin/pytest -m "not slow and not cluster"

test-nightly: $(VENV)/installed-dev ## a million simulated histories that no run has had: 17 minutes of two cores
	$(VENV)/bin/python -m tests.simulation --histories 1000000 --fresh

lint: $(VENV)/installed-dev ## format, lint, types
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/ruff check
	$(VENV)/bin/mypy

format: $(VENV)/installed-dev ## format and mend what can be mended
	$(VENV)/bin/ruff format
	$(VENV)/bin/ruff check --fix

proto: $(VENV)/installed-dev ## generate the gRPC code
	cd src && ../$(VENV)/bin/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. --grpc_python_out=. sumflow/sums/sum.proto

hooks: $(VENV)/installed-dev ## run the checks on every commit
	$(VENV)/bin/pre-commit install

clean: ## remove the environment and what tools left in the checkout
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .mypy_cache

lock: $(VENV)/installed-dev ## pin every dependency, with hashes, for all platforms, and the jars of the Kafka releases
	$(UV) pyproject.toml -o requirements/runtime.txt
	$(UV) --group build -c requirements/runtime.txt -o requirements/build.txt
	$(UV) pyproject.toml --group dev -c requirements/runtime.txt -c requirements/build.txt -o requirements/dev.txt
	$(VENV)/bin/python -m sumflow.local.lock
