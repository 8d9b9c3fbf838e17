# Everything that one does with this checkout; `make help` lists it.
export PEYGIR_LOCAL_DIR ?= .local
VENV := $(PEYGIR_LOCAL_DIR)/venv
CACHE := $(PEYGIR_LOCAL_DIR)/cache
PYTHON_BIN := $(VENV)/bin/python
export RUFF_CACHE_DIR := $(CACHE)/ruff
export MYPY_CACHE_DIR := $(CACHE)/mypy

.DEFAULT_GOAL := help
.PHONY: help setup networks up demo topics check format test coverage bench simulation replicated \
	identity secured soak fuzz docs sbom audit lock

help: ## list what can be made
	@awk 'BEGIN {FS = ":.*## "} \
		/^## / {printf "\n%s\n", substr($$0, 4)} \
		/^[a-z-]+:.*## / && $$1 != "help" {printf "  make %-11s %s\n", $$1, $$2} \
		END {print "\n./peygir --help lists the tools."}' $(MAKEFILE_LIST)

## Begin

setup: ## the virtual environment, Kafka's jars and mongod; a second time it fetches nothing
	@$(SHELL) deploy/local/setup.sh

up: setup ## start Kafka, MongoDB and every service here; Ctrl-C stops all of it
	@$(PYTHON_BIN) -m deploy.local up --with-parent

demo: setup ## replay the whole 1402 season end to end and check its summary
	@$(PYTHON_BIN) -m tools.demo

## Every day

check: setup ## format, lint, types, import contracts
	@$(PYTHON_BIN) -m ruff format --check .
	@$(PYTHON_BIN) -m ruff check .
	@$(PYTHON_BIN) -m mypy
	@$(VENV)/bin/lint-imports --cache-dir $(CACHE)/import-linter

format: setup ## put the code into its format
	@$(PYTHON_BIN) -m ruff format .
	@$(PYTHON_BIN) -m ruff check --fix .

test: networks ## every test, those against the real Kafka and MongoDB included
	@$(PYTHON_BIN) -m pytest -n 2 --dist loadscope --no-loadscope-reorder

coverage: setup ## which lines the tests without a service of their own reach, and which not
	@$(PYTHON_BIN) -m pytest -q -n 2 --dist loadscope --cov --cov-report=term \
		tests/unit tests/contracts tests/stores tests/messaging

topics: setup ## create the topics on the running Kafka
	@./peygir topics

networks: setup
	@$(PYTHON_BIN) -m deploy.local build-toxiproxy

## Long runs

replicated: networks ## what is tried on three brokers and three members, and on networks that fail
	@$(PYTHON_BIN) -m pytest -m 'replicated and not soak' --timeout 300

identity: setup ## logins, tokens and keys of a real Keycloak, which the first run fetches
	@$(PYTHON_BIN) -m pytest -m identity --timeout 900 tests/identity

secured: setup ## what is tried on servers with logins, rights and TLS
	@$(PYTHON_BIN) -m pytest -m 'secured and not soak' --timeout 600

soak: networks ## the long fault tests
	@$(PYTHON_BIN) -m pytest -m soak --timeout 3600

simulation: setup ## the delivery code on simulated servers: ten minutes of new schedules
	@$(PYTHON_BIN) -m tests.simulation --jobs 2 --seconds 600

fuzz: setup ## whatever may be sent, to every operation of every running service
	@PEYGIR_FUZZ_EXAMPLES=$${PEYGIR_FUZZ_EXAMPLES:-200} $(PYTHON_BIN) -m pytest -m '' --timeout 3600 \
		tests/fuzz tests/unit/api/test_bodies.py

bench: setup ## benchmarks as ratios against their peers of the same run
	@$(PYTHON_BIN) -m tests.bench

## Documents and dependencies

docs: setup ## write the documents and pictures that are made from the code
	@./peygir schemas
	@./peygir inputs
	@$(PYTHON_BIN) -m tools.access.document
	@$(PYTHON_BIN) -m tests.pictures

sbom: setup ## a CycloneDX bill of materials of the image: .local/build/peygir.cdx.json
	@$(PYTHON_BIN) -m deploy.supply sbom --output $(PEYGIR_LOCAL_DIR)/build/peygir.cdx.json

audit: setup ## known vulnerabilities of what is pinned; says so where nothing can be asked
	@$(PYTHON_BIN) -m deploy.supply audit

COMPILE := $(PYTHON_BIN) -m uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
	--no-strip-extras

lock: setup ## pin the dependencies anew, within what pyproject.toml allows
	@$(COMPILE) --upgrade pyproject.toml --output-file requirements.txt
	@$(COMPILE) --upgrade pyproject.toml --group dev --constraint requirements.txt \
		--output-file requirements-dev.txt
