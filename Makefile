# Every target makes what it needs in .venv, from the hashes in locks/, and makes it once.
# PYTHON=python3.12 chooses another interpreter; ARGS="-k lease" is passed on to pytest.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= $(shell command -v python3.11 || command -v python3)
SEEDS ?= 10
SEED ?= 1
EVENTS ?= 200
FRAMES ?= 100000
ENV ?= dev
DEPLOY ?=
ARGS ?=

DEPLOYED := $(if $(DEPLOY),--deploy)

BIN := .venv/bin
PY := $(BIN)/python
READY := .venv/.installed
BINDINGS := .venv/.bindings
SCANNER := .venv/checkov/.installed
HELD := oms ingest dashboard infra local

PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(PY) -m pip install --require-virtualenv
COMPILE = $(BIN)/uv pip compile pyproject.toml --python-version 3.11 --universal --generate-hashes --no-config \
  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --quiet $(ARGS)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo up test check bench simulate chaos fuzz synth plan scan docs format lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(READY) $(if $(DEPLOY),synth) ## Copy three leaders' sessions, play scenes, judge both (DEPLOY=1: on what is deployed)
	$(PY) -m services.local demo $(DEPLOYED)

up: $(READY) $(if $(DEPLOY),synth) ## Run the whole system on this machine until Ctrl-C (DEPLOY=1 likewise)
	$(PY) -m services.local up $(DEPLOYED)

test: $(READY) ## Run the tests (ARGS="-k lease" narrows them)
	$(PY) -m pytest $(ARGS)

check: $(READY) ## Lint, check formatting, types and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY) ## Measure our wire, 500 sockets and a fan-out to 1,000 beside others; write bench.json
	$(PY) -m benchmarks

simulate: $(READY) ## Run SEEDS=10 simulated hours, each twice, and compare the traces
	$(BIN)/spider simulate --seeds $(SEEDS)

chaos: $(READY) ## Copy EVENTS=200 leader events while everything fails as SEED=1 says; write chaos.json
	$(PY) -m services.local chaos --seed $(SEED) --events $(EVENTS)

fuzz: $(READY) ## Read FRAMES=100000 mutated frames of each venue's socket
	$(PY) -m tests.venues.fuzz $(FRAMES)

synth: $(BINDINGS) ## Write the Terraform configuration of every environment to cdktf.out, count its resources
	$(PY) main.py

plan: synth ## Ask Terraform what it would change in ENV=dev (TF_VAR_account_id says in which account)
	$(PY) -m services.local.terraform cdktf.out/stacks/foundation-$(ENV) plan -input=false $(ARGS)

scan: $(BINDINGS) $(SCANNER) ## Plan every stack without an account, and hold it against checkov's checks
	$(PY) -m pytest -m scan tests/infrastructure $(ARGS)

# A document names, where its generated part begins, the command that prints it.
docs: $(BINDINGS) ## Write the generated parts of docs/ anew
	for each in $$(grep -l '^<!-- from here to the end: ' docs/*.md); do \
	  { sed '/^<!-- from here to the end: /,$$d' $$each; \
	    $(BIN)/$$(sed -n 's/^<!-- from here to the end: \(.*\) -->$$/\1/p' $$each); } > $$each.new; \
	  mv $$each.new $$each; done

format: $(READY) ## Sort imports, apply safe fixes, format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# The services' locks are held to the versions in dev: what the tests ran on is what ships.
lock: $(READY) ## Resolve locks/ anew from pyproject.toml, keeping what still fits (ARGS=--upgrade renews all)
	$(COMPILE) --group dev --output-file locks/dev.txt
	$(subst pyproject.toml,,$(COMPILE)) --group checkov --output-file locks/checkov.txt
	for group in $(HELD); do $(COMPILE) --group $$group --constraints locks/dev.txt --output-file locks/$$group.txt; done

clean: ## Remove .venv, caches and results
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .spider dist
	rm -f demo.json bench.json chaos.json
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# pip takes its settings (a mirror, certificates) from where the machine keeps them, and compiles what it installs,
# so that each process starts three times as fast.
$(READY): locks/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "OMS Spider needs Python 3.11 or newer; choose one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Setting up .venv: once, under a minute"
	@test -x $(PY) || $(PYTHON) -m venv .venv
	@$(PIP) --only-binary :all: --require-hashes --requirement locks/dev.txt | \
	  sed -n -e '/^Collecting/{s/ (from.*//;p;}' -e '/^Installing/s/:.*/ and compiling them/p'
	@$(PIP) --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# Beside the rest, for the tests of stacks/ need both; only these two targets ask for the 480 MB.
$(BINDINGS): locks/infra.txt $(READY)
	@echo "Adding the infrastructure bindings: once, under a minute"
	@$(PIP) --quiet --only-binary :all: --require-hashes --requirement locks/infra.txt
	@touch $@

# Alone, for its pins contradict ours.
$(SCANNER): locks/checkov.txt $(READY)
	@echo "Adding checkov: once, under a minute"
	@$(PYTHON) -m venv .venv/checkov
	@PIP_DISABLE_PIP_VERSION_CHECK=1 .venv/checkov/bin/python -m pip install -qq --only-binary :all: \
	  --require-hashes --requirement locks/checkov.txt
	@touch $@
