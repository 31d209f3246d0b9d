# Everything a newcomer needs: `make run` and `make test`. Only Python >= 3.11 and make must be on the machine.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready-$(shell cat requirements-dev.lock | cksum | cut -d' ' -f1)

.DEFAULT_GOAL := help
.PHONY: help run test check mutants tour bench bench-network openapi inventory examples spectral fuzz lock format clean

help: ## List the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

# --no-deps: the lock names every package; python-jose's ecdsa and rsa are left out on purpose (DECISIONS.md 9).
$(READY): requirements-dev.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the locked packages (once, about a minute) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --use-pep517 --no-deps --require-hashes -r requirements-dev.lock
	@rm -f $(VENV)/.ready-* && touch $@

run: $(READY) ## Serve Renmai with its own PostgreSQL and a demo world
	@exec $(BIN)/python -m app.cli serve --demo

test: $(READY) ## Run the tests (they bring their own PostgreSQL)
	@$(BIN)/python -m pytest -q -n 2 -p no:cacheprovider $(ARGS)

check: $(READY) ## Lint, types, import contracts, the OpenAPI file; Spectral and Redocly where npm is present
	@$(BIN)/ruff check app tests bench migrations openapi
	@$(BIN)/ruff format --check app tests bench migrations openapi
	@$(BIN)/mypy app tests bench migrations openapi/capture.py
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m app.cli openapi --check
	@$(BIN)/python -m app.cli inventory --check
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory spectral; else echo "npm is not here: Spectral skipped"; fi

spectral: ## Lint the OpenAPI file with Spectral (oas, owasp) and Redocly
	@cd openapi && { test -d node_modules || npm ci --silent --no-audit --no-fund; }
	@cd openapi && npx --no-install spectral lint --ruleset .spectral.yaml --fail-severity error openapi.json
	@cd openapi && npx --no-install redocly lint openapi.json

mutants: $(READY) ## Break one security-critical line after the other: the tests must notice each (ARGS="-j 4")
	@$(BIN)/python -m tests.mutants $(ARGS)

fuzz: $(READY) ## Schemathesis as two users against a fresh demo service (EXAMPLES=200 SEEDS="1 2 3")
	@$(BIN)/python -m tests.fuzz --examples $(or $(EXAMPLES),100) $(SEEDS:%=--seed=%)

tour: $(READY) ## Walk an agent's day against the running service
	@$(BIN)/python -m app.tour

bench: $(READY) ## Measure against the bare route; writes bench/RESULTS.md
	@$(BIN)/python -m bench.run

bench-network: $(READY) ## Measure the network at 100,000 and a million parties; writes its part of bench/RESULTS.md
	@$(BIN)/python -m bench.network

openapi: $(READY) ## Write openapi/openapi.json from the application
	@$(BIN)/python -m app.cli openapi

inventory: $(READY) ## Write openapi/data-inventory.json and docs/DATA-INVENTORY.md from the inventory
	@$(BIN)/python -m app.cli inventory

examples: $(READY) ## Take the examples of the document from the running demo (PARTNER_KEY=rmk_…)
	@$(BIN)/python openapi/capture.py --partner-key $(PARTNER_KEY) && $(BIN)/python -m app.cli openapi

format: $(READY) ## Format the source
	@$(BIN)/ruff check --fix app tests bench migrations; $(BIN)/ruff format app tests bench migrations

LOCK = uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet \
	--no-emit-package ecdsa --no-emit-package rsa --no-emit-package renmai pyproject.toml
lock: ## Resolve the dependencies again (needs uv)
	@$(LOCK) -o requirements.lock
	@$(LOCK) --extra dev -o requirements-dev.lock

clean: ## Remove the private database and caches (not the virtual environment)
	@rm -rf var .mypy_cache .ruff_cache .pytest_cache .hypothesis
