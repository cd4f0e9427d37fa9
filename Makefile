# SumFlow's commands for a checkout. Everything they install goes into .venv and the user's caches.

PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/pip --disable-pip-version-check --quiet
UV := $(VENV)/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet

.PHONY: help lock
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

lock: $(VENV)/installed-dev ## pin every dependency, with hashes, for all platforms
	$(UV) pyproject.toml -o requirements/runtime.txt
	$(UV) --group build -c requirements/runtime.txt -o requirements/build.txt
	$(UV) pyproject.toml --group dev -c requirements/runtime.txt -c requirements/build.txt -o requirements/dev.txt
