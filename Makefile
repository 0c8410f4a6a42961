.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= 2

.PHONY: help run test test-faults test-libvirt test-keystone check format bench docs lock clean

help:  ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

# Made once, and again when the lock changes. Left untouched on a failure, so that the next call starts over.
$(STAMP): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

run: $(STAMP)  ## start everything: PostgreSQL, Redis, API and workers (PORT, DATA_DIR, DATABASE_URL, REDIS_URL)
	@exec $(BIN)/python -m zstack_mgmt run

test: $(STAMP)  ## the tests, on servers of their own (ARGS="-k name")
	@$(BIN)/python tests/slapd.py
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(ARGS)

test-faults: $(STAMP)  ## the slow tests that kill processes
	$(BIN)/python -m pytest -m faults $(ARGS)

test-libvirt: $(STAMP)  ## the libvirt driver against libvirt's test hypervisor (needs libvirt-dev, pkg-config, cc)
	@mkdir -p build && $(BIN)/python -m pip install --quiet --disable-pip-version-check --target build/libvirt \
		"libvirt-python==$$(pkg-config --modversion libvirt)"
	PYTHONPATH=build/libvirt $(BIN)/python -m pytest tests/compute/check_libvirt.py $(ARGS)

test-keystone: $(STAMP)  ## the Keystone door against OpenStack's clients and tempest, in build/keystone
	@test -x build/keystone/bin/tempest || { $(PYTHON) -m venv build/keystone && \
		build/keystone/bin/python -m pip install --quiet --disable-pip-version-check tempest==47.0.0 keystoneauth1 \
		python-keystoneclient openstacksdk python-openstackclient; }
	$(BIN)/python -m pytest tests/keystone/check_clients.py $(ARGS)

check: $(STAMP)  ## style, types, imports and generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/basedpyright -p tests
	$(BIN)/lint-imports
	@rm -rf build/docs && $(BIN)/python -m zstack_mgmt docs build/docs
	@cd build/docs && find . -type f | sort | while read -r file; do \
		cmp -s "$$file" "../../docs/$$file" || { echo "docs/$$file is not what 'make docs' writes" >&2; exit 1; }; done

format: $(STAMP)  ## let ruff write the style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)  ## measure the speed (ARGS=tests/benchmarks/bench_engine.py)
	$(BIN)/python -m pytest -m bench -s $(or $(ARGS),$(wildcard tests/benchmarks/bench_*.py))

docs: $(STAMP)  ## write the generated files: docs/api, errors.md, limits.md, openapi.json
	$(BIN)/python -m zstack_mgmt docs docs

# uv is the only tool that locks for every platform at once; it is needed for nothing else.
lock:  ## resolve the dependencies again, with hashes and without an index address
	$(PYTHON) -m venv build/uv && build/uv/bin/python -m pip install --quiet uv
	build/uv/bin/uv pip compile pyproject.toml --extra local --extra dev --extra bench --universal --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-annotate --quiet --custom-compile-command "make lock" -o requirements.lock
	build/uv/bin/uv pip compile pyproject.toml --universal --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-annotate --quiet --custom-compile-command "make lock" -c requirements.lock -o requirements-server.lock

clean:  ## remove the environment and the caches, not the data
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .import_linter_cache
